/**
 * The runtime of a real process: the operating system's clocks, `node:crypto`'s randomness and the
 * event loop's timers.
 */
import { randomFillSync } from 'node:crypto'
import { uptime } from 'node:os'
import type { CancelTimer, Clock, Random, Runtime, Timers } from '../../core/ports/runtime.ts'
import { createBootClock } from './boot-clock.ts'

/** `setTimeout` treats longer delays as 1 ms. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1
const RANDOM_POOL_BYTES = 4096

const clock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  bootMs: createBootClock({
    wallMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    uptimeMs: () => uptime() * 1000,
  }),
}

/** One system call fills many small requests; what was handed out is erased here. */
const pool = new Uint8Array(RANDOM_POOL_BYTES)
let poolAt = RANDOM_POOL_BYTES

function randomBytes(length: number): Uint8Array {
  if (length > RANDOM_POOL_BYTES / 4) return randomFillSync(new Uint8Array(length))
  if (poolAt + length > RANDOM_POOL_BYTES) {
    randomFillSync(pool)
    poolAt = 0
  }
  const bytes = pool.slice(poolAt, poolAt + length)
  pool.fill(0, poolAt, poolAt + length)
  poolAt += length
  return bytes
}

const random: Random = {
  bytes: randomBytes,
  fraction: () => new DataView(randomBytes(4).buffer).getUint32(0) / 2 ** 32,
}

/** Never early: `setTimeout` counts whole milliseconds from the loop's own, older, reading. */
function after(delayMs: number, callback: () => void): CancelTimer {
  const dueMs = performance.now() + delayMs
  let timer: NodeJS.Timeout
  const arm = (remainingMs: number): void => {
    timer = setTimeout(fire, Math.min(Math.ceil(remainingMs), MAX_TIMEOUT_MS)).unref()
  }
  const fire = (): void => {
    const remainingMs = dueMs - performance.now()
    if (remainingMs > 0) arm(remainingMs)
    else callback()
  }
  arm(delayMs)
  return () => clearTimeout(timer)
}

const timers: Timers = {
  after,
  defer: (callback) => {
    setImmediate(callback)
  },
}

/** Clock, randomness and timers of the operating system. */
export const systemRuntime: Runtime = { clock, random, timers }
