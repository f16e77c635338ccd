/** Waits for what happens in its own time: asks again and again, and fails as the last try did. */
import { setTimeout as pause } from 'node:timers/promises'

const DEFAULT_TIMEOUT_MS = 20_000
const PAUSE_MS = 25

/** Runs `check` until it does not throw. */
export async function until(
  check: () => Promise<void> | void,
  timeoutMs = DEFAULT_TIMEOUT_MS,
): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs
  for (;;) {
    try {
      await check()
      return
    } catch (error) {
      if (performance.now() > deadlineMs) throw error
    }
    await pause(PAUSE_MS)
  }
}
