/**
 * Time since boot that counts suspension. Node offers CLOCK_MONOTONIC, which does not count it and
 * costs 50 ns, and the system's uptime, which does and costs a file read. So: monotonic time plus
 * the suspended time, for which uptime is asked only when the wall clock has moved against the
 * monotonic one, as it does on every resume, or when a second has passed.
 */

/** The clocks underneath. */
export interface BootClockSources {
  readonly wallMs: () => number
  readonly monotonicMs: () => number
  /** Counts suspension; coarse (10 ms on Linux). Only its progress matters. */
  readonly uptimeMs: () => number
}

const WALL_SHIFT_MS = 5
const MAX_CHECK_INTERVAL_MS = 1000
/** Uptime is that coarse, twice: less is no suspension. */
const UPTIME_GRAIN_MS = 25

/** Makes the clock. Its start is arbitrary; it never goes back. */
export function createBootClock(sources: BootClockSources): () => number {
  const { wallMs, monotonicMs, uptimeMs } = sources
  let checkedMs = monotonicMs()
  let wallOffsetMs = wallMs() - checkedMs
  let uptimeOffsetMs = uptimeMs() - checkedMs
  let suspendedMs = 0
  return () => {
    const nowMs = monotonicMs()
    const offsetMs = wallMs() - nowMs
    const isDue = nowMs - checkedMs >= MAX_CHECK_INTERVAL_MS
    if (isDue || Math.abs(offsetMs - wallOffsetMs) >= WALL_SHIFT_MS) {
      checkedMs = nowMs
      wallOffsetMs = offsetMs
      const gainedMs = uptimeMs() - nowMs - uptimeOffsetMs
      if (gainedMs >= UPTIME_GRAIN_MS) {
        suspendedMs += gainedMs
        uptimeOffsetMs += gainedMs
      }
    }
    return nowMs + suspendedMs
  }
}
