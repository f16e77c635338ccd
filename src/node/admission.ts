/**
 * Bounds what a node works on at once. What is beyond is refused at once and typed, so that the
 * rest stays as fast as it was: a queue would only add its own delay to every call.
 */
import { MeridianError } from '../core/errors.ts'
import type { Caller } from '../core/principal.ts'

/** The bounds. */
export interface AdmissionLimits {
  readonly maxConcurrentRequests: number
  readonly maxConcurrentPerPrincipal: number
}

/** Counts requests in progress. */
export class Admission {
  readonly #limits: AdmissionLimits
  readonly #bySubject = new Map<string, number>()
  #inProgress = 0
  #refused = 0

  constructor(limits: AdmissionLimits) {
    this.#limits = limits
  }

  /**
   * Takes a request in; the returned function ends it. Nodes are bound by the total alone: one of
   * them speaks for many callers. So are callers that nobody has told apart (`null`).
   *
   * @throws MeridianError `OVERLOADED`
   */
  enter(caller: Caller | null): () => void {
    const { maxConcurrentRequests, maxConcurrentPerPrincipal } = this.#limits
    if (this.#inProgress >= maxConcurrentRequests) {
      throw this.#overloaded('The node has', maxConcurrentRequests)
    }
    const subject = caller?.kind === 'client' ? caller.subject : null
    const own = subject === null ? 0 : (this.#bySubject.get(subject) ?? 0)
    if (own >= maxConcurrentPerPrincipal) {
      throw this.#overloaded('The caller has', maxConcurrentPerPrincipal)
    }
    this.#inProgress++
    if (subject !== null) this.#bySubject.set(subject, own + 1)
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      this.#leave(subject)
    }
  }

  inProgress(): number {
    return this.#inProgress
  }

  /** Requests that were refused since the start. */
  refused(): number {
    return this.#refused
  }

  #leave(subject: string | null): void {
    this.#inProgress--
    if (subject === null) return
    const left = (this.#bySubject.get(subject) ?? 1) - 1
    if (left === 0) this.#bySubject.delete(subject)
    else this.#bySubject.set(subject, left)
  }

  #overloaded(who: string, limit: number): MeridianError {
    this.#refused++
    return new MeridianError('OVERLOADED', `${who} ${limit} requests in progress already.`, {
      fix: 'Repeat after a pause, with fewer calls at once.',
      details: { limit },
    })
  }
}
