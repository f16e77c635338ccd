/** Keeps the process running while something is open: timers alone never do. */

/** Longer than any process lives; the timer exists for being there. */
const INTERVAL_MS = 2 ** 31 - 1

/** The process stays until the returned function is called. */
export function keepProcessAlive(): () => void {
  const timer = setInterval(() => undefined, INTERVAL_MS)
  return () => clearInterval(timer)
}
