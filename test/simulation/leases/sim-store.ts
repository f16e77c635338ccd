/** A region's database, and the state machine of the simulated log: pure, as the real one is. */
import type { LeaseRecord } from '../../../replication/strong/leases/lease-record.ts'
import { storeKey, type LeaseTop } from '../../../replication/strong/leases/lease-table.ts'
import { replacesRow, type LeaseRow } from '../../../replication/strong/leases/own-lease.ts'
import type { RowKey } from '../../../replication/strong/leases/read-scope.ts'
import type { EvaluatedRecord } from '../../../replication/strong/leases/lease-core.ts'
import type { Mutation } from './mutation.ts'

/** Rows of the one table. */
export const ROW_COUNT = 4
/** Versions are index * PLACES + place. */
export const PLACES = 16

export interface Transaction {
  readonly id: string
  /** Rows that it writes; what of them there is, when `isRange`. */
  readonly keys: readonly number[]
  readonly isDelete: boolean
  /** Deletes what rows there are: known only at apply. */
  readonly isRange: boolean
  /** Takes effect only if this row was written last by this transaction. */
  readonly expected: { readonly key: number; readonly txId: string } | null
}

export type LogEntry =
  | { readonly kind: 'transactions'; readonly transactions: readonly Transaction[] }
  | { readonly kind: 'lease'; readonly record: LeaseRecord }
  | { readonly kind: 'fence'; readonly txId: string }

export interface RowVersion {
  readonly version: number
  /** The transaction that wrote or deleted it; '': never written. */
  readonly txId: string
  readonly isLive: boolean
}

export interface SimOutcome {
  readonly index: number
  readonly isCommitted: boolean
  /** What its condition met. */
  readonly met: { readonly key: number; readonly row: RowVersion } | null
  readonly keys: readonly number[]
}

const ABSENT: RowVersion = { version: 0, txId: '', isLive: false }

/** What a record does to a store; `record` is what the lease core is told. */
export interface Evaluation {
  readonly record: EvaluatedRecord
  readonly rows: ReadonlyMap<number, RowVersion>
  readonly outcomes: ReadonlyMap<string, SimOutcome>
  readonly fence: { readonly txId: string; readonly index: number } | undefined
}

export const rowKey = (key: number): RowKey => ({ table: 1, key: `k${key}` })

export class SimStore {
  readonly databaseId: string
  applied = 0
  rows: RowVersion[] = Array.from({ length: ROW_COUNT }, () => ABSENT)
  /** Versions of each row, oldest first: only what goes wrong with them is tested. */
  versions: RowVersion[][] = Array.from({ length: ROW_COUNT }, () => [ABSENT])
  outcomes = new Map<string, SimOutcome>()
  fences = new Map<string, number>()
  leases = new Map<string, LeaseTop>()
  leaseRow: LeaseRow | undefined
  stableIndex = 0

  constructor(databaseId: string) {
    this.databaseId = databaseId
  }

  /** A snapshot for another store: not the lease row, not the stable index, not the id. */
  copy(databaseId: string): SimStore {
    const copy = new SimStore(databaseId)
    copy.applied = this.applied
    copy.rows = [...this.rows]
    copy.versions = this.versions.map((versions) => [...versions])
    copy.outcomes = new Map(this.outcomes)
    copy.fences = new Map(this.fences)
    copy.leases = new Map(this.leases)
    return copy
  }

  /** What the entry does at the next index. */
  evaluate(entry: LogEntry, fenceNotBinding = false): Evaluation {
    const index = this.applied + 1
    const rows = new Map<number, RowVersion>()
    const outcomes = new Map<string, SimOutcome>()
    if (entry.kind === 'lease') {
      const record = { index, txIds: [], effective: [], writes: [], lease: entry.record }
      return { record, rows, outcomes, fence: undefined }
    }
    if (entry.kind === 'fence') {
      const isOpen = !this.outcomes.has(entry.txId)
      if (isOpen && !fenceNotBinding) {
        outcomes.set(entry.txId, { index, isCommitted: false, met: null, keys: [] })
      }
      const record = { index, txIds: [entry.txId], effective: [], writes: [] }
      return { record, rows, outcomes, fence: isOpen ? { txId: entry.txId, index } : undefined }
    }
    const rowOf = (key: number): RowVersion => rows.get(key) ?? (this.rows[key] as RowVersion)
    const { transactions } = entry
    for (const [place, tx] of transactions.entries()) {
      if (outcomes.has(tx.id) || this.outcomes.has(tx.id)) continue
      const { expected } = tx
      const met = expected && { key: expected.key, row: rowOf(expected.key) }
      const isCommitted = met === null || met.row.txId === expected?.txId
      const touched = tx.isRange ? tx.keys.filter((key) => rowOf(key).isLive) : tx.keys
      const keys = isCommitted ? touched : []
      for (const key of keys) {
        rows.set(key, { version: index * PLACES + place, txId: tx.id, isLive: !tx.isDelete })
      }
      outcomes.set(tx.id, { index, isCommitted, met, keys })
    }
    const effective = transactions
      .filter((tx) => (outcomes.get(tx.id)?.keys.length ?? 0) > 0)
      .map((tx) => ({ txId: tx.id, isDeclared: !tx.isRange }))
    const txIds = transactions.map(({ id }) => id)
    const record = { index, txIds, effective, writes: [...rows.keys()].map(rowKey) }
    return { record, rows, outcomes, fence: undefined }
  }

  /** One store transaction. */
  commit(
    { record, rows, outcomes, fence }: Evaluation,
    top?: LeaseTop,
    row?: LeaseRow,
    mutation: Mutation = {},
  ): void {
    if (record.index !== this.applied + 1) throw new Error('a gap in the log')
    this.applied = record.index
    for (const [key, version] of rows) {
      this.rows[key] = version
      this.versions[key]?.push(version)
    }
    for (const [txId, outcome] of outcomes) this.outcomes.set(txId, outcome)
    if (fence !== undefined) this.fences.set(fence.txId, fence.index)
    if (top !== undefined) this.leases.set(storeKey(top), top)
    if (row !== undefined) this.writeLeaseRow(row, mutation)
  }

  /** In the transaction that writes it: whether it may. */
  writeLeaseRow(row: LeaseRow, mutation: Mutation = {}): void {
    const { rowOfAnyLife, rowAfterRelease, releaseKeepsSent } = mutation
    const isOfThisLife = row.incarnation === this.leaseRow?.incarnation
    // Two rules keep a LEASE in flight from reviving a released lease: without both it does.
    const revives = rowAfterRelease === true || releaseKeepsSent === true
    const isAllowed =
      replacesRow(this.leaseRow, row) ||
      (rowOfAnyLife === true && !isOfThisLife) ||
      (revives && isOfThisLife)
    if (isAllowed) this.leaseRow = row
  }
}
