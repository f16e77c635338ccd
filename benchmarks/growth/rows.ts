/** How the cost of a write grows with the rows that its table has. */
import { seededRandom } from '../../src/core/seeded-random.ts'
import type { BenchContext, BenchStep, StepPlan, StepResult } from '../step.ts'
import { GrowthLog } from './growth-log.ts'
import { createTenant } from './growth-tenant.ts'
import { loadRows, rowKey } from './load-rows.ts'
import { measureWriteCost } from './write-cost.ts'

const ROW_COUNTS: readonly number[] = [1_000, 10_000, 100_000, 1_000_000]
const TENANT = 'growth-rows'
const MODES = {
  pinned: { batchRows: 2_000, atOnce: 4, durationMs: 6 * 60_000 },
  // A record of the commit log has a bound; several are under way to hide its round trips.
  strong: { batchRows: 1_000, atOnce: 8, durationMs: 510_000 },
} as const

type RowsMode = keyof typeof MODES

/** One step a mode: load to 10^3, 10^4, … rows, and measure writes to random rows at each. */
export function rowsSteps({ leader }: StepPlan): readonly BenchStep[] {
  return (['pinned', 'strong'] as const).map((mode) => ({
    name: `growth: ${mode} write, rows in the table`,
    durationMs: MODES[mode].durationMs,
    run: (context) => runRows(mode, leader, context),
  }))
}

interface RowTable {
  readonly insert: (from: number, to: number) => Promise<unknown>
  readonly write: (n: number) => Promise<undefined>
}

async function runRows(mode: RowsMode, home: string, context: BenchContext): Promise<StepResult> {
  const { batchRows, atOnce, durationMs } = MODES[mode]
  const { seed, signal, target, timeScale } = context
  const deadlineMs = performance.now() + durationMs * timeScale
  if (mode === 'pinned') await createTenant(context.client(home), { id: TENANT, home })
  const table = tableOf(mode, home, context)
  const random = seededRandom(seed)
  const series = `${mode} write, rows in the table`
  const log = new GrowthLog()
  return log.collect(async () => {
    let rows = 0
    for (const count of ROW_COUNTS) {
      context.note(`loading ${count.toLocaleString('en')} rows`)
      const load = { from: rows, to: count, batchRows, atOnce, deadlineMs, signal }
      rows = await loadRows({ ...load, insert: table.insert })
      if (rows < count) {
        log.note(
          `${series}: not measured at ${count.toLocaleString('en')}; the time of the step ended ` +
            `at ${rows.toLocaleString('en')} rows loaded.`,
        )
        return
      }
      await target.settle()
      const size = { series, x: count, xUnit: 'rows' }
      const cost = await measureWriteCost(context, size, () => table.write(random.below(count)))
      log.add(cost.points, cost.notes)
    }
  })
}

function tableOf(mode: RowsMode, home: string, context: BenchContext): RowTable {
  const db = context.client(home)
  const value = 'x'.repeat(32)
  const rows = (from: number, to: number): { id: string; value: string }[] =>
    Array.from({ length: to - from }, (_, i) => ({ id: rowKey(from + i), value }))
  const table = mode === 'pinned' ? db.tenant(TENANT).pinnedRows : db.strongRows
  return {
    insert: (from, to) => table.insertMany(rows(from, to), { deadlineMs: LOAD_DEADLINE_MS }),
    write: async (n) => {
      await table.update(rowKey(n), { value })
      return undefined
    },
  }
}

/** A large batch behind others that wait for the disk. */
const LOAD_DEADLINE_MS = 60_000
