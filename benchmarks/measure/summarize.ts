/** What was recorded, as a result: quantiles, and whether the generator was too late for them. */
import type { Histogram } from 'hdr-histogram-js'
import type { CellCounts, CellLoad, CellQuantiles, GeneratorReport } from './cell.ts'
import { encodeHistogram, quantileMs, valueAtMs } from './histogram.ts'
import type { LoopResult } from './loop.ts'

/** Of calls that began up to this much late nothing is withheld, */
const LATE_MS = 2
/** nor up to this share of the median: it changes nothing that a reader would see. */
const LATE_SHARE = 0.05

/** What a loop, or several together, recorded. */
export interface Recording extends CellLoad, CellCounts {
  readonly latencies: Histogram
  /** How late calls began. */
  readonly latenesses: Histogram
  readonly stalenesses: Histogram
  /** Late in reports that came without their histogram. */
  readonly knownLateP95Ms?: number | null
  readonly durationMs: number
  readonly callsMade: number
  readonly sharesThread: boolean
  readonly repetitionP95Ms?: readonly (number | null)[]
}

/** Judges a recording. Of a late generator every quantile is withheld. */
export function summarize(recording: Recording): LoopResult {
  const { latencies, latenesses, stalenesses, knownLateP95Ms: _, ...rest } = recording
  const generator = judge(recording)
  const quantiles = generator.isLate ? WITHHELD : quantilesOf(latencies)
  return {
    ...rest,
    n: latencies.totalCount,
    ...quantiles,
    generator,
    stalenessP95Ms: quantileMs(stalenesses, 0.95),
    encoded: encodeHistogram(latencies),
    ...(stalenesses.totalCount === 0 ? {} : { encodedStaleness: encodeHistogram(stalenesses) }),
    ...(latenesses.totalCount === 0 ? {} : { encodedLateness: encodeHistogram(latenesses) }),
  }
}

type Quantiles = Omit<CellQuantiles, 'n'>

const WITHHELD: Quantiles = { p50Ms: null, p95Ms: null, p99Ms: null, p999Ms: null }

function quantilesOf(latencies: Histogram): Quantiles {
  return {
    p50Ms: quantileMs(latencies, 0.5),
    p95Ms: quantileMs(latencies, 0.95),
    p99Ms: quantileMs(latencies, 0.99),
    p999Ms: quantileMs(latencies, 0.999),
  }
}

/** Judged even where there are too few calls to report a quantile: a doubt is no reason to publish. */
function judge(recording: Recording): GeneratorReport {
  const { latencies, latenesses, knownLateP95Ms, sharesThread } = recording
  const lateMs = Math.max(valueAtMs(latenesses, 0.95), knownLateP95Ms ?? 0)
  const boundMs = Math.max(LATE_MS, LATE_SHARE * valueAtMs(latencies, 0.5))
  return {
    lateP95Ms:
      latenesses.totalCount === 0 ? (knownLateP95Ms ?? null) : quantileMs(latenesses, 0.95),
    lateP50Ms: latenesses.totalCount === 0 ? null : quantileMs(latenesses, 0.5),
    isLate: !sharesThread && lateMs > boundMs,
  }
}
