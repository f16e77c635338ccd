/** Quantiles of measured latencies, and only those that there are enough measurements for. */

/** With fewer than ten measurements above it, a quantile says more about luck than about calls. */
const FEWEST_ABOVE = 10

/**
 * The quantile `q` (0 to 1) of values in ascending order: the smallest value that at least a share
 * `q` of them do not exceed. `null` where n < 10 / (1 - q).
 */
export function quantile(ascending: ArrayLike<number>, q: number): number | null {
  const n = ascending.length
  // In whole numbers: 10 / (1 - 0.99) is 1000.0000000000001.
  if (Math.round(n * (1 - q) * 1e6) < FEWEST_ABOVE * 1e6) return null
  return ascending[Math.max(0, Math.ceil(q * n - 1e-9) - 1)] ?? null
}
