/** The clocks and timers of a machine whose oscillator runs fast or slow and whose wall clock is set. */
import type { Runtime } from '../../src/core/ports/runtime.ts'
import { seededRandom, type SeededRandom } from '../../src/core/seeded-random.ts'
import type { ManualRuntime } from './manual-runtime.ts'

/** A machine in the time of `real`. */
export class SkewedRuntime implements Runtime {
  readonly #real: ManualRuntime
  /** Seconds of this machine in one real one. */
  readonly #rate: number
  readonly #startMs: number
  readonly #numbers: SeededRandom
  /** What its wall clock was set ahead by. */
  aheadMs = 0

  constructor(real: ManualRuntime, rate = 1, seed = 1) {
    this.#numbers = seededRandom(seed)
    this.#real = real
    this.#rate = rate
    this.#startMs = real.clock.nowMs()
  }

  readonly clock = {
    nowMs: (): number => this.#startMs + this.#passedMs() + this.aheadMs,
    monotonicMs: (): number => this.#passedMs(),
    bootMs: (): number => this.#passedMs(),
  }

  /** Of its own: records of two machines may not have the same id. */
  readonly random = {
    bytes: (length: number): Uint8Array =>
      Uint8Array.from({ length }, () => this.#numbers.below(256)),
    fraction: (): number => this.#numbers.fraction(),
  }

  readonly timers = {
    after: (delayMs: number, callback: () => void): (() => void) =>
      this.#real.timers.after(delayMs / this.#rate, callback),
    defer: (callback: () => void): void => this.#real.timers.defer(callback),
  }

  #passedMs(): number {
    return (this.#real.clock.nowMs() - this.#startMs) * this.#rate
  }
}
