/** A step of a benchmark: something that is measured for a while and gives cells. */
import type { Database } from '../src/client/index.ts'
import type { Topology } from '../src/config/topology.ts'
import type { BenchTarget, EnginesKind } from './target/target.ts'
import type { Cell, GrowthPoint, PeerCell } from './measure/cell.ts'
import type { BenchSchema } from './workloads/schema.ts'

/** What a step works with. */
export interface BenchContext {
  readonly target: BenchTarget<BenchSchema>
  /** The client in a region; one a region for the whole run, so that caches and routes are warm. */
  client(region: string): Database<BenchSchema>
  /** Multiplies warm-ups and windows: a short run measures the same with fewer calls. */
  readonly timeScale: number
  /** Times that each window is repeated, interleaved with those of its peers. */
  readonly repetitions: number
  readonly seed: number
  readonly signal: AbortSignal
  /** Says what is going on, for whoever watches. */
  note(remark: string): void
}

/** What steps are chosen for. */
export interface StepPlan {
  readonly engines: EnginesKind
  readonly topology: Topology
  /** The region that leads the commit log. */
  readonly leader: string
  /** Calls a second of each origin in an open loop, where a step has no rate of its own. */
  readonly rateOpsPerSecond: number
  /** The same where it was asked for by name: goes before the rate that a step has of its own. */
  readonly askedRateOpsPerSecond?: number | undefined
}

/** Latencies of one cell in full, for the raw log beside the result. */
export interface NamedHistogram {
  /** The name of its file, without the ending. */
  readonly name: string
  /** The V2 compressed encoding of HdrHistogram, base64; values in microseconds. */
  readonly encoded: string
}

/** What a step found. */
export interface StepResult {
  readonly cells?: readonly Cell[]
  readonly peers?: readonly PeerCell[]
  readonly growth?: readonly GrowthPoint[]
  readonly histograms?: readonly NamedHistogram[]
  /** What could not be measured, and why. */
  readonly notes?: readonly string[]
}

/** A step. */
export interface BenchStep {
  readonly name: string
  /** About how long it takes at a time scale of 1. */
  readonly durationMs: number
  run(context: BenchContext): Promise<StepResult>
}
