/**
 * Batons: what an HTTP client shows to go on with its stream. Each is random, works once, and only
 * for the caller that opened the stream; a stream whose baton nobody shows in time is rolled back.
 */
import type { CancelTimer, Runtime } from '../../core/ports/runtime.ts'
import { HranaError } from '../errors.ts'
import type { SqlStream } from '../sql-stream.ts'
import type { StoredSql } from '../stored-sql.ts'
import { toBase64 } from '../base64.ts'

/** 192 bits: nobody guesses one. */
const BATON_BYTES = 24
/** Batons of expired streams are remembered, so that their owners hear why. */
const MAX_EXPIRED = 10_000

/** An HTTP stream between and during requests. */
export interface HttpStream {
  readonly stream: SqlStream
  readonly sqls: StoredSql
  /** `callerKey` of whom it belongs to. */
  readonly owner: string
  /** Ends the cursor that still reads from it, if one does. */
  endCursor: (() => void) | undefined
}

interface Issued {
  readonly http: HttpStream
  cancelTimer: CancelTimer
}

export interface BatonOptions {
  readonly runtime: Runtime
  readonly idleMs: number
}

export class Batons {
  readonly #options: BatonOptions
  readonly #issued = new Map<string, Issued>()
  /** Owners by baton, oldest first. */
  readonly #expired = new Map<string, string>()
  #count = 0

  constructor(options: BatonOptions) {
    this.#options = options
  }

  /** A new baton; from now on the stream's time runs. */
  issue(http: HttpStream): string {
    // The count keeps two apart whatever the randomness; the random part keeps them secret.
    const baton = `${(this.#count++).toString(36)}.${toBase64(this.#options.runtime.random.bytes(BATON_BYTES))}`
    this.#issued.set(baton, { http, cancelTimer: this.#startTimer(baton, http) })
    return baton
  }

  /** The stream was used without its baton (its cursor is read): its time begins again. */
  touch(baton: string): void {
    const issued = this.#issued.get(baton)
    if (issued === undefined) return
    issued.cancelTimer()
    issued.cancelTimer = this.#startTimer(baton, issued.http)
  }

  /** Takes the stream; the baton is spent. @throws HranaError `BATON_INVALID`, `STREAM_EXPIRED` */
  redeem(baton: string, owner: string): HttpStream {
    const issued = this.#issued.get(baton)
    if (issued !== undefined && issued.http.owner === owner) {
      issued.cancelTimer()
      this.#issued.delete(baton)
      return issued.http
    }
    if (this.#expired.get(baton) === owner) throw expired()
    // The same whether it never was, is spent, or is another caller's.
    throw new HranaError('BATON_INVALID', 'The baton is unknown or was used before.')
  }

  /** Ends all waits; the streams are closed by whoever owns them. */
  clear(): void {
    for (const { cancelTimer } of this.#issued.values()) cancelTimer()
    this.#issued.clear()
    this.#expired.clear()
  }

  #startTimer(baton: string, http: HttpStream): CancelTimer {
    return this.#options.runtime.timers.after(this.#options.idleMs, () => {
      this.#issued.delete(baton)
      this.#expired.set(baton, http.owner)
      const [oldest] = this.#expired.keys()
      if (this.#expired.size > MAX_EXPIRED && oldest !== undefined) this.#expired.delete(oldest)
      void http.stream.close(expired())
    })
  }
}

function expired(): HranaError {
  return new HranaError(
    'STREAM_EXPIRED',
    'The stream has expired due to inactivity; its transaction was rolled back.',
  )
}
