/**
 * Port: a database connection, as a SQL protocol serves it: one statement at a time, transactions
 * by SQL (`BEGIN`, `COMMIT`). What a session does is its own: closing it rolls back what is open.
 */
import type { Caller } from '../principal.ts'
import type { SqlRow, SqlValue } from '../values.ts'

/** One statement with arguments by position and by name (with or without their sigil). */
export interface SqlStatement {
  readonly sql: string
  readonly args: readonly SqlValue[]
  readonly namedArgs: readonly { readonly name: string; readonly value: SqlValue }[]
  /** Without rows only the counts come back. */
  readonly wantRows: boolean
}

/** A result column. */
export interface SqlColumn {
  readonly name: string | null
  readonly decltype: string | null
}

/** What a statement gave. Integers of rows are `bigint`s. */
export interface SqlResult {
  readonly columns: readonly SqlColumn[]
  readonly rows: readonly SqlRow[]
  readonly affectedRowCount: number
  readonly lastInsertRowid: bigint | null
}

/** What a statement is, without running it. */
export interface SqlDescription {
  /** By place; `null` for one without a name. */
  readonly params: readonly { readonly name: string | null }[]
  readonly columns: readonly SqlColumn[]
  readonly isExplain: boolean
  readonly isReadonly: boolean
}

/** The engine refused or undid a statement; `code` as libSQL names it (`SQLITE_CONSTRAINT`). */
export class SqlError extends Error {
  override readonly name = 'SqlError'
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

/** One connection. Calls come one after another, never two at once. All throw `SqlError`. */
export interface SqlSession {
  execute(statement: SqlStatement): Promise<SqlResult>
  describe(sql: string): Promise<SqlDescription>
  /** Runs every statement of the text. */
  sequence(sql: string): Promise<void>
  /** Whether no transaction is open. */
  isAutocommit(): Promise<boolean>
  close(): Promise<void>
}

/** What sessions are opened on. */
export interface SqlBackend {
  /** @throws SqlError, MeridianError (`OVERLOADED`, `PERMISSION_DENIED`, `TENANT_NOT_FOUND`, …) */
  open(caller: Caller): Promise<SqlSession>
}
