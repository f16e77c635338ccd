/**
 * Makes progress that nobody waits for durable: once in a while, however much of it there is. What
 * fails is tried again, with growing pauses.
 */
import type { CancelTimer, Timers } from '../../src/core/ports/runtime.ts'

/** Progress is durable this long after it was made, while the store takes it. */
export const FLUSH_AFTER_MS = 600
const MAX_PAUSE_MS = 5_000

export class LazyFlush {
  readonly #timers: Timers
  readonly #flush: () => Promise<void>
  #cancel: CancelTimer | undefined
  #failures = 0
  #isStopped = false

  /** `flush`: makes durable what is not; nothing to do is no failure. */
  constructor(timers: Timers, flush: () => Promise<void>) {
    this.#timers = timers
    this.#flush = flush
  }

  /** There is progress to make durable. */
  arm(): void {
    if (this.#isStopped || this.#cancel !== undefined) return
    const delayMs = Math.min(FLUSH_AFTER_MS * 2 ** this.#failures, MAX_PAUSE_MS)
    this.#cancel = this.#timers.after(delayMs, () => {
      this.#cancel = undefined
      void this.#run()
    })
  }

  /** Flushes once more, unless that failed last time, and then no more. Does not reject. */
  async stop(): Promise<void> {
    if (this.#isStopped) return
    this.#isStopped = true
    this.#cancel?.()
    if (this.#failures === 0) await this.#run()
  }

  async #run(): Promise<void> {
    try {
      await this.#flush()
      this.#failures = 0
    } catch {
      this.#failures += 1
      this.arm()
    }
  }
}
