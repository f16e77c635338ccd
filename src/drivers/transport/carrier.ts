/** Carries a message over its delay. */
import type { Timers } from '../../core/ports/runtime.ts'

/** Messages without delay in a row that wait for no turn of the event loop. */
const MICROTASKS_A_TURN = 64

export class Carrier {
  readonly #timers: Timers
  #microtasks = 0

  constructor(timers: Timers) {
    this.#timers = timers
  }

  /** Runs the callback after the delay, never within the current call. */
  carry(delayMs: number, callback: () => void): void {
    if (delayMs > 0) this.#timers.after(delayMs, callback)
    else if (++this.#microtasks < MICROTASKS_A_TURN) queueMicrotask(callback)
    else {
      // A caller that never waits for anything else would keep timers and files from their turn.
      this.#microtasks = 0
      this.#timers.defer(callback)
    }
  }
}
