/** Callers that wait until a log index is applied. */
import { MeridianError } from '../../src/core/errors.ts'
import { DEFAULT_DEADLINE_MS } from '../../src/core/limits.ts'
import type { Timers } from '../../src/core/ports/runtime.ts'

interface Waiter {
  readonly index: number
  readonly resolve: () => void
  readonly reject: (error: MeridianError) => void
}

export class IndexWaiters {
  readonly #timers: Timers
  readonly #waiters = new Set<Waiter>()
  #applied: number
  #failure: MeridianError | undefined
  #suspended: (() => MeridianError) | undefined

  constructor(timers: Timers, applied: number) {
    this.#timers = timers
    this.#applied = applied
  }

  /** @throws MeridianError `DEADLINE_EXCEEDED`, or what `fail` was called with */
  wait(index: number, timeoutMs: number = DEFAULT_DEADLINE_MS): Promise<void> {
    if (this.#suspended !== undefined) return Promise.reject(this.#suspended())
    if (this.#applied >= index) return Promise.resolve()
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      const settle = (how: () => void): void => {
        cancel()
        this.#waiters.delete(waiter)
        how()
      }
      const cancel = this.#timers.after(timeoutMs, () =>
        settle(() => reject(tooLate(index, this.#applied))),
      )
      const waiter: Waiter = {
        index,
        resolve: () => settle(resolve),
        reject: (error) => settle(() => reject(error)),
      }
      this.#waiters.add(waiter)
    })
  }

  /** Everything up to `index` is applied. */
  advance(index: number): void {
    this.#applied = index
    for (const waiter of this.#waiters) if (waiter.index <= index) waiter.resolve()
  }

  /** What was applied does not count until `resume`: whoever waits or comes is told why. */
  suspend(why: () => MeridianError): void {
    this.#suspended = why
    for (const waiter of this.#waiters) waiter.reject(why())
  }

  /** Everything up to `index` is applied, and counts; what stopped it before is over. */
  resume(index: number): void {
    this.#suspended = undefined
    this.#failure = undefined
    this.advance(index)
  }

  /** Nothing more will be applied. */
  fail(error: MeridianError): void {
    this.#failure = error
    for (const waiter of this.#waiters) waiter.reject(error)
  }
}

function tooLate(index: number, applied: number): MeridianError {
  return new MeridianError(
    'DEADLINE_EXCEEDED',
    `This region has applied the log up to ${applied}; ${index} was not reached in time.`,
    { fix: 'Repeat the read, or allow an older state.' },
  )
}
