/**
 * The stable index: through it, no lease holder can answer a read with older rows. Replies, aborts,
 * read-index reads and emissions of a group with local reads wait for it.
 *
 * A record is *covered* once each lease that was live at it is no danger: its holder applied the
 * record, or keeps readers off all rows that it writes, or its lease is over. Each is permanent, so
 * the stable index of every region is below the one true value, and only ever rises.
 */
import type { HintAcks } from './hint-acks.ts'
import { leaseOverAfterMs, waiterElapsedMs, type ClockReading } from './lease-clock.ts'
import type { LeaseFaults } from './lease-faults.ts'
import {
  governingLease,
  storeKey,
  type HeldLease,
  type LeaseHolder,
  type LeaseTable,
  type StoreId,
} from './lease-table.ts'
import type { AppliedAck } from './mesh-messages.ts'

/** A transaction of a record that wrote something. */
export interface EffectiveTransaction {
  readonly txId: string
  /**
   * Whether its rows are known from its content alone, so that a hint can name them. A function of
   * the record, the same in every region: not so for cascades and deletes by range.
   */
  readonly isDeclared: boolean
}

/** What a record did, as far as stability depends on it. */
export interface RecordEffects {
  /** All transactions that have their outcome by this record. */
  readonly txIds: readonly string[]
  /**
   * Those of them that wrote something. Rows that a record writes without a transaction, as the sweep
   * of a tick does, are one that is not declared.
   */
  readonly effective: readonly EffectiveTransaction[]
}

export interface StableIndexOptions {
  readonly own: StoreId
  readonly table: LeaseTable
  readonly hintAcks: HintAcks
  readonly durationMs: number
  readonly driftRate: number
  /** What the store has applied at the start of this process. */
  readonly appliedIndex: number
  /** What an earlier life of the store knew to be stable; 0 after a restore. */
  readonly stableIndex: number
  readonly faults: LeaseFaults
}

export class StableIndex {
  readonly #options: StableIndexOptions
  readonly #ownKey: string
  readonly #overAfterMs: number
  /** What each store said it has applied. */
  readonly #acked = new Map<string, number>()
  readonly #effects = new Map<number, RecordEffects>()
  /** The leases as they were at the start: which of them governed earlier indexes is not known. */
  readonly #atStart: readonly { readonly holder: LeaseHolder; readonly held: HeldLease }[]
  #applied: number
  #stable: number

