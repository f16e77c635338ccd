/**
 * Log leases (after Spanner's read leases, Paxos Quorum Leases, Moraru et al. 2014, and Hermes): a
 * region answers strong reads from its own store, and writers wait until no region can answer with
 * older rows. `docs/spec/strong-leases.md` has the invariants.
 *
 * One life of one store's process, pure and synchronous: every input carries its time, every output
 * is returned. It reads no clock and sends nothing.
 */
import { MeridianError } from '../../../src/core/errors.ts'
import { DirtyRows } from './dirty-rows.ts'
import { HintAcks } from './hint-acks.ts'
import type { ClockReading } from './lease-clock.ts'
import type { LeaseFaults } from './lease-faults.ts'
import type { LeaseRecord } from './lease-record.ts'
import { LeaseTable, type LeaseTop, type StoreId } from './lease-table.ts'
import { LocalRead, type ReadContext } from './local-read.ts'
import { Marks } from './marks.ts'
import type { AppliedAck, Hint, HintAck, InvalidationHints } from './mesh-messages.ts'
import { OwnLease, type LeaseRow, type Release } from './own-lease.ts'
import type { ReadScope, RowKey } from './read-scope.ts'
import { StableIndex, type RecordEffects } from './stable-index.ts'
import type { Stamp } from './stamp.ts'

export interface LeaseCoreOptions extends StoreId {
  /** Of the row that this process wrote at its start (`rowOfNextLife`). */
  readonly incarnation: number
  readonly durationMs: number
  /** By how much the rate of any clock may be wrong, as a fraction. */
  readonly driftRate: number
  /** Whether writers send hints (phase 2); without, every holder's ACK or expiry is waited for. */
  readonly usesHints: boolean
  /** The lease table of the store. */
  readonly leases: readonly LeaseTop[]
  readonly appliedIndex: number
  /** The last stable index that the store remembers; 0 after a restore. */
  readonly stableIndex: number
  /** The start of this process, after the store was complete. */
  readonly now: ClockReading
  readonly faults?: LeaseFaults
}

/** A record as the state machine evaluated it. */
export interface EvaluatedRecord extends RecordEffects {
  readonly index: number
  /** All rows that it wrote or deleted. */
  readonly writes: readonly RowKey[]
  readonly lease?: LeaseRecord
}

/** What goes into the store transaction of a record, besides its rows. */
export interface RecordCommit {
  /** The lease table's new entry. */
  readonly top: LeaseTop | undefined
  /** To be written only where it `replacesRow`, which the store transaction itself must ask. */
  readonly row: LeaseRow | undefined
}

/** A transaction about to be appended; null: its rows are known only at apply. */
export interface OutgoingTransaction {
  /**
   * Names one content, here and in `RecordEffects`: a promise for other rows must not count for it.
   * Where clients choose ids, the content's hash belongs into it.
   */
  readonly txId: string
  readonly keys: readonly RowKey[] | null
}

/** Transactions that are remembered as applied, so that a late hint does not mark them again. */
const REMEMBERED_TRANSACTIONS = 4096

export class LeaseCore {
  readonly #options: LeaseCoreOptions
  readonly #faults: LeaseFaults
  readonly #lease: OwnLease
  readonly #table: LeaseTable
  readonly #hintAcks: HintAcks
  readonly #stable: StableIndex
  readonly #reads: ReadContext
  readonly #appliedTxIds = new Set<string>()
  /** Evaluated, not yet known to be committed; `renewed`: the stamp of an own accepted LEASE. */
  readonly #evaluated = new Map<number, { record: EvaluatedRecord; renewed: Stamp | undefined }>()
  #applied: number

