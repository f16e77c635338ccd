/** How the cost of a pinned write grows with the number of tenants. */
import { seededRandom, type SeededRandom } from '../../src/core/seeded-random.ts'
import type { BenchContext, BenchStep, StepPlan, StepResult } from '../step.ts'
import type { BenchDatabase } from '../workloads/schema.ts'
import { GrowthLog } from './growth-log.ts'
import { createTenant } from './growth-tenant.ts'
import { loadRows } from './load-rows.ts'
import { measureWriteCost } from './write-cost.ts'

const TENANT_COUNTS: readonly number[] = [10, 100, 1_000, 10_000, 100_000]
/** Creations share the records of the directory's log: many wait for one round of it. */
const CREATED_AT_ONCE = 256
/** Writers know their routes, as a service does that serves the same tenants all day. */
const WRITTEN_TENANTS = 100
const DURATION_MS = 6 * 60_000
const SERIES = 'pinned write, tenants'

/** One step: create tenants to 10, 100, …, and measure writes to some of them at each. */
export function tenantsSteps({ leader }: StepPlan): readonly BenchStep[] {
  return [
    {
      name: `growth: ${SERIES}`,
      durationMs: DURATION_MS,
      run: (context) => runTenants(leader, context),
    },
  ]
}

async function runTenants(home: string, context: BenchContext): Promise<StepResult> {
  const { signal, seed, target, timeScale } = context
  const db = context.client(home)
  const deadlineMs = performance.now() + DURATION_MS * timeScale
  const random = seededRandom(seed)
  const log = new GrowthLog()
  return log.collect(async () => {
    let tenants = 0
    for (const count of TENANT_COUNTS) {
      context.note(`creating ${count.toLocaleString('en')} tenants`)
      const load = { from: tenants, to: count, batchRows: 1, atOnce: CREATED_AT_ONCE }
      const insert = (n: number): Promise<void> => createTenant(db, { id: tenantId(n), home })
      tenants = await loadRows({ ...load, deadlineMs, signal, insert })
      if (tenants < count) {
        log.note(
          `${SERIES}: not measured at ${count.toLocaleString('en')}; the time of the step ended ` +
            `at ${tenants.toLocaleString('en')} tenants created.`,
        )
        return
      }
      await target.settle()
      const written = someTenants(count, random)
      await Promise.all(written.map((tenant) => write(db, tenant)))
      const size = { series: SERIES, x: count, xUnit: 'tenants' }
      const cost = await measureWriteCost(context, size, () => write(db, random.pick(written)))
      log.add(cost.points, cost.notes)
    }
  })
}

function someTenants(count: number, random: SeededRandom): readonly string[] {
  return Array.from({ length: Math.min(count, WRITTEN_TENANTS) }, () =>
    tenantId(random.below(count)),
  )
}

async function write(db: BenchDatabase, tenant: string): Promise<undefined> {
  await db.tenant(tenant).pinnedRows.upsert({ id: 'row', value: 'value' })
  return undefined
}

function tenantId(n: number): string {
  return `growth-t${n}`
}
