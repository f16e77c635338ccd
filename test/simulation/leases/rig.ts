/** Regions that are driven by hand, one step after the other: for schedules that chance rarely draws. */
import { LeaseCore } from '../../../replication/strong/leases/lease-core.ts'
import type { LeaseRecord } from '../../../replication/strong/leases/lease-record.ts'
import type {
  InvalidationHints,
  MeshMessage,
} from '../../../replication/strong/leases/mesh-messages.ts'
import { rowOfNextLife } from '../../../replication/strong/leases/own-lease.ts'
import { pointScope } from '../../../replication/strong/leases/read-scope.ts'
import type { Mutation } from './mutation.ts'
import { SimClock } from './sim-clock.ts'
import { PLACES, rowKey, SimStore, type LogEntry, type Transaction } from './sim-store.ts'

export const LEASE_MS = 1000

export class Rig {
  readonly log: LogEntry[] = []
  readonly mutation: Mutation
  readonly driftRate: number
  readonly usesHints: boolean
  nowMs = 0

  constructor(mutation: Mutation, { usesHints = true, driftRate = 0.02 } = {}) {
    this.mutation = mutation
    this.usesHints = usesHints
    this.driftRate = driftRate
  }

  /** A region with an empty store; `rate`: of its clocks. */
  region(name: string, rate = 1): Side {
    return new Side(this, name, new SimClock(() => this.nowMs, rate, 0), new SimStore(`${name}-1`))
  }

  append(...entries: readonly LogEntry[]): void {
    this.log.push(...entries)
  }
}

/** A region, as one life of its process after the other. */
export class Side {
  readonly clock: SimClock
  readonly name: string
  readonly #rig: Rig
  store: SimStore
  core: LeaseCore

  constructor(rig: Rig, name: string, clock: SimClock, store: SimStore) {
    this.#rig = rig
    this.name = name
    this.clock = clock
    this.store = store
    this.core = this.#open()
  }

  /** `meanwhile`: what happens to the store after the new process has taken it. */
  restart(meanwhile?: () => void): void {
    this.core = this.#open(meanwhile)
  }

  /** A new process on a copy of a store, under a new id. */
  restore(source: SimStore, databaseId: string): void {
    this.store = source.copy(databaseId)
    this.core = this.#open()
    if (this.#rig.mutation.restoreKeepsRow === true && source.leaseRow !== undefined) {
      this.store.leaseRow = { incarnation: 1, seq: 0, sent: source.leaseRow.sent }
    }
  }

  /** A LEASE, not appended yet. */
  renew(): LogEntry {
    const record = this.core.renew(this.clock.read()) as LeaseRecord
    return { kind: 'lease', record }
  }

  /** A RELEASE, not appended yet; the row is void already. */
  release(): LogEntry {
    const { row, record } = this.core.release()
    if (row !== undefined) this.store.writeLeaseRow(row)
    return { kind: 'lease', record }
  }

  /** Hints of transactions, not appended yet. */
  hints(...transactions: readonly Transaction[]): InvalidationHints | undefined {
    const guesses = this.#rig.mutation.guessWriteSets === true
    return this.core.beforeAppend(
      transactions.map(({ id, keys, isRange }) => {
        const live = keys.filter((key) => this.store.rows[key]?.isLive === true)
        const known = isRange ? (guesses ? live : null) : keys
        return { txId: id, keys: known === null ? null : known.map(rowKey) }
      }),
    )
  }

  /** Takes a message; its answer, if there is one. */
  receive(message: MeshMessage | undefined): MeshMessage | undefined {
    if (message?.kind === 'applied') this.core.onApplied(message)
    else if (message?.kind === 'hint-ack') this.core.onHintAck(message)
    return message?.kind === 'hints' ? this.core.onHints(message) : undefined
  }

  /** Applies the log through an index, all of it by default; what it then tells the others. */
  apply(through = this.#rig.log.length): MeshMessage {
    while (this.store.applied < through) {
      this.commitNext()
      this.core.afterCommit(this.store.applied)
    }
    this.core.advance(this.clock.read())
    return this.core.acknowledgement()
  }

  /** Commits the next record; its process is not told yet. */
  commitNext(): void {
    this.evaluateNext()()
  }

  /** Evaluates the next record; what is returned commits it. */
  evaluateNext(): () => void {
    const { mutation, log } = this.#rig
    const { store } = this
    const entry = log[store.applied] as LogEntry
    const evaluation = store.evaluate(entry)
    const { record } = evaluation
    const writes = mutation.dirtyAfterCommit === true ? [] : record.writes
    const { top, row } = this.core.beforeCommit({ ...record, writes }, this.clock.read())
    return () => store.commit(evaluation, top, row, mutation)
  }

  /** Whether a committed transaction of the record may be answered now. */
  answers(index: number): boolean {
    this.core.advance(this.clock.read())
    return this.core.mayAnswer(index, 'commit', this.clock.read())
  }

  /** What a local strong read of a row is answered with at once; undefined: it is not. */
  read(
    key: number,
    server: Side | { core: LeaseCore; store: SimStore } = this,
  ): string | undefined {
    const { core, store } = server
    const scopes = [pointScope(rowKey(key))]
    core.advance(this.clock.read())
    const read = core.beginRead(scopes, this.clock.read())
    if (read.look(this.clock.read()) !== 'snapshot') return undefined
    const row = store.rows[key]
    const newestRowIndex = row?.isLive === true ? Math.floor(row.version / PLACES) : 0
    const judged = read.judge({ leaseRow: store.leaseRow, newestRowIndex }, this.clock.read())
    if (judged.kind === 'read-index' || core.stableIndex < judged.index) return undefined
    return row?.txId
  }

  #open(meanwhile?: () => void): LeaseCore {
    const { mutation, driftRate, usesHints } = this.#rig
    const { store } = this
    const { incarnation } = (store.leaseRow = rowOfNextLife(store.leaseRow, mutation))
    meanwhile?.()
    return new LeaseCore({
      region: this.name,
      databaseId: store.databaseId,
      incarnation,
      durationMs: LEASE_MS,
      driftRate,
      usesHints,
      leases: [...store.leases.values()],
      appliedIndex: store.applied,
      stableIndex: store.stableIndex,
      now: this.clock.read(),
      faults: mutation,
    })
  }
}

/** A transaction that writes rows. */
export function put(id: string, ...keys: readonly number[]): Transaction {
  return { id, keys, isDelete: false, isRange: false, expected: null }
}

/** A record of transactions. */
export function record(...transactions: readonly Transaction[]): LogEntry {
  return { kind: 'transactions', transactions }
}
