/** This process' side of its lease: when it sent what, and what its store's lease row becomes. */
import { holderElapsedMs, type ClockReading } from './lease-clock.ts'
import type { LeaseFaults } from './lease-faults.ts'
import type { LeaseRecord } from './lease-record.ts'
import type { StoreId } from './lease-table.ts'
import { compareStamps, type Stamp } from './stamp.ts'

/**
 * The one row of a store that lets its readers answer strong reads. It is read in the same snapshot
 * as the rows; it is not part of snapshots for other stores, nor of digests.
 */
export interface LeaseRow extends Stamp {
  /** The clocks before the LEASE was sent; null: no lease. */
  readonly sent: ClockReading | null
}

/**
 * The row that a process writes before it does anything else, above all before its first INVACK: a
 * life of its own, without a lease. Marks are in memory: under the row of the life before, a reader
 * would miss the marks that were lost with it.
 */
export function rowOfNextLife(row: LeaseRow | undefined, faults: LeaseFaults = {}): LeaseRow {
  const sent = faults.keepRowAtStart === true ? (row?.sent ?? null) : null
  return { incarnation: (row?.incarnation ?? 0) + 1, seq: 0, sent }
}

/**
 * Whether a row may be written over the one that is stored: to be asked *in* the store transaction
 * that writes it. The transaction of a LEASE may have been under way when the lease was released, or
 * when the process was replaced: it must not bring the lease back.
 */
export function replacesRow(stored: LeaseRow | undefined, row: LeaseRow): boolean {
  if (stored === undefined) return true
  const order = compareStamps(row, stored)
  return order > 0 || (order === 0 && row.sent === null)
}

/** Whether a row still gives the right to read, by the clocks of the machine that sent its LEASE. */
export function isUnexpired(
  row: LeaseRow,
  durationMs: number,
  now: ClockReading,
  faults: LeaseFaults = {},
): boolean {
  if (row.sent === null) return false
  const elapsedMs =
    faults.holderTrustsMonotonic === true
      ? now.monotonicMs - row.sent.monotonicMs
      : holderElapsedMs(row.sent, now)
  return elapsedMs < durationMs
}

/** What a release needs, in this order: commit the row, then append the record. */
export interface Release {
  /** Undefined in tests of what goes wrong without it. */
  readonly row: LeaseRow | undefined
  readonly record: LeaseRecord
}

export class OwnLease {
  readonly #store: StoreId
  readonly #incarnation: number
  readonly #faults: LeaseFaults
  #seq = 0
  /** Clocks before each LEASE that was sent and not yet applied. */
  readonly #sent = new Map<number, ClockReading>()
  #isReleased = false

  constructor(store: StoreId, incarnation: number, faults: LeaseFaults = {}) {
    this.#store = store
    this.#incarnation = incarnation
    this.#faults = faults
  }

  /** The newest LEASE that was *sent*: one that is in flight may come to govern at any moment. */
  get stamp(): Stamp {
    return { incarnation: this.#incarnation, seq: this.#seq }
  }

  /** The next LEASE; `now` is read before the append. Undefined while released. */
  renew(now: ClockReading): LeaseRecord | undefined {
    if (this.#isReleased) return undefined
    this.#seq += 1
    this.#sent.set(this.#seq, now)
    return this.#record('lease')
  }

  /** Ends local reads: no new snapshot under the lease, no LEASE in flight revives it. */
  release(): Release {
    this.#isReleased = true
    if (this.#faults.releaseKeepsSent !== true) this.#sent.clear()
    const row = this.#faults.releaseBeforeVoid === true ? undefined : voidRow(this.stamp)
    return { row, record: this.#record('release') }
  }

  /** Takes leases again, under higher numbers. */
  resume(): void {
    this.#isReleased = false
  }

  /**
   * An accepted LEASE or RELEASE of this store is about to be committed.
   *
   * @returns the row to write in the same store transaction, if it `replacesRow` there
   */
  applied({ kind, stamp }: LeaseRecord, now: ClockReading): LeaseRow | undefined {
    if (stamp.incarnation !== this.#incarnation) return undefined
    if (kind === 'release') {
      return this.#faults.releaseBeforeVoid === true ? voidRow(stamp) : undefined
    }
    const sent = this.#sent.get(stamp.seq)
    if (sent === undefined) return undefined
    for (const seq of this.#sent.keys()) if (seq < stamp.seq) this.#sent.delete(seq)
    const from = this.#faults.expiryFromApply === true ? now : sent
    return { incarnation: stamp.incarnation, seq: stamp.seq, sent: from }
  }

  #record(kind: LeaseRecord['kind']): LeaseRecord {
    return { kind, ...this.#store, stamp: this.stamp }
  }
}

function voidRow({ incarnation, seq }: Stamp): LeaseRow {
  return { incarnation, seq, sent: null }
}
