/**
 * Which leases the log has granted, per (region, store): part of the replicated state machine, so
 * it is equal in all regions at equal index, and in snapshots and digests. A restored store has a
 * new id; the lease of the old one must run out by itself, so the id is part of the key.
 */
import type { ClockReading } from './lease-clock.ts'
import type { LeaseFaults } from './lease-faults.ts'
import type { LeaseRecord } from './lease-record.ts'
import { compareStamps, newerStamp, type Stamp } from './stamp.ts'

/** A store as the log knows it. */
export interface StoreId {
  readonly region: string
  readonly databaseId: string
}

/** The newest lease or release of a store: the durable, replicated part of the table. */
export interface LeaseTop extends StoreId {
  /** Where in the log it is. */
  readonly index: number
  readonly stamp: Stamp
  /** Whether it is a LEASE; false once released. */
  readonly isLive: boolean
}

/** A lease or release as this process knows it. */
export interface HeldLease {
  readonly index: number
  readonly stamp: Stamp
  readonly isLive: boolean
  /** When this process first saw it; its own start for what was there before. */
  readonly observed: ClockReading
  /** Test-only: counts as over. */
  readonly isForgotten?: boolean
}

/** One store's leases, oldest first; those that govern no index above the stable one are dropped. */
export interface LeaseHolder extends StoreId {
  readonly key: string
  readonly history: HeldLease[]
}

/** One string for a store id. Region names hold no space. */
export function storeKey({ region, databaseId }: StoreId): string {
  return `${region} ${databaseId}`
}

export class LeaseTable {
  readonly #holders = new Map<string, LeaseHolder>()
  readonly #faults: LeaseFaults

  /** `tops`: what the store holds; `now`: this process' start, from when it counts their time. */
  constructor(tops: readonly LeaseTop[], now: ClockReading, faults: LeaseFaults = {}) {
    this.#faults = faults
    for (const { region, databaseId, index, stamp, isLive } of tops) {
      const isForgotten = faults.forgottenIsOver === true
      // Never "surely over": the process that saw it first is gone, its holder may not be.
      const held: HeldLease = { index, stamp, isLive, observed: now, isForgotten }
      this.#holder({ region, databaseId }).history.push(held)
    }
  }

  /**
   * Evaluates a LEASE or RELEASE at its index; the same index may be evaluated again.
   *
   * @returns the store's new top, to be written with the record's effects; undefined where the
   * record changes nothing
   */
  apply(record: LeaseRecord, index: number, now: ClockReading): LeaseTop | undefined {
    const { region, databaseId, stamp } = record
    const { history } = this.#holder(record)
    const top = history.at(-1)
    if (top === undefined || top.index < index) {
      const order = top === undefined ? 1 : compareStamps(stamp, top.stamp)
      if (record.kind === 'lease') {
        // A duplicate, or one that was overtaken by a newer one: its holder no longer counts on it.
        if (order <= 0 && this.#faults.lateLeaseCounts !== true) return undefined
        history.push({ index, stamp, isLive: true, observed: now })
      } else {
        // A late RELEASE says nothing of a lease that was taken since.
        if (order < 0 && this.#faults.releaseAnyStamp !== true) return undefined
        const kept = top === undefined ? stamp : newerStamp(stamp, top.stamp)
        history.push({ index, stamp: kept, isLive: false, observed: now })
      }
    }
    // Also where later records were evaluated already: batches are cut anew after a failed commit.
    const held = history.find((one) => one.index === index)
    if (held === undefined) return undefined
    return { region, databaseId, index, stamp: held.stamp, isLive: held.isLive }
  }

  /** All stores that ever had a lease. */
  holders(): Iterable<LeaseHolder> {
    return this.#holders.values()
  }

  /** Drops what governs no index above `stableIndex`. */
  prune(stableIndex: number): void {
    for (const { history } of this.#holders.values()) {
      while (history.length > 1 && (history[1] as HeldLease).index <= stableIndex) history.shift()
    }
  }

  #holder({ region, databaseId }: StoreId): LeaseHolder {
    const key = storeKey({ region, databaseId })
    let holder = this.#holders.get(key)
    if (holder === undefined) {
      holder = { region, databaseId, key, history: [] }
      this.#holders.set(key, holder)
    }
    return holder
  }
}

/** The last LEASE or RELEASE below an index: the one that decides about it. */
export function governingLease(holder: LeaseHolder, index: number): HeldLease | undefined {
  return holder.history.findLast((held) => held.index < index)
}
