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
  /** Of one request. */
  readonly maxBodyBytes?: number
}

/** Bodies of full length that are in memory at once; of shorter ones as many more. */
const MAX_FULL_BODIES = 32
/** Of these one caller may fill a part: whoever sends slowly does not keep out the others. */
const MAX_FULL_BODIES_PER_PRINCIPAL = 8

/** Counts requests in progress. */
export class Admission {
  readonly #limits: AdmissionLimits
  readonly #bySubject = new Map<string, number>()
  readonly #bytesBySubject = new Map<string, number>()
  #inProgress = 0
  #bytes = 0
  #refused = 0

  constructor(limits: AdmissionLimits) {
    this.#limits = limits
  }

  /**
   * Takes a request in; the returned function ends it. Nodes are bound by the total alone: one of
   * them speaks for many callers. So are callers that nobody has told apart (`null`).
   *
   * @param bodyBytes what its body may take
   * @throws MeridianError `OVERLOADED`
   */
  enter(caller: Caller | null, bodyBytes: number = 0): () => void {
    const { maxConcurrentRequests, maxConcurrentPerPrincipal } = this.#limits
    if (this.#inProgress >= maxConcurrentRequests) {
      throw this.#overloaded('The node has', maxConcurrentRequests)
    }
    const subject = caller?.kind === 'client' ? caller.subject : null
    const own = subject === null ? 0 : (this.#bySubject.get(subject) ?? 0)
    if (own >= maxConcurrentPerPrincipal) {
      throw this.#overloaded('The caller has', maxConcurrentPerPrincipal)
    }
    this.#takeBytes(subject, bodyBytes)
    this.#inProgress++
    if (subject !== null) this.#bySubject.set(subject, own + 1)
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      this.#leave(subject, bodyBytes)
    }
  }

  inProgress(): number {
    return this.#inProgress
  }

  /** Requests that were refused since the start. */
  refused(): number {
    return this.#refused
  }

  #takeBytes(subject: string | null, bytes: number): void {
    const { maxBodyBytes = Infinity } = this.#limits
    if (this.#bytes + bytes > MAX_FULL_BODIES * maxBodyBytes) {
      throw this.#overloaded('The node has full bodies of', MAX_FULL_BODIES)
    }
    const own = subject === null ? 0 : (this.#bytesBySubject.get(subject) ?? 0) + bytes
    if (own > MAX_FULL_BODIES_PER_PRINCIPAL * maxBodyBytes) {
      throw this.#overloaded('The caller has full bodies of', MAX_FULL_BODIES_PER_PRINCIPAL)
    }
    this.#bytes += bytes
    if (subject !== null) this.#bytesBySubject.set(subject, own)
  }

  #leave(subject: string | null, bytes: number): void {
    this.#inProgress--
    this.#bytes -= bytes
    if (subject === null) return
    const left = (this.#bySubject.get(subject) ?? 1) - 1
    const bytesLeft = (this.#bytesBySubject.get(subject) ?? 0) - bytes
    if (left === 0) {
      this.#bySubject.delete(subject)
      this.#bytesBySubject.delete(subject)
    } else {
      this.#bySubject.set(subject, left)
      this.#bytesBySubject.set(subject, bytesLeft)
    }
  }

  #overloaded(who: string, limit: number): MeridianError {
    this.#refused++
    return new MeridianError('OVERLOADED', `${who} ${limit} requests in progress already.`, {
      fix: 'Repeat after a pause, with fewer calls at once.',
      details: { limit },
    })
  }
}
