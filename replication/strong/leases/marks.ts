/**
 * Rows that a transaction is about to write (Hermes, Katsarakis et al. 2020, on top of a log). While
 * a row is marked no reader may use the lease on it, so the writer need not wait until the row is
 * applied everywhere: it is enough that it is marked everywhere.
 */
import type { LeaseFaults } from './lease-faults.ts'
import type { Hint } from './mesh-messages.ts'
import { RowIndex, type ReadScope, type RowKey } from './read-scope.ts'
import { compareStamps, newerStamp, type Stamp } from './stamp.ts'

interface Mark {
  readonly keys: readonly RowKey[]
  readonly stamp: Stamp
}

/** Transactions that are marked at most; beyond it, hints are not answered: that only costs time. */
const MAX_MARKED_TRANSACTIONS = 10_000

export class Marks {
  readonly #marks = new Map<string, Mark>()
  /** How many marks each row has. */
  readonly #rows = new RowIndex()
  readonly #faults: LeaseFaults

  constructor(faults: LeaseFaults = {}) {
    this.#faults = faults
  }

  /**
   * Marks a transaction's rows; false where there is no room. A mark that is there keeps the larger
   * stamp, which was promised, and the renewal that drops it must be newer than all its promises.
   */
  add({ txId, keys }: Hint, stamp: Stamp): boolean {
    const known = this.#marks.get(txId)
    if (known !== undefined) {
      const kept =
        this.#faults.lowerStampOverwrites === true ? stamp : newerStamp(known.stamp, stamp)
      this.#marks.set(txId, { keys: known.keys, stamp: kept })
      return true
    }
    if (this.#marks.size >= MAX_MARKED_TRANSACTIONS) return false
    this.#marks.set(txId, { keys, stamp })
    for (const key of keys) this.#rows.set(key, (this.#rows.get(key) ?? 0) + 1)
    return true
  }

  /**
   * The transaction's outcome is in the store that readers see. Not before: between the mark's end
   * and the commit a reader would find the old row and no mark.
   */
  settle(txId: string): void {
    const mark = this.#marks.get(txId)
    if (mark === undefined) return
    this.#marks.delete(txId)
    for (const key of mark.keys) {
      const left = (this.#rows.get(key) ?? 0) - 1
      if (left > 0) this.#rows.set(key, left)
      else this.#rows.delete(key)
    }
  }

  /**
   * An own LEASE was applied: drops marks that were promised under older ones, strictly. What is
   * below the LEASE is applied; what is above it is governed by it, and an INVACK with an older
   * stamp does not count there. This ends the marks of writers that died before their append.
   */
  renewed(stamp: Stamp): void {
    const atMost = this.#faults.dropMarksAtEqualStamp === true ? 0 : -1
    for (const [txId, mark] of this.#marks) {
      if (compareStamps(mark.stamp, stamp) <= atMost) this.settle(txId)
    }
  }

  /** Whether a marked row is in one of the scopes. */
  touches(scopes: readonly ReadScope[]): boolean {
    return this.#marks.size > 0 && scopes.some((scope) => this.#rows.largestIn(scope) > 0)
  }

  /** Marked transactions. */
  get size(): number {
    return this.#marks.size
  }
}
