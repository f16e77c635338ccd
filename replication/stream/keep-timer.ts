/**
 * When the importers of a store keep the advances that they have in memory: all in one turn of the
 * event loop, so that the store makes one commit of their writes.
 */
import type { CancelTimer, Timers } from '../../src/core/ports/runtime.ts'

const DEFAULT_WITHIN_MS = 1_000

export class KeepTimer {
  readonly #timers: Timers
  readonly #withinMs: number
  readonly #due = new Set<() => void>()
  #cancel: CancelTimer | undefined

  /** `withinMs`: how long an advance may be in memory alone. */
  constructor(timers: Timers, withinMs: number = DEFAULT_WITHIN_MS) {
    this.#timers = timers
    this.#withinMs = withinMs
  }

  /** Runs `keep` once, within the time, together with what others asked for. Returns its removal. */
  soon(keep: () => void): CancelTimer {
    this.#due.add(keep)
    this.#cancel ??= this.#timers.after(this.#withinMs, () => {
      this.#cancel = undefined
      const due = [...this.#due]
      this.#due.clear()
      for (const one of due) one()
    })
    return () => {
      this.#due.delete(keep)
      if (this.#due.size > 0) return
      this.#cancel?.()
      this.#cancel = undefined
    }
  }
}
