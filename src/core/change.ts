/**
 * A change of one row, as it leaves a store: the record of the outbox, the replication stream and
 * the change log. Its identity is its origin; every hop dedupes by it.
 */
import type { Hlc } from './hlc.ts'
import type { SqlValue } from './values.ts'

/** Why a row changed. Consumers bill, notify and audit by it. */
export const CAUSES = ['user', 'ttl', 'move', 'rekey', 'shred', 'repair', 'backfill'] as const
export type Cause = (typeof CAUSES)[number]

/** What happened to the row. */
export const CHANGE_OPS = ['insert', 'update', 'delete'] as const
export type ChangeOp = (typeof CHANGE_OPS)[number]

/**
 * Where a change was first made. For a store, `source` is its source id (`<region>.<incarnation>`)
 * and `seq` its localSeq there; for a strong change `source` is `log:<group>` and `seq` the index.
 */
export interface Origin {
  readonly source: string
  /** The tenant's epoch at that time; 0 where there is no home. */
  readonly epoch: number
  readonly seq: number
}

/**
 * A row image: stored values in the order of the table's physical columns (ascending column id),
 * as of the change's schema version. Columns that are added later follow at the end.
 */
export type RowImage = readonly SqlValue[]

/** One change. */
export interface Change {
  /** Position in the outbox of the store that holds this record; dense. */
  readonly localSeq: number
  readonly origin: Origin
  /** The transaction that made it, its place (from 0) in it, and how many changes that has. */
  readonly txId: string
  readonly index: number
  readonly size: number
  readonly hlc: Hlc
  readonly schemaVersion: number
  readonly cause: Cause
  readonly tableId: number
  readonly op: ChangeOp
  /** Empty for tables of global scope. */
  readonly tenant: string
  /** Primary key values, without the tenant. */
  readonly key: readonly SqlValue[]
  readonly before: RowImage | null
  readonly after: RowImage | null
  /** The row's version after the change (of the deleted row for a delete). */
  readonly version: string
  /** Eventual tables: the mergeable part of the change. */
  readonly delta: Uint8Array | null
}

/** A source id: one life of one region's store. */
export function makeSource(region: string, incarnation: string): string {
  return `${region}.${incarnation}`
}

/** The region of a source id. */
export function sourceRegion(source: string): string {
  return source.slice(0, source.lastIndexOf('.'))
}

/** The origin source of strong changes of a log group. */
export function logSource(group: string): string {
  return `log:${group}`
}
