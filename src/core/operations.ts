/**
 * The vocabulary of writes, the same in all modes: what a transaction asks for, before an engine
 * turns it into rows. Values are in their stored form; columns are ids.
 */
import type { RowImage } from './change.ts'
import type { ListQuery } from './list-query.ts'
import type { SqlValue } from './values.ts'

/** An edit of a collaborative text. Positions are UTF-16 code units. */
export type TextEdit =
  | { readonly kind: 'insert'; readonly at: number; readonly text: string }
  | { readonly kind: 'append'; readonly text: string }
  | { readonly kind: 'delete'; readonly at: number; readonly length: number }
  /** Makes the text equal to `text` with the smallest edit. */
  | { readonly kind: 'replace'; readonly text: string }

/** What happens to one cell of an existing row. */
export type CellOp =
  | { readonly kind: 'set'; readonly value: SqlValue }
  /**
   * Numbers and counters: adds `by` (may be negative). NULL counts as 0. With `floor` the
   * transaction fails with `CONDITION_FAILED` when the sum would fall below it (not for counters).
   */
  | {
      readonly kind: 'increment'
      readonly by: number | bigint
      readonly floor: number | bigint | null
    }
  /** Keeps the larger or the smaller of the cell and the value. NULL counts as absent. */
  | { readonly kind: 'max'; readonly value: SqlValue }
  | { readonly kind: 'min'; readonly value: SqlValue }
  /** Sets: adds or removes elements. */
  | { readonly kind: 'add'; readonly elements: readonly string[] }
  | { readonly kind: 'remove'; readonly elements: readonly string[] }
  | { readonly kind: 'text'; readonly edits: readonly TextEdit[] }

/** One cell's change; `column` is a physical column's index in the row image. */
export interface CellChange {
  readonly column: number
  readonly op: CellOp
}

/** A condition on a cell of the stored row, evaluated where the operation is applied. */
export interface CellCondition {
  /** A physical column's index in the row image. */
  readonly column: number
  readonly op: '=' | '!=' | '<' | '<=' | '>' | '>='
  /** NULL compares as in SQL's IS and IS NOT with `=` and `!=`, and fails every other operator. */
  readonly value: SqlValue
}

/** One operation of a transaction. `table` is a table id. */
export type WriteOp =
  /** Full rows. `insert` refuses a live row with the same key; `upsert` replaces its cells. */
  | {
      readonly kind: 'insert' | 'upsert'
      readonly table: number
      readonly rows: readonly RowImage[]
    }
  /** Refuses a missing row with `NOT_FOUND`, a broken condition with `CONDITION_FAILED`. */
  | {
      readonly kind: 'update'
      readonly table: number
      readonly key: readonly SqlValue[]
      readonly cells: readonly CellChange[]
      readonly conditions: readonly CellCondition[]
    }
  /** A missing row is not an error: the row is absent afterwards. Conditions bind a live row. */
  | {
      readonly kind: 'delete'
      readonly table: number
      readonly key: readonly SqlValue[]
      readonly conditions: readonly CellCondition[]
    }

/** A row that a transaction read, with the version that it saw; null: it was absent. */
export interface RowCheck {
  readonly table: number
  readonly key: readonly SqlValue[]
  readonly version: string | null
}

/**
 * A range that a strong transaction read. It is read again at the transaction's place in the log
 * and must hold the same rows in the same versions and order: no row has come, gone or changed.
 */
export interface RangeGuard {
  readonly table: number
  /** Its `limit` is the rows that are compared: what comes behind them is not guarded. */
  readonly range: ListQuery
  /** `rangeDigest` of what was seen. */
  readonly digest: string
}

/**
 * Columns of a row that a strong transaction read, and nothing else of it. They are read again at
 * the transaction's place in the log, and must be there with the same values: whoever writes other
 * columns of the row does not conflict. Of a row that was absent there is only a `RowCheck`.
 */
export interface ColumnGuard {
  readonly table: number
  readonly key: readonly SqlValue[]
  /** Physical columns' indexes in the row image, ascending. None: only whether the row is there. */
  readonly columns: readonly number[]
  /** `columnDigest` of what was seen. */
  readonly digest: string
}

/** A table of a statement: its columns that the statement reads, by the names that it has for them. */
export interface GuardedTable {
  readonly id: number
  readonly name: string
  readonly columns: readonly (readonly [id: number, name: string])[]
}

/**
 * SQL that a strong transaction read. It is run again at the transaction's place in the log and must
 * give the same: `src/sql/guarded` says which SQL does so in every region.
 */
export interface SqlGuard {
  /** The first of `tables`. */
  readonly table: number
  readonly tables: readonly GuardedTable[]
  readonly sql: string
  readonly args: readonly SqlValue[]
  /** `resultDigest` of what was seen. */
  readonly digest: string
}

/** What a transaction read, and must be as it was. */
export type ReadCheck = RowCheck | RangeGuard | ColumnGuard | SqlGuard

/** Tells a range apart from other reads. */
export function isRangeGuard(read: ReadCheck): read is RangeGuard {
  return 'range' in read
}

/** Tells columns of a row apart from other reads. */
export function isColumnGuard(read: ReadCheck): read is ColumnGuard {
  return 'columns' in read
}

/** Tells SQL apart from other reads. */
export function isSqlGuard(read: ReadCheck): read is SqlGuard {
  return 'sql' in read
}

/** Tells a whole row apart from other reads. */
export function isRowCheck(read: ReadCheck): read is RowCheck {
  return 'version' in read
}

/** The rows that the ranges among `reads` may cover together. */
export function guardedRows(reads: readonly ReadCheck[]): number {
  return reads.reduce((sum, read) => sum + (isRangeGuard(read) ? read.range.limit : 0), 0)
}

/** A transaction as one message: validated and applied as a whole, or refused as a whole. */
export interface TransactionRequest {
  readonly txId: string
  /** '' for global tables. */
  readonly tenant: string
  readonly reads: readonly ReadCheck[]
  readonly ops: readonly WriteOp[]
  /** Fixed by the client at its first send; the same key with other content is refused. */
  readonly idempotencyKey: string
  readonly contentHash: string
  /** Wall-clock milliseconds of the first send. */
  readonly issuedAtMs: number
  /** Strong: the log index that the client knew at its first send; 0 otherwise. */
  readonly basis: number
}

/** What a committed transaction answers. */
export interface TransactionResult {
  readonly txId: string
  /** For every `update`, in order: the row after it. */
  readonly updated: readonly RowImage[]
  /** Where a session must be at least to see it: a store's source id or `log:<group>`. */
  readonly position: { readonly source: string; readonly seq: number }
  readonly hlc: string
}
