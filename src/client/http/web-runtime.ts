/**
 * The runtime of a client over HTTP, from what browsers, workers, Deno, Bun and Node have in
 * common. Timers run only while a call is under way, and keep a process alive as its socket does: a
 * call that waits for its next attempt must not find the process gone.
 */
import type { Clock, Random, Runtime, Timers } from '../../core/ports/runtime.ts'

/** `setTimeout` treats longer delays as 1 ms. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1
/** `getRandomValues` fills no more at once. */
const MAX_RANDOM_BYTES = 65_536

const clock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  // Clients hold no lease, and the web knows no time that counts suspension everywhere.
  bootMs: () => performance.now(),
}

const random: Random = {
  bytes(length) {
    const bytes = new Uint8Array(length)
    for (let at = 0; at < length; at += MAX_RANDOM_BYTES) {
      crypto.getRandomValues(bytes.subarray(at, at + MAX_RANDOM_BYTES))
    }
    return bytes
  },
  fraction: () => crypto.getRandomValues(new Uint32Array(1))[0]! / 2 ** 32,
}

const timers: Timers = {
  after(delayMs, callback) {
    let timer: ReturnType<typeof setTimeout>
    const arm = (remainingMs: number): void => {
      const partMs = Math.min(Math.ceil(remainingMs), MAX_TIMEOUT_MS)
      timer = setTimeout(() => {
        if (remainingMs > partMs) arm(remainingMs - partMs)
        else callback()
      }, partMs)
    }
    arm(delayMs)
    return () => clearTimeout(timer)
  },
  defer(callback) {
    setTimeout(callback, 0)
  },
}

/** Clock, randomness and timers of the web platform. */
export const webRuntime: Runtime = { clock, random, timers }
