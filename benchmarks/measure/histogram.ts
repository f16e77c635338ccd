/** Histograms of durations: microseconds, three significant digits. */
import {
  build,
  decodeFromCompressedBase64,
  encodeIntoCompressedBase64,
  type Histogram,
} from 'hdr-histogram-js'
import { MeridianError } from '../../src/core/errors.ts'
import { isEnoughFor, quantileRank } from './quantiles.ts'

/** An hour, as stalenesses may be. A histogram grows where a value is longer: none is cut. */
const USUAL_HIGHEST_US = 3_600_000_000
const US_PER_MS = 1000

/** An empty one. */
export function createHistogram(): Histogram {
  return build({
    bitBucketSize: 32,
    autoResize: true,
    lowestDiscernibleValue: 1,
    highestTrackableValue: USUAL_HIGHEST_US,
    numberOfSignificantValueDigits: 3,
  })
}

/** @throws MeridianError `INVALID_VALUE` for what is no duration */
export function recordMs(histogram: Histogram, durationMs: number): void {
  if (!Number.isFinite(durationMs)) {
    throw new MeridianError('INVALID_VALUE', `A duration of ${durationMs} ms cannot be recorded.`)
  }
  // Of two clocks one may be behind: no time has passed.
  histogram.recordValue(Math.max(0, Math.round(durationMs * US_PER_MS)))
}

/** The quantile `q` (0 to 1) in ms; `null` where n < 10 / (1 - q). */
export function quantileMs(histogram: Histogram, q: number): number | null {
  return isEnoughFor(histogram.totalCount, q) ? valueAtMs(histogram, q) : null
}

/** The value at the place of quantile `q` in ms, however few values there are; 0 for none. */
export function valueAtMs(histogram: Histogram, q: number): number {
  const n = histogram.totalCount
  if (n === 0) return 0
  // The histogram rounds up to a place; half a place below is never one too far.
  const percentile = (100 * (quantileRank(n, q) - 0.5)) / n
  return histogram.getValueAtPercentile(percentile) / US_PER_MS
}

/** HdrHistogram V2, compressed, base64. */
export function encodeHistogram(histogram: Histogram): string {
  return encodeIntoCompressedBase64(histogram)
}

/** All values of encoded histograms in one. */
export function addEncoded(encoded: readonly string[]): Histogram {
  const sum = createHistogram()
  for (const text of encoded) sum.add(decodeFromCompressedBase64(text))
  return sum
}
