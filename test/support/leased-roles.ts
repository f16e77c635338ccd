/**
 * Roles whose leases a test lets run out: the next in line gets the role while its last holder still
 * believes that it has it, as a process does that was stopped.
 */
import { MeridianError } from '../../src/core/errors.ts'
import type { Coordination, RoleHolder } from '../../src/core/ports/coordination.ts'

/** How long news take. */
const NEWS_MS = 30

interface Candidacy {
  readonly candidate: string
  readonly win: (fence: number, lost: AbortController) => void
}

/** Of one role. */
export class LeasedRole implements Coordination {
  readonly #waiting: Candidacy[] = []
  readonly #observers = new Set<(holder: RoleHolder | undefined) => void>()
  readonly #expired: AbortController[] = []
  readonly #lapsed = new Set<AbortController>()
  #holder: (RoleHolder & { readonly lost: AbortController }) | undefined
  #fence = 0

  /** Who holds it. */
  holder(): RoleHolder | undefined {
    return this.#holder && { candidate: this.#holder.candidate, fence: this.#holder.fence }
  }

  /** The lease of the holder runs out; it does not hear of it before `tell`. */
  expire(): void {
    if (this.#holder !== undefined) this.#expired.push(this.#holder.lost)
    this.#holder = undefined
    this.#next()
  }

  /** The holder cannot be sure any more that its lease runs, as after a pause; nothing is told yet. */
  lapse(): void {
    if (this.#holder !== undefined) this.#lapsed.add(this.#holder.lost)
  }

  /** Those whose lease ran out hear of it. */
  tell(): void {
    for (const lost of this.#expired.splice(0)) lost.abort()
  }

  campaign(
    _role: string,
    candidate: string,
    signal: AbortSignal,
  ): ReturnType<Coordination['campaign']> {
    return new Promise((resolve, reject) => {
      const cancel = (): void => {
        const at = this.#waiting.indexOf(candidacy)
        if (at >= 0) this.#waiting.splice(at, 1)
        reject(new MeridianError('CANCELLED', 'Given up.'))
      }
      const candidacy: Candidacy = {
        candidate,
        win: (fence, lost) => {
          signal.removeEventListener('abort', cancel)
          resolve({
            fence,
            lost: lost.signal,
            isHeld: () => !lost.signal.aborted && !this.#lapsed.has(lost),
            resign: async () => {
              lost.abort()
              if (this.#holder?.fence !== fence) return
              this.#holder = undefined
              this.#next()
            },
          })
        },
      }
      signal.addEventListener('abort', cancel, { once: true })
      if (signal.aborted) return cancel()
      this.#waiting.push(candidacy)
      if (this.#holder === undefined) this.#next()
    })
  }

  observe(_role: string, onHolder: (holder: RoleHolder | undefined) => void): () => void {
    this.#observers.add(onHolder)
    queueMicrotask(() => onHolder(this.holder()))
    return () => this.#observers.delete(onHolder)
  }

  async close(): Promise<void> {}

  #next(): void {
    const next = this.#waiting.shift()
    if (next !== undefined) {
      const lost = new AbortController()
      this.#holder = { candidate: next.candidate, fence: ++this.#fence, lost }
      next.win(this.#fence, lost)
    }
    const now = this.holder()
    // As over a network: whoever does something about a role hears of it later.
    setTimeout(() => {
      for (const observer of this.#observers) observer(now)
    }, NEWS_MS)
  }
}
