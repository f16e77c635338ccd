/** The call that a loop makes again and again, and what the loop found. */
import type { ReadLevel } from '../../src/client/index.ts'
import type { CellCounts, CellLoad, CellQuantiles, GeneratorReport } from './cell.ts'
import type { LoopTime } from './loop-time.ts'

/** What one call tells of itself. */
export interface CallReport {
  /** The level that was delivered, of reads. */
  readonly level?: ReadLevel
  readonly stalenessMs?: number | null
  /** Requests that were sent (`Receipt.requests`); `needed` when left out. */
  readonly attempts?: number
  /** Requests that the call takes where all goes well, 1 when left out: more of a transaction that read. */
  readonly needed?: number
  /**
   * What counts as its latency, where that is not the time until it resolved: from a commit until
   * the row was seen elsewhere.
   */
  readonly latencyMs?: number
}

/** One call; `index` counts calls from 0. A rejection counts as failed, by its code. */
export type Operation = (index: number) => Promise<CallReport | undefined>

/** How a loop runs. */
export interface LoopOptions {
  readonly operation: Operation
  readonly load:
    | { readonly loop: 'open'; readonly rateOpsPerSecond: number }
    | { readonly loop: 'closed'; readonly concurrency: number }
  /**
   * Calls that begin before it has passed are made and not counted; of an open loop those of so long
   * at its rate.
   */
  readonly warmupMs: number
  readonly durationMs: number
  readonly signal?: AbortSignal
  /**
   * The system under measurement runs in this thread (an embedded target). What delays the loop's
   * calls is then the system itself: their lateness is part of the latency, and withholds nothing.
   */
  readonly sharesThread?: boolean
  /** Of the jitter of due times. Drawn when left out. */
  readonly seed?: number
  /**
   * Open loop: with this many calls under way, calls that are due are not made, and counted as
   * failed (`NOT_MADE_TOO_MANY_UNDER_WAY`). Default: those of ten seconds, at least 100.
   */
  readonly maxOutstanding?: number
  /**
   * How long calls under way at the end are waited for; those that are left count as failed
   * (`NO_ANSWER`). Default 10 s.
   */
  readonly drainMs?: number
  /** Default: that of this process. */
  readonly time?: LoopTime
}

/** What a loop found. Several results of one cell are merged by `mergeLoops`. */
export interface LoopResult extends CellLoad, CellCounts, CellQuantiles {
  readonly generator: GeneratorReport
  readonly stalenessP95Ms: number | null
  readonly durationMs: number
  /** HdrHistogram V2, compressed, base64, in microseconds: what quantiles are read from. */
  readonly encoded: string
  /** Stalenesses in the same form; left out where no call told one. */
  readonly encodedStaleness?: string
  /** How late calls began, in the same form; of open loops. */
  readonly encodedLateness?: string
  /** Calls that were made, those of the warm-up too: what bytes and CPU are divided by. */
  readonly callsMade?: number
  /** Whether the system ran in the loop's thread, so that lateness withholds nothing. */
  readonly sharesThread?: boolean
  /** p95 of each repetition that was merged. */
  readonly repetitionP95Ms?: readonly (number | null)[]
}
