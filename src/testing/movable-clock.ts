/** A clock whose wall time a test moves. What elapses, and timers, stay real. */
import type { Clock } from '../core/ports/runtime.ts'

export class MovableClock implements Clock {
  readonly #base: Clock
  #offsetMs = 0

  constructor(base: Clock) {
    this.#base = base
  }

  nowMs(): number {
    return this.#base.nowMs() + this.#offsetMs
  }

  monotonicMs(): number {
    return this.#base.monotonicMs()
  }

  bootMs(): number {
    return this.#base.bootMs()
  }

  /** The wall time as a `Date`. */
  now(): Date {
    return new Date(this.nowMs())
  }

  /** Moves the wall time forward, or back with a negative number. */
  advance(ms: number): void {
    this.#offsetMs += ms
  }
}
