/** Bounded concurrency, interruption, waiting. */
import { setTimeout as sleep } from 'node:timers/promises'
import { MeridianError } from '../src/core/errors.ts'

/** Runs `work` on every item, `limit` at a time; stops early when interrupted or failed. */
export async function forEachConcurrently<T>(
  items: Iterable<T>,
  limit: number,
  signal: AbortSignal,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]()
  let failed = false
  const runner = async (): Promise<void> => {
    for (let next = iterator.next(); next.done !== true; next = iterator.next()) {
      throwIfInterrupted(signal)
      if (failed) return
      try {
        await work(next.value)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  await Promise.all(Array.from({ length: limit }, runner))
}

/** @throws MeridianError `CANCELLED` once the signal is aborted */
export function throwIfInterrupted(signal: AbortSignal): void {
  if (signal.aborted) throw interrupted()
}

/** The promise, or `CANCELLED` as soon as the signal is aborted. */
export async function untilInterrupted<T>(signal: AbortSignal, running: Promise<T>): Promise<T> {
  throwIfInterrupted(signal)
  let onAbort = (): void => undefined
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(interrupted())
    signal.addEventListener('abort', onAbort)
  })
  // Nobody awaits what was left running.
  running.catch(() => undefined)
  try {
    return await Promise.race([running, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** Polls until `probe` gives something, or `undefined` after `timeoutMs`. */
export async function poll<T>(
  timeoutMs: number,
  probe: () => Promise<T | undefined>,
): Promise<T | undefined> {
  const deadlineMs = performance.now() + timeoutMs
  for (;;) {
    const found = await probe()
    if (found !== undefined || performance.now() > deadlineMs) return found
    await sleep(POLL_MS)
  }
}

const POLL_MS = 10

function interrupted(): MeridianError {
  return new MeridianError('CANCELLED', 'Interrupted; everything is closed.')
}
