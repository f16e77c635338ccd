/** How many sessions may be open at once; whoever comes when all are taken waits a while. */
import { MeridianError } from '../../core/errors.ts'
import type { Timers } from '../../core/ports/runtime.ts'

export interface SessionSlotsOptions {
  readonly timers: Timers
  readonly slots: number
  readonly waitMs: number
}

export class SessionSlots {
  readonly #options: SessionSlotsOptions
  readonly #waiters = new Set<() => void>()
  #free: number

  constructor(options: SessionSlotsOptions) {
    this.#options = options
    this.#free = options.slots
  }

  /** @throws MeridianError `OVERLOADED` when none becomes free in time */
  async take(): Promise<void> {
    if (this.#free > 0) {
      this.#free--
      return
    }
    const { timers, waitMs, slots } = this.#options
    await new Promise<void>((resolve, reject) => {
      const cancel = timers.after(waitMs, () => {
        this.#waiters.delete(grant)
        reject(
          new MeridianError('OVERLOADED', `All ${slots} sessions of the store server are in use.`, {
            fix: 'Close sessions that are done, or try again later.',
          }),
        )
      })
      const grant = (): void => {
        cancel()
        resolve()
      }
      this.#waiters.add(grant)
    })
  }

  /** Gives a slot back, to whoever has waited longest. */
  free(): void {
    for (const grant of this.#waiters) {
      this.#waiters.delete(grant)
      grant()
      return
    }
    this.#free++
  }
}
