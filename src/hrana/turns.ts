/**
 * Long requests let others have their turn: a backend that answers without waiting would otherwise
 * keep the event loop, and with it every other client, for as long as a batch takes.
 */
import type { Runtime } from '../core/ports/runtime.ts'

const MAX_TURN_MS = 10

export class Turns {
  readonly #runtime: Runtime
  #startedMs: number

  constructor(runtime: Runtime) {
    this.#runtime = runtime
    this.#startedMs = runtime.clock.monotonicMs()
  }

  /** Call it between two pieces of work. */
  async next(): Promise<void> {
    const { clock, timers } = this.#runtime
    if (clock.monotonicMs() - this.#startedMs < MAX_TURN_MS) return
    await new Promise<void>((resolve) => {
      timers.defer(resolve)
    })
    this.#startedMs = clock.monotonicMs()
  }
}
