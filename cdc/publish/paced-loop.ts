/** Work that progress calls for, done now and then however often it is called for. */
import type { MeridianError } from '../../src/core/errors.ts'
import type { CancelTimer, Random, Timers } from '../../src/core/ports/runtime.ts'
import { WakeLoop } from '../wake-loop.ts'

/** It looks by itself this often, should a call have been lost. */
const POLL_MS = 60_000

/** What a paced loop is made of. */
export interface PacedLoopOptions {
  readonly work: () => Promise<void>
  readonly intervalMs: number
  readonly timers: Timers
  readonly random: Random
  readonly onStopped: (error: MeridianError) => void
}

export class PacedLoop {
  readonly #options: PacedLoopOptions
  readonly #loop: WakeLoop
  #cancel: CancelTimer | undefined

  constructor(options: PacedLoopOptions) {
    this.#options = options
    this.#loop = new WakeLoop({
      step: async () => {
        await options.work()
        return false
      },
      timers: options.timers,
      random: options.random,
      pollMs: POLL_MS,
      onStopped: options.onStopped,
    })
  }

  /** There is work, which can wait for the interval. */
  call(): void {
    this.#cancel ??= this.#options.timers.after(this.#options.intervalMs, () => this.callNow())
  }

  /** There is work that should not wait. */
  callNow(): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#loop.wake()
  }

  error(): MeridianError | null {
    return this.#loop.error()
  }

  async stop(): Promise<void> {
    this.#cancel?.()
    await this.#loop.stop()
  }
}
