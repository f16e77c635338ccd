/**
 * How one view stands: where it is, when it must look again, and what stopped it. The one place that
 * knows how far a view is while this node keeps it. It may be further than the store says: no
 * change between has an effect on its rows, so that who starts from there, or from anywhere between,
 * comes to where this view is.
 */
import type { MeridianError } from '../../src/core/errors.ts'
import type { Timers } from '../../src/core/ports/runtime.ts'
import { PositionWaiters } from './position-waiters.ts'
import type { ViewProgress } from './progress.ts'
import type { ViewProgram } from './view-program.ts'

export class ViewState {
  readonly program: ViewProgram
  readonly #waiters: PositionWaiters
  #progress: ViewProgress
  #stored: ViewProgress
  #nextExpiryMs: number
  #error: MeridianError | null = null

  /** `nextExpiryMs`: when the next row of the view expires; Infinity: none does. */
  constructor(program: ViewProgram, progress: ViewProgress, nextExpiryMs: number, timers: Timers) {
    this.program = program
    this.#progress = progress
    this.#stored = progress
    this.#nextExpiryMs = nextExpiryMs
    this.#waiters = new PositionWaiters(timers)
  }

  get position(): number {
    return this.#progress.position
  }

  get nowMs(): number {
    return this.#progress.nowMs
  }

  get progress(): ViewProgress {
    return this.#progress
  }

  /** Where the store has the view: what writes are guarded by. */
  get stored(): ViewProgress {
    return this.#stored
  }

  /** Whether the view is further than the store says. */
  get isUnstored(): boolean {
    return this.#stored.position < this.#progress.position
  }

  /** Why the view stands; null: it runs. */
  get error(): MeridianError | null {
    return this.#error
  }

  /** Whether the view holds rows that have expired at an instant. */
  hasExpired(nowMs: number): boolean {
    return this.#nextExpiryMs <= nowMs
  }

  /** Each of the changes up to there has no effect on the view's rows: nothing needs to be written. */
  pass(progress: ViewProgress): void {
    this.#progress = progress
    this.#waiters.advance(progress.position)
  }

  /** The store holds the view like this now. What the view has passed beyond that stays passed. */
  storedAt(stored: ViewProgress, nextExpiryMs: number = this.#nextExpiryMs): void {
    this.#stored = stored
    this.#nextExpiryMs = nextExpiryMs
    const { position, nowMs } = this.#progress
    this.pass({
      position: Math.max(position, stored.position),
      nowMs: Math.max(nowMs, stored.nowMs),
    })
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
