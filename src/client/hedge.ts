/**
 * Hedged reads: a read whose answer takes long is sent once more, and the first answer counts
 * (Dean and Barroso, "The Tail at Scale", 2013). It costs load, so it is off unless asked for;
 * writes are never sent twice at once.
 */
import { MeridianError } from '../core/errors.ts'
import type { Timers } from '../core/ports/runtime.ts'

/** When a read is sent a second time. */
export interface HedgeOptions {
  /** Milliseconds without an answer: about what 95 of 100 reads take. */
  readonly afterMs: number
}

/** @throws MeridianError `INVALID_ARGUMENT` */
export function requireHedge(hedge: HedgeOptions | undefined): HedgeOptions | undefined {
  if (hedge === undefined || (Number.isFinite(hedge.afterMs) && hedge.afterMs > 0)) return hedge
  throw new MeridianError('INVALID_ARGUMENT', 'The option `hedge.afterMs` is not a time.', {
    fix: 'Give it as a finite number of milliseconds above 0.',
  })
}

/**
 * Calls `send`, and after `afterMs` without an outcome once more. Resolves with the first answer and
 * aborts the other copy; rejects once no copy is left that could answer, or when `signal` aborts.
 */
export function firstAnswer<T>(
  send: (signal: AbortSignal) => Promise<T>,
  afterMs: number,
  timers: Timers,
  signal: AbortSignal,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const copies = new Set<AbortController>()
    const settle = (outcome: () => void, reason?: unknown): void => {
      cancelTimer()
      signal.removeEventListener('abort', onAbort)
      outcome()
      for (const copy of copies) copy.abort(reason)
    }
    const onAbort = (): void => settle(() => reject(signal.reason), signal.reason)
    const start = (): void => {
      const copy = new AbortController()
      copies.add(copy)
      send(copy.signal).then(
        (answer) => {
          copies.delete(copy)
          settle(() => resolve(answer))
        },
        (error: unknown) => {
          copies.delete(copy)
          if (copies.size === 0) settle(() => reject(error))
        },
      )
    }
    const cancelTimer = timers.after(afterMs, start)
    signal.addEventListener('abort', onAbort)
    start()
  })
}
