/** What a call takes and gives: options, the plain value, and the receipt behind it. */
import type { ReadLevel, WireReceipt } from '../protocol/messages.ts'
import type { Consistency } from '../session/levels.ts'
import type { ClientSession } from './sessions.ts'

/** Options of every call. */
export interface CallOptions {
  /** Milliseconds until the call fails with `DEADLINE_EXCEEDED`; 10,000 when left out. */
  readonly deadlineMs?: number
  /** Aborting it fails the call with `CANCELLED`. */
  readonly signal?: AbortSignal
  /** The session to read and write under; the client's own when left out. */
  readonly session?: ClientSession
}

/** Options of a read. */
export interface ReadOptions extends CallOptions {
  /** How fresh: a level, or wishes in order of preference; `'session'` when left out. */
  readonly consistency?: Consistency
}

/** Options of a write. */
export interface WriteOptions extends CallOptions {
  /**
   * Makes repeating the call harmless: the same key of the same tenant answers with the first
   * outcome, and with other content it is refused with `IDEMPOTENCY_REUSED`. Made by the client when
   * left out, and repeated on its own retries. A key is known for 24 hours; of a strong write for
   * 100,000 records of the log; of an eventual write in the region that took it. A transaction that
   * is run again under its key and comes to other writes than the first time is refused, too.
   */
  readonly idempotencyKey?: string
}

/** How a call was served. */
export interface Receipt {
  /** The level that was delivered. */
  readonly level: ReadLevel
  /** The region whose node gave the answer. */
  readonly region: string
  readonly source: WireReceipt['source']
  /** An upper bound in ms; `null` where none is known. */
  readonly stalenessMs: number | null
  /** Round trips between regions that the call waited for. */
  readonly crossRegionRoundTrips: number
  /**
   * Requests that the client sent for the call: more than one after retries and redirects, and for
   * a transaction that read.
   */
  readonly requests: number
  /** Writes: the transaction's id and its timestamp (HLC). */
  readonly txId?: string
  readonly hlc?: string
}

/** A value with the receipt of the call that gave it. */
export interface Receipted<T> {
  readonly value: T
  readonly receipt: Receipt
}

/** A running call: awaiting it gives the plain value. The call has started already. */
export interface Call<T> extends Promise<T> {
  /** The value together with its receipt. */
  withReceipt(): Promise<Receipted<T>>
}

/** Wraps a running call. */
export function asCall<T>(running: Promise<Receipted<T>>): Call<T> {
  const value = running.then((r) => r.value)
  return Object.assign(value, {
    withReceipt(): Promise<Receipted<T>> {
      // The caller watches `running` from here on; `value` must not count as unhandled.
      value.catch(() => undefined)
      return running
    },
  })
}

/** Of a call that asked nobody. */
export function unaskedReceipt(region: string): Receipt {
  return {
    level: 'stale',
    region,
    source: 'home',
    stalenessMs: null,
    crossRegionRoundTrips: 0,
    requests: 0,
  }
}
