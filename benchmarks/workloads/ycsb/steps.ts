/** A core workload as steps: one a mode, called from every region. */
import type { Topology } from '../../../src/config/topology.ts'
import type { CellMode } from '../../measure/cell.ts'
import { commitLogMs, roundTripMs } from '../../measure/network-time.ts'
import { seededRandom } from '../../../src/core/seeded-random.ts'
import type { BenchContext, BenchStep, StepPlan, StepResult } from '../../step.ts'
import { callersIn } from '../callers.ts'
import { ensureTenants, freshName, loadRows } from '../preparation.ts'
import { runKinds, stepName } from '../run-kinds.ts'
import { tenantOf } from '../schema.ts'
import { Tally } from '../tally.ts'
import type { CallKind } from '../workload.ts'
import { checkRecords } from './check.ts'
import { RECORDS, type CallName, type CoreWorkload } from './core-workloads.ts'
import { UpdateJournal } from './journal.ts'
import { keySpace, recordNumbers } from './key-space.ts'
import { ycsbOperation, type YcsbOrigin, type YcsbRun } from './operations.ts'
import { newRecord, recordId } from './records.ts'
import { wideTable } from './wide-table.ts'

const WARMUP_MS = 3000
/** At 100 calls a second, 5% of the calls of a region come to 200: enough for a p95. */
const WINDOW_MS = 40_000
const LOAD_AND_CHECK_MS = 10_000

const MODES: readonly CellMode[] = ['strong', 'pinned', 'eventual']

/** The steps of a core workload: load, calls from all regions at once, check. */
export function ycsbSteps(workload: CoreWorkload, plan: StepPlan): readonly BenchStep[] {
  return MODES.map((mode) => ({
    name: stepName(workload.name, mode),
    durationMs: LOAD_AND_CHECK_MS + WARMUP_MS + WINDOW_MS,
    run: (context) => runCoreWorkload(context, workload, mode, plan.rateOpsPerSecond),
  }))
}

async function runCoreWorkload(
  context: BenchContext,
  workload: CoreWorkload,
  mode: CellMode,
  rateOpsPerSecond: number,
): Promise<StepResult> {
  const step = stepName(workload.name, mode)
  const run: YcsbRun = {
    name: freshName(step),
    mode,
    tenant: tenantOf(context.target.leader),
    tally: new Tally(step),
    journal: new UpdateJournal(),
    numbers: recordNumbers(),
  }
  await loadRecords(context, run)
  const kinds = context.target.topology.regions.flatMap((origin, i) =>
    kindsFrom(context, workload, run, { origin, number: i, rateOpsPerSecond }),
  )
  const { tally } = run
  const timing = { warmupMs: WARMUP_MS, durationMs: WINDOW_MS }
  const result = await runKinds(context, { step, kinds, tally, ...timing })
  context.note(`${step}: comparing the records in every region`)
  await checkRecords(context, run)
  tally.finish()
  return result
}

/** The load phase. The records' tenant is at home where the log is led: one place for all modes. */
async function loadRecords(context: BenchContext, run: YcsbRun): Promise<void> {
  const home = context.target.leader
  await ensureTenants(context, [{ id: run.tenant, home }])
  const table = wideTable(context.client(home), run.mode, run.tenant)
  const rows = Array.from({ length: RECORDS }, (_, i) => newRecord(recordId(run.name, i), 0))
  await loadRows(context, run.name, table, rows)
  await context.target.settle()
}

interface OriginPlan {
  readonly origin: string
  /** Its place among the regions. */
  readonly number: number
  readonly rateOpsPerSecond: number
}

function kindsFrom(
  context: BenchContext,
  workload: CoreWorkload,
  run: YcsbRun,
  { origin, number, rateOpsPerSecond }: OriginPlan,
): readonly CallKind[] {
  const { topology, leader } = context.target
  // Of each region its own sequence, and the same in every run of a seed.
  const random = seededRandom(context.seed * topology.regions.length + number)
  const seconds = ((WARMUP_MS + WINDOW_MS) * context.timeScale) / 1000
  const expectedInserts = (workload.shares.insert ?? 0) * rateOpsPerSecond * seconds
  const shared: YcsbOrigin = {
    callers: callersIn(context, origin),
    keys: keySpace(random, workload.popular, expectedInserts),
    random,
  }
  const shares = Object.entries(workload.shares) as [CallName, number][]
  return shares.map(([call, share]) => {
    const isRead = call === 'read' || call === 'scan'
    return {
      op: `${workload.name} ${call}`,
      mode: run.mode,
      origin,
      home: run.mode === 'eventual' ? null : leader,
      level: isRead ? 'session' : null,
      // Of a record that the caller has just written, a read may wait until it is in its region.
      networkMs: isRead ? 0 : writeNetworkMs(topology, run.mode, origin, leader, call),
      load: { loop: 'open', rateOpsPerSecond: rateOpsPerSecond * share },
      operation: ycsbOperation(run, shared, call),
    }
  })
}

function writeNetworkMs(
  topology: Topology,
  mode: CellMode,
  origin: string,
  home: string,
  call: CallName,
): number {
  switch (mode) {
    case 'strong':
      // A transaction reads its own region's rows.
      return commitLogMs(topology, home, origin)
    case 'pinned':
      // A transaction reads at home and commits there.
      return (call === 'read-modify-write' ? 2 : 1) * roundTripMs(topology, origin, home)
    case 'eventual':
      return 0
  }
}