  constructor(options: LeaseCoreOptions) {
    const { region, databaseId, incarnation, durationMs, driftRate, appliedIndex } = options
    const faults = options.faults ?? {}
    const own = { region, databaseId }
    this.#options = options
    this.#faults = faults
    this.#applied = appliedIndex
    this.#lease = new OwnLease(own, incarnation, faults)
    this.#table = new LeaseTable(options.leases, options.now, faults)
    this.#hintAcks = new HintAcks(faults)
    this.#stable = new StableIndex({
      own,
      table: this.#table,
      hintAcks: this.#hintAcks,
      durationMs,
      driftRate,
      appliedIndex,
      stableIndex: options.stableIndex,
      faults,
    })
    const marks = new Marks(faults)
    const dirty = new DirtyRows(faults.startsClean === true ? 0 : appliedIndex)
    this.#reads = { incarnation, durationMs, marks, dirty, faults }
  }

  /** The stamp of promises made now. */
  get stamp(): Stamp {
    return this.#lease.stamp
  }

  /** The stable index: emit nothing above it, answer nothing that depends on more. */
  get stableIndex(): number {
    return this.#stable.value
  }

  /** Marks: of interest to operators; a number that stays up means that a writer died. */
  get markedTransactions(): number {
    return this.#reads.marks.size
  }

  /** The LEASE to append now; undefined while released. Call it every third of a lease. */
  renew(now: ClockReading): LeaseRecord | undefined {
    return this.#lease.renew(now)
  }

  /** Ends local reads here: commit the row first (if it `replacesRow`), then append the record. */
  release(): Release {
    return this.#lease.release()
  }

  /** Takes leases again after a release. */
  resume(): void {
    this.#lease.resume()
  }

  /**
   * A record is appended right after this call: not earlier, while it was queued, because renewals
   * in between would drop the marks. Marks the rows here, which is the sender's own INVACK.
   *
   * @returns what to send to all other regions
   */
  beforeAppend(transactions: readonly OutgoingTransaction[]): InvalidationHints | undefined {
    if (!this.#options.usesHints) return undefined
    const known = transactions.flatMap(({ txId, keys }) => (keys === null ? [] : [{ txId, keys }]))
    const { stamp } = this
    const hints =
      this.#faults.selfAckWithoutMark === true ? known : known.filter((hint) => this.#mark(hint))
    if (hints.length === 0) return undefined
    const { region, databaseId } = this.#options
    return { kind: 'hints', region, databaseId, stamp, hints }
  }

  /**
   * Marks what another region is about to write.
   *
   * @returns what to send to *all* other regions: any of them may answer a retry of the transaction
   */
  onHints({ region, databaseId, stamp, hints }: InvalidationHints): HintAck | undefined {
    const own = this.stamp
    const marked = hints.filter((hint) => this.#mark(hint))
    const txIds = hints.map(({ txId }) => txId)
    this.#hintAcks.add({ region, databaseId, stamp, txIds })
    if (marked.length === 0) return undefined
    return {
      kind: 'hint-ack',
      region: this.#options.region,
      databaseId: this.#options.databaseId,
      stamp: own,
      txIds: marked.map(({ txId }) => txId),
    }
  }

  /** A store keeps readers off rows. */
  onHintAck(ack: HintAck): void {
    this.#hintAcks.add(ack)
  }

  /** A store has applied the log through an index. */
  onApplied(ack: AppliedAck): void {
    this.#stable.acked(ack)
  }

  /**
   * A record was evaluated and is about to be committed, in index order; the same one again where
   * its commit failed.
   *
   * @returns what to commit with it
   */
  beforeCommit(record: EvaluatedRecord, now: ClockReading): RecordCommit {
    this.#reads.dirty.add(record.index, record.writes)
    if (this.#faults.clearMarksBeforeCommit === true) record.txIds.forEach((id) => this.#settle(id))
    const { lease } = record
    const top = lease && this.#table.apply(lease, record.index, now)
    const own = lease !== undefined && top !== undefined && this.#isOwn(top) ? lease : undefined
    const renewed = own?.kind === 'lease' ? own.stamp : undefined
    this.#evaluated.set(record.index, { record, renewed })
    return { top, row: own && this.#lease.applied(own, now) }
  }

  /**
   * The records through `index` are durable in the store, and readers see them.
   *
   * @returns what to send to all other regions, now and again every few ten milliseconds
   * @throws MeridianError `INTERNAL` where `beforeCommit` was not called for one of them
   */
  afterCommit(index: number): AppliedAck {
    for (let at = this.#applied + 1; at <= index; at++) {
      const evaluated = this.#evaluated.get(at)
      this.#evaluated.delete(at)
      // What is not known would pass for a record that wrote nothing.
      if (evaluated === undefined) throw notEvaluated(at)
      const { record, renewed } = evaluated
      this.#stable.applied(at, record)
      record.txIds.forEach((txId) => this.#settle(txId))
      if (renewed !== undefined) this.#reads.marks.renewed(renewed)
    }
    this.#applied = Math.max(this.#applied, index)
    return this.acknowledgement()
  }

  /** What this store has applied, for the other regions. */
  acknowledgement(): AppliedAck {
    const { region, databaseId } = this.#options
    return { kind: 'applied', region, databaseId, appliedIndex: this.#applied }
  }

  /** Moves the stable index as far as what is known allows; call it after every input. */
  advance(now: ClockReading): number {
    const stableIndex = this.#stable.advance(now)
    this.#reads.dirty.dropThrough(stableIndex)
    return stableIndex
  }

  /**
   * Whether a transaction of the record at `index` may be answered. A prefix, not the record alone:
   * its answer would show what is before it. Aborts, too: they show what they met.
   */
  mayAnswer(index: number, outcome: 'commit' | 'abort', now: ClockReading): boolean {
    if (this.#faults.revealAbort === true && outcome === 'abort') return true
    if (this.#faults.replyPerRecord === true) return this.#stable.covers(index, now)
    return this.stableIndex >= index
  }

  /** Begins a strong read. */
  beginRead(scopes: readonly ReadScope[], now: ClockReading): LocalRead {
    return new LocalRead(this.#reads, scopes, now)
  }

  /** False: not marked, so not acknowledged either. What is applied needs no mark. */
  #mark(hint: Hint): boolean {
    return this.#appliedTxIds.has(hint.txId) || this.#reads.marks.add(hint, this.stamp)
  }

  #settle(txId: string): void {
    this.#reads.marks.settle(txId)
    this.#appliedTxIds.add(txId)
    if (this.#appliedTxIds.size > REMEMBERED_TRANSACTIONS) {
      const [oldest] = this.#appliedTxIds
      if (oldest !== undefined) this.#appliedTxIds.delete(oldest)
    }
  }

  #isOwn({ region, databaseId }: StoreId): boolean {
    return region === this.#options.region && databaseId === this.#options.databaseId
  }
}

function notEvaluated(index: number): MeridianError {
  return new MeridianError('INTERNAL', `Record ${index} was committed and not evaluated.`)
}
