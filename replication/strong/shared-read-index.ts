/**
 * Read indexes, shared by the readers that wait for one. A reader joins only a request that was
 * not yet sent when it arrived: one that is under way may have been answered before a write that
 * the reader must see (protocol rule 10).
 */
import type { Timers } from '../../src/core/ports/runtime.ts'
import { tooLate } from './log-group-errors.ts'

/** Requests under way beyond which readers gather for the next. */
const MAX_SENT_REQUESTS = 32

export class SharedReadIndex {
  readonly #ask: () => Promise<number>
  readonly #timers: Timers
  readonly #joinSent: boolean
  #sent = 0
  /** The request that gathers readers. */
  #gathering: Promise<number> | undefined
  #send: (() => void) | undefined

  /** `ask`: the log's linearizable end. `joinSent`: test-only, breaks rule 10. */
  constructor(ask: () => Promise<number>, timers: Timers, joinSent = false) {
    this.#ask = ask
    this.#timers = timers
    this.#joinSent = joinSent
  }

  /** An index at or above every record that was appended before this call. */
  get(): Promise<number> {
    this.#gathering ??= this.#gather()
    return this.#gathering
  }

  #gather(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#send = () => {
        this.#send = undefined
        if (!this.#joinSent) this.#gathering = undefined
        this.#sent += 1
        this.#ask()
          .then(resolve, reject)
          .finally(() => {
            this.#sent -= 1
            if (this.#joinSent) this.#gathering = undefined
            this.#send?.()
          })
      }
      // Readers of one turn share a request; it is not delayed beyond that while there is room.
      this.#timers.defer(() => {
        if (this.#sent < MAX_SENT_REQUESTS) this.#send?.()
      })
    })
  }
}

/** The answer, unless it takes longer than this. @throws MeridianError `DEADLINE_EXCEEDED` then */
export function within<T>(
  asked: Promise<T>,
  timers: Timers,
  timeoutMs: number | undefined,
): Promise<T> {
  if (timeoutMs === undefined) return asked
  return new Promise((resolve, reject) => {
    const cancel = timers.after(timeoutMs, () => reject(tooLate()))
    asked.then(resolve, reject).finally(cancel)
  })
}
