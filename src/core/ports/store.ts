/**
 * Port: the rows of one region in one libSQL database. A store is the unit of order: one writer
 * queue, one outbox, one change-log partition.
 */
import type { SqlRow, SqlValue } from '../values.ts'

/** One SQL statement with positional (`?`) arguments. */
export interface Statement {
  readonly sql: string
  readonly args: readonly SqlValue[]
  /** Return integers as `bigint`; without it integers beyond 2^53 lose their low bits. */
  readonly bigints?: boolean
  /** Refuse with `RESULT_TOO_LARGE` when more rows than this come back. */
  readonly maxRows?: number
  /** The same for the bytes of their values, roughly: text counts a byte a character. */
  readonly maxBytes?: number
}

/** Where a result column comes from, when it is a plain column of a table. */
export interface ColumnOrigin {
  readonly name: string
  readonly table: string | null
  readonly column: string | null
}

/** What a statement gave. */
export interface StatementResult {
  readonly rows: readonly SqlRow[]
  /** Rows inserted, updated or deleted; not reliable for statements with RETURNING. */
  readonly rowsAffected: number
}

/** A result with the names and origins of its columns. */
export interface DescribedResult extends StatementResult {
  readonly columns: readonly ColumnOrigin[]
}

/** Why a store transaction was undone. */
export type StoreFailureKind =
  | 'unique'
  | 'check'
  | 'not-null'
  | 'foreign-key'
  | 'type'
  | 'raise'
  | 'other'

/**
 * A statement failed and its transaction was undone in full; neighbours in the same commit were
 * not touched. `statementIndex` tells which statement, so callers map guards to meanings without
 * reading messages.
 */
export class StatementFailed extends Error {
  override readonly name = 'StatementFailed'
  readonly statementIndex: number
  readonly kind: StoreFailureKind

  constructor(statementIndex: number, kind: StoreFailureKind, message: string) {
    super(message)
    this.statementIndex = statementIndex
    this.kind = kind
  }
}

/** Several queries of users on one snapshot. */
export interface QuerySnapshot {
  /** As `Store.query`. */
  query(statement: Statement): Promise<DescribedResult>
  /** Lets the snapshot go; what runs on it fails. Calling it twice is harmless. */
  end(): void
}

/** A region's database. Errors that are not a statement's own are `MeridianError`s (`STORE_…`). */
export interface Store {
  /**
   * Runs the statements as one transaction: all or nothing, durable (fsynced) when it resolves.
   * Calls take effect in the order in which they were made. Concurrent calls may share one
   * commit; each still succeeds or fails alone.
   *
   * @throws StatementFailed when a statement fails; nothing of this call is stored.
   */
  write(statements: readonly Statement[]): Promise<readonly StatementResult[]>

  /** Runs read-only statements on one snapshot of what is committed. */
  read(statements: readonly Statement[]): Promise<readonly StatementResult[]>

  /**
   * One read-only statement with the names and origins of its columns. For user SQL.
   *
   * @throws StatementFailed, also when it took too long or too much memory where the driver bounds
   * them; MeridianError `RESULT_TOO_LARGE`, `OVERLOADED`, `STORE_…`
   */
  query(statement: Statement): Promise<DescribedResult>

  /**
   * What is committed when this resolves, for several queries. It keeps the store from reclaiming
   * space: end it soon. Left out where the driver has none.
   *
   * @throws MeridianError `OVERLOADED`, `STORE_…`
   */
  snapshot?(): Promise<QuerySnapshot>

  /**
   * Registers a listener that runs after every commit that wrote, or may have: where the outcome of
   * a write is unknown it runs, too. Returns its removal.
   */
  onCommit(listener: () => void): () => void

  /**
   * What an acknowledged write survives: `full`, also where left out, the loss of power; `normal`
   * only the end of the process that has the database.
   */
  readonly durability?: 'full' | 'normal'

  /** False: the engine takes no statistics for its plans (`ANALYZE`). */
  readonly takesStatistics?: boolean

  /** Finishes the waiting writes, releases the file. Later calls fail with `CLOSED`. */
  close(): Promise<void>
}
