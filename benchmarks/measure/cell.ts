/** What one measurement says: a cell of the result, with everything that a reader needs to judge it. */
import type { ReadLevel } from '../../src/client/index.ts'

/** The consistency mode of the table that is called, or the peer that stands in its place. */
export type CellMode = 'strong' | 'pinned' | 'eventual'

/** What is to be measured. */
export interface CellKey {
  /** `write`, `read`, `transaction`, `converge`, `publish`, `view`, `ycsb-a`, … */
  readonly op: string
  readonly mode: CellMode
  /** The region that the caller stands in. */
  readonly origin: string
  /** The region that the answer depends on: a tenant's home, the log's leader; `null` for none. */
  readonly home: string | null
  /** The level that was asked for; `null` for writes. */
  readonly level: ReadLevel | null
}

/** How calls were made. */
export interface CellLoad {
  /** `open`: calls begin when they are due, whether or not earlier ones have ended. */
  readonly loop: 'open' | 'closed'
  /** Open: calls a second that were due. Closed: what came out of it. */
  readonly rateOpsPerSecond: number
  /** Calls at once; of an open loop the most there were. */
  readonly concurrency: number
}

/** Counts of calls after the warm-up. */
export interface CellCounts {
  readonly attempted: number
  readonly succeeded: number
  readonly failed: number
  /** Requests beyond the first of each call. */
  readonly retried: number
  /** Failed calls by code. */
  readonly errors: Readonly<Record<string, number>>
  /** Answers by the level that was delivered. */
  readonly levels: Readonly<Record<string, number>>
}

/** Latencies in ms; `null` where n < 10 / (1 - q). From when a call was due, in an open loop. */
export interface CellQuantiles {
  readonly n: number
  readonly p50Ms: number | null
  readonly p95Ms: number | null
  readonly p99Ms: number | null
  readonly p999Ms: number | null
}

/** What the generator was capable of. */
export interface GeneratorReport {
  /** How much later than due calls began, p95, for reasons of the generator alone. */
  readonly lateP95Ms: number | null
  /** The same, p50. */
  readonly lateP50Ms: number | null
  /** Too late for the latencies to be those of the system: they are withheld. */
  readonly isLate: boolean
}

/** What an operation is held against. */
export interface CellLimits {
  /** What the topology alone costs. */
  readonly networkMs: number
  /** The raw engine doing that step in the same run, p95. `null` where there is no such engine. */
  readonly rawEngineP95Ms: number | null
  /** The physical limit between regions; `null` where the call need not leave its region. */
  readonly limitMs: number | null
  /** p95 / limitMs; `null` where no limit exists or p95 is not known. */
  readonly p95OverLimit: number | null
}

/** A bound of the performance budget. */
export interface CellBudget {
  /** As the budget words it: `<= 1.1 x 160 ms`. */
  readonly text: string
  readonly quantile: 'p50' | 'p95' | 'p99'
  readonly boundMs: number
  /** Whether the quantile of all calls holds, failed ones being the slowest; `null`: not known. */
  readonly holds: boolean | null
}

/** One cell of the result. */
export interface Cell extends CellKey, CellLoad, CellCounts, CellQuantiles, CellLimits {
  readonly stalenessP95Ms: number | null
  readonly crossRegionBytesPerOp: number | null
  /** CPU of the deployment's processes, in ms of one core. */
  readonly cpuMsPerOp: number | null
  readonly budgets: readonly CellBudget[]
  readonly generator: GeneratorReport
  /** p95 of each repetition, where there were several. */
  readonly repetitionP95Ms: readonly (number | null)[]
}

/** A peer or raw engine, measured in the same run. */
export interface PeerCell extends CellLoad, CellCounts, CellQuantiles {
  /** `etcd`, `libsql`, `kafka`, `redis`, `postgresql`, `cassandra`. */
  readonly peer: string
  readonly version: string
  /** What it did: `transaction`, `linearizable read`, `produce-consume`, … */
  readonly op: string
  readonly origin: string
  readonly home: string | null
  /** What an acknowledgement means: `fsync on a majority`, `memory`, … */
  readonly durability: string
  readonly networkMs: number
  readonly generator: GeneratorReport
  readonly repetitionP95Ms: readonly (number | null)[]
}

/** How a cost grows with something. */
export interface GrowthPoint {
  /** `pinned write, rows in the table`, `node memory, minutes`, … */
  readonly series: string
  readonly x: number
  readonly xUnit: string
  readonly y: number
  readonly yUnit: string
}
