/** Quantiles of measured latencies, and only those that there are enough measurements for. */

/** With fewer than ten measurements above it, a quantile says more about luck than about calls. */
const FEWEST_ABOVE = 10

/**
 * The place, counted from 1, of the quantile `q` (0 to 1) among `n` values in ascending order: that
 * of the smallest value that at least a share `q` of them do not exceed.
 */
export function quantileRank(n: number, q: number): number {
  return Math.max(1, Math.ceil(q * n - 1e-9))
}

/** Whether `n` values are enough for the quantile `q`: n >= 10 / (1 - q). */
export function isEnoughFor(n: number, q: number): boolean {
  // In whole numbers: 10 / (1 - 0.99) is 1000.0000000000001.
  return Math.round(n * (1 - q) * 1e6) >= FEWEST_ABOVE * 1e6
}

/** The quantile `q` (0 to 1) of values in ascending order. `null` where n < 10 / (1 - q). */
export function quantile(ascending: ArrayLike<number>, q: number): number | null {
  const n = ascending.length
  if (!isEnoughFor(n, q)) return null
  return ascending[quantileRank(n, q) - 1] ?? null
}
