/** How one view stands: where it is, when it must look again, and what stopped it. */
import type { MeridianError } from '../../src/core/errors.ts'
import type { Timers } from '../../src/core/ports/runtime.ts'
import type { ViewProgress } from './install.ts'
import { PositionWaiters } from './position-waiters.ts'
import type { ViewProgram } from './view-program.ts'

export class ViewState {
  readonly program: ViewProgram
  readonly #waiters: PositionWaiters
  #progress: ViewProgress
  #nextExpiryMs: number
  #error: MeridianError | null = null

  /** `nextExpiryMs`: when the next row of the view expires; Infinity: none does. */
  constructor(program: ViewProgram, progress: ViewProgress, nextExpiryMs: number, timers: Timers) {
    this.program = program
    this.#progress = progress
    this.#nextExpiryMs = nextExpiryMs
    this.#waiters = new PositionWaiters(timers)
  }

  get position(): number {
    return this.#progress.position
  }

  get nowMs(): number {
    return this.#progress.nowMs
  }

  /** Why the view stands; null: it runs. */
  get error(): MeridianError | null {
    return this.#error
  }

  /** Whether the view holds rows that have expired at an instant. */
  hasExpired(nowMs: number): boolean {
    return this.#nextExpiryMs <= nowMs
  }

  /** The store holds the view like this now. */
  moveTo(progress: ViewProgress, nextExpiryMs: number = this.#nextExpiryMs): void {
    this.#progress = progress
    this.#nextExpiryMs = nextExpiryMs
    this.#waiters.advance(progress.position)
  }

  /** Ends the view; those who wait for it, or ask for it from now on, get the error. */
  stop(error: MeridianError): void {
    this.#error ??= error
    this.#waiters.fail(this.#error)
  }

  /**
   * Resolves with true at a position, with false when the time is over.
   *
   * @throws MeridianError what stopped the view
   */
  async wait(seq: number, timeoutMs: number): Promise<boolean> {
    this.requireRunning()
    return seq <= this.position || this.#waiters.wait(seq, timeoutMs)
  }

  /** @throws MeridianError what stopped the view */
  requireRunning(): void {
    if (this.#error !== null) throw this.#error
  }
}