  constructor(options: StableIndexOptions) {
    const { faults, durationMs, driftRate, appliedIndex, stableIndex, own, table } = options
    this.#options = options
    this.#ownKey = storeKey(own)
    this.#overAfterMs =
      faults.skipDriftMargin === true ? durationMs : leaseOverAfterMs(durationMs, driftRate)
    this.#applied = appliedIndex
    this.#stable = Math.min(stableIndex, appliedIndex)
    this.#atStart = [...table.holders()].map((holder) => ({
      holder,
      held: holder.history.at(-1) as HeldLease,
    }))
  }

  /** The stable index; a function of what this process was told, never above the applied index. */
  get value(): number {
    return this.#stable
  }

  /** A store says what it has applied; late and doubled messages change nothing. */
  acked(ack: Omit<AppliedAck, 'kind'>): void {
    const key = this.#ackKey(ack)
    if (ack.appliedIndex > (this.#acked.get(key) ?? 0)) this.#acked.set(key, ack.appliedIndex)
  }

  /** A record is committed in the own store. */
  applied(index: number, effects: RecordEffects): void {
    this.#applied = index
    if (effects.txIds.length > 0) this.#effects.set(index, effects)
  }

  /** Moves the stable index to the end of the covered prefix. */
  advance(now: ClockReading): number {
    const { appliedIndex, table, hintAcks } = this.#options
    const before = this.#stable
    if (this.#stable < appliedIndex) {
      this.#stable = Math.max(this.#stable, this.#coveredAtStart(now))
    }
    while (
      this.#stable >= appliedIndex &&
      this.#stable < this.#applied &&
      this.covers(this.#stable + 1, now)
    ) {
      this.#stable += 1
      for (const txId of this.#effects.get(this.#stable)?.txIds ?? []) hintAcks.forget(txId)
      this.#effects.delete(this.#stable)
    }
    if (this.#stable > before) table.prune(this.#stable)
    return this.#stable
  }

  /** Whether no lease holder can answer a read with rows from before this record. */
  covers(index: number, now: ClockReading): boolean {
    if (index <= this.#stable) return true
    if (index > this.#applied) return false
    if (index <= this.#options.appliedIndex) return this.#coveredAtStart(now) >= index
    const effects = this.#effects.get(index)
    // A lease, a fence, an abort, a duplicate: there are no older rows.
    if (effects === undefined || effects.effective.length === 0) return true
    for (const { holder, held } of this.#governing(index)) {
      const isSafe =
        !held.isLive ||
        this.#ackOf(holder) >= index ||
        this.#isOver(held, now) ||
        this.#keepsReadersOff(holder, held, effects) ||
        (this.#options.faults.renewalAsAck === true && (holder.history.at(-1)?.index ?? 0) > index)
      if (!isSafe) return false
    }
    return true
  }

  /**
   * The largest covered index of those from before this process, whose records and governing leases
   * it does not know. Every lease in the table was sent before the process began, so all are over
   * a full term later; one that is followed by a RELEASE is over already.
   */
  #coveredAtStart(now: ClockReading): number {
    let covered = this.#options.appliedIndex
    for (const { holder, held } of this.#atStart) {
      if (this.#isOwn(holder) || !held.isLive || this.#isOver(held, now)) continue
      covered = Math.min(covered, this.#ackOf(holder))
    }
    return covered
  }

  #governing(index: number): Iterable<{ holder: LeaseHolder; held: HeldLease }> {
    const found = new Map<string, { holder: LeaseHolder; held: HeldLease }>()
    for (const holder of this.#options.table.holders()) {
      if (this.#isOwn(holder)) continue
      const held = governingLease(holder, index)
      if (held === undefined) continue
      // Each store by itself: an old file may be read under its lease after a new one has its own.
      const key = this.#options.faults.newestDatabaseOnly === true ? holder.region : holder.key
      if (held.index > (found.get(key)?.held.index ?? 0)) found.set(key, { holder, held })
    }
    return found.values()
  }

  /** The own store has applied what is judged here; the region's other stores may not have. */
  #isOwn(holder: LeaseHolder): boolean {
    if (holder.key === this.#ownKey) return true
    return (
      this.#options.faults.ignoreOwnOldDatabase === true &&
      holder.region === this.#options.own.region
    )
  }

  #isOver({ observed, isForgotten }: HeldLease, now: ClockReading): boolean {
    if (isForgotten === true) return true
    const elapsedMs =
      this.#options.faults.waiterTrustsWall === true
        ? now.wallMs - observed.wallMs
        : waiterElapsedMs(observed, now)
    return elapsedMs >= this.#overAfterMs
  }

  /** One transaction without marks could be read around, so the record needs all of them. */
  #keepsReadersOff(holder: LeaseHolder, held: HeldLease, { effective }: RecordEffects): boolean {
    const { hintAcks, faults } = this.#options
    const isMarked = ({ txId, isDeclared }: EffectiveTransaction): boolean =>
      (isDeclared || faults.guessWriteSets === true) && hintAcks.covers(holder, txId, held.stamp)
    return faults.hintAckOfAnyInRecord === true
      ? effective.some(isMarked)
      : effective.every(isMarked)
  }

  #ackOf(store: StoreId): number {
    return this.#acked.get(this.#ackKey(store)) ?? 0
  }

  #ackKey(store: StoreId): string {
    return this.#options.faults.ackWithoutDatabase === true ? store.region : storeKey(store)
  }
}
