/**
 * A session: read-your-writes and monotonic reads across tables, modes, regions and views. It is a
 * vector of positions that every later read must have reached, and the instant that expiry has
 * reached (an expired row does not come back through a region whose clock is behind).
 */
import type { SessionState } from '../protocol/messages.ts'

export class Session {
  readonly #positions = new Map<string, number>()
  #nowMs = 0
  #state: SessionState | undefined

  constructor(state?: SessionState) {
    if (state !== undefined) this.merge(state)
  }

  /** Adds what a call has seen. Positions never go back. */
  merge(seen: SessionState): void {
    for (const source in seen.positions) {
      const position = seen.positions[source] as number
      if (position > (this.#positions.get(source) ?? 0)) {
        this.#positions.set(source, position)
        this.#state = undefined
      }
    }
    if (seen.nowMs > this.#nowMs) {
      this.#nowMs = seen.nowMs
      this.#state = undefined
    }
  }

  /** The session as plain values. */
  state(): SessionState {
    this.#state ??= { positions: Object.fromEntries(this.#positions), nowMs: this.#nowMs }
    return this.#state
  }
}
