/** Those who wait until the views have come to a position. */
import type { Timers } from '../../src/core/ports/runtime.ts'

interface Waiter {
  readonly seq: number
  readonly finish: (reached: boolean) => void
}

export class PositionWaiters {
  readonly #timers: Timers
  readonly #waiters = new Set<Waiter>()
  #position: number

  constructor(timers: Timers, position: number) {
    this.#timers = timers
    this.#position = position
  }

  position(): number {
    return this.#position
  }

  advance(position: number): void {
    this.#position = Math.max(this.#position, position)
    for (const waiter of this.#waiters) if (waiter.seq <= this.#position) waiter.finish(true)
  }

  /** Resolves with true at the position, with false when the time is over. */
  async wait(seq: number, timeoutMs: number): Promise<boolean> {
    if (seq <= this.#position) return true
    return new Promise((resolve) => {
      const finish = (reached: boolean): void => {
        cancel()
        this.#waiters.delete(waiter)
        resolve(reached)
      }
      const waiter: Waiter = { seq, finish }
      const cancel = this.#timers.after(Math.max(0, timeoutMs), () => finish(false))
      this.#waiters.add(waiter)
    })
  }
}
