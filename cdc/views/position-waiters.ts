/** Those who wait until a view has come to a position. */
import type { MeridianError } from '../../src/core/errors.ts'
import type { Timers } from '../../src/core/ports/runtime.ts'

interface Waiter {
  readonly seq: number
  readonly finish: (outcome: boolean | MeridianError) => void
}

export class PositionWaiters {
  readonly #timers: Timers
  readonly #waiters = new Set<Waiter>()

  constructor(timers: Timers) {
    this.#timers = timers
  }

  /** The view has come to a position. */
  advance(position: number): void {
    for (const waiter of this.#waiters) if (waiter.seq <= position) waiter.finish(true)
  }

  /** The view will not move any more. */
  fail(error: MeridianError): void {
    for (const waiter of this.#waiters) waiter.finish(error)
  }

  /** Resolves with true at the position, with false when the time is over; rejects after `fail`. */
  wait(seq: number, timeoutMs: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const finish = (outcome: boolean | MeridianError): void => {
        cancel()
        this.#waiters.delete(waiter)
        if (typeof outcome === 'boolean') resolve(outcome)
        else reject(outcome)
      }
      const waiter: Waiter = { seq, finish }
      const cancel = this.#timers.after(Math.max(0, timeoutMs), () => finish(false))
      this.#waiters.add(waiter)
    })
  }
}
