/** The mixed workload: callers in every region, each kind of call often enough to judge it. */
import { MeridianError } from '../../core/errors.ts'
import type { Progress } from '../progress.ts'
import { throwIfInterrupted } from '../../../benchmarks/concurrency.ts'
import { operationsFrom, type Caller, type Operation, type WorkloadData } from './operations.ts'
import { quantile } from '../../../benchmarks/measure/quantiles.ts'
import type { CellResult } from './result.ts'
import { seededRandom } from '../../core/seeded-random.ts'
import type { DemoSession } from './session.ts'

/** Times as many calls of local reads: enough for a p99 at the default. */
const LOCAL_READS = 4
/**
 * Callers in each region at real distances; each waits for its answer before it calls again. Fewer
 * where distances are shorter: the calls a second stay, and with them what queueing adds.
 */
const CALLERS = 20
const FEWEST_CALLERS = 2
/** Unmeasured calls of each kind before: code is compiled, routes and keys are fetched. */
const WARM_UP_CALLS = 5

/** How a workload is drawn. */
export interface WorkloadOptions {
  /** Measured calls of each kind; of local reads four times as many. */
  readonly samples: number
  /** Of the distances. */
  readonly scale: number
  readonly seed: number
  /** Part of the ids of new rows: another one each run. */
  readonly run: string
}

/** What was measured. */
export interface WorkloadResult {
  readonly cells: readonly CellResult[]
  readonly calls: number
  /** How often each error was met. */
  readonly failures: ReadonlyMap<string, number>
}

interface Cell {
  readonly operation: Operation
  readonly latenciesMs: number[]
}

/** Runs the workload from every region at once. */
export async function runWorkload(
  session: DemoSession,
  data: WorkloadData,
  options: WorkloadOptions,
  progress: Progress,
  signal: AbortSignal,
): Promise<WorkloadResult> {
  const failures = new Map<string, number>()
  let calls = 0
  const perform = async (cell: Cell, caller: Caller, measured: boolean): Promise<void> => {
    const startedAtMs = performance.now()
    try {
      await cell.operation.call(caller)
      if (measured) cell.latenciesMs.push(performance.now() - startedAtMs)
    } catch (error) {
      throwIfInterrupted(signal)
      const { mode, op } = cell.operation
      const what = `${mode} ${op}: ${describeFailure(error)}`
      failures.set(what, (failures.get(what) ?? 0) + 1)
    }
    progress.update(++calls)
  }
  const regions = session.regions.map(async (origin, index) => {
    const random = seededRandom(options.seed * session.regions.length + index)
    const cells = operationsFrom(session, origin, data).map((operation): Cell => ({
      operation,
      latenciesMs: [],
    }))
    const schedule = (callsOf: (operation: Operation) => number): Cell[] =>
      random.shuffle(cells.flatMap((cell) => new Array<Cell>(callsOf(cell.operation)).fill(cell)))
    const callers = Array.from({ length: callersAt(options.scale) }, (_, i) =>
      createCaller(session, origin, seededRandom(random.below(2 ** 32)), `${options.run}-${i}`),
    )
    for (const measured of [false, true]) {
      const queue = schedule((operation) =>
        measured ? measuredCalls(operation, options.samples) : WARM_UP_CALLS,
      )
      await Promise.all(
        callers.map(async (caller) => {
          for (let cell = queue.pop(); cell !== undefined; cell = queue.pop()) {
            throwIfInterrupted(signal)
            await perform(cell, caller, measured)
          }
        }),
      )
    }
    return cells
  })
  const cells = (await Promise.all(regions)).flat()
  return { cells: cells.map(summarize), calls, failures }
}

/** How many calls a workload makes. */
export function workloadCalls(session: DemoSession, data: WorkloadData, samples: number): number {
  return session.regions
    .flatMap((origin) => operationsFrom(session, origin, data))
    .reduce((sum, operation) => sum + WARM_UP_CALLS + measuredCalls(operation, samples), 0)
}

function measuredCalls({ isLocalRead }: Operation, samples: number): number {
  return isLocalRead === true ? LOCAL_READS * samples : samples
}

function callersAt(scale: number): number {
  return Math.max(FEWEST_CALLERS, Math.min(CALLERS, Math.round(CALLERS * scale)))
}

function createCaller(
  session: DemoSession,
  origin: string,
  random: Caller['random'],
  name: string,
): Caller {
  const db = session.db(origin)
  let made = 0
  return { db, random, session: db.session(), newId: () => `${name}-${origin}-${made++}` }
}

function summarize({ operation, latenciesMs }: Cell): CellResult {
  const { op, mode, origin, home, networkMs } = operation
  const ascending = Float64Array.from(latenciesMs).sort()
  const p50Ms = rounded(quantile(ascending, 0.5))
  return {
    op,
    mode,
    origin,
    home,
    n: ascending.length,
    p50Ms,
    p95Ms: rounded(quantile(ascending, 0.95)),
    p99Ms: rounded(quantile(ascending, 0.99)),
    networkMs: rounded(networkMs) as number,
    overheadMs: p50Ms === null ? null : rounded(p50Ms - networkMs),
  }
}

/** To microseconds: the clock has no more. */
function rounded(value: number | null): number | null {
  return value === null ? null : Math.round(value * 1000) / 1000
}

function describeFailure(error: unknown): string {
  if (error instanceof MeridianError) return error.code
  return error instanceof Error ? error.message : String(error)
}
