/**
 * One connection to the file, as sessions use it: statements with counts and declared types, safe
 * rows, and a bounded cache of prepared statements that follows the schema.
 */
import {
  SqlError,
  type SqlColumn,
  type SqlDescription,
  type SqlResult,
} from '../../core/ports/sql-session.ts'
import type { SqlRow, SqlValue } from '../../core/values.ts'
import {
  abandon,
  openEngine,
  type BoundValue,
  type EngineDatabase,
  type EngineStatement,
} from '../libsql/engine.ts'
import type { SqlStatementText } from '../libsql/sql-statements.ts'
import { guardQuery, guardReturning, readGuardedRow } from './guarded-values.ts'
import { isBusy, isSyntaxError, toSqlError } from './sql-errors.ts'
import type { StatementKind } from './statement-kind.ts'

interface Prepared {
  readonly statement: EngineStatement
  readonly columns: readonly SqlColumn[]
  /** Whether rows come as they are, need reading, or do not come at all. */
  readonly rows: 'none' | 'plain' | 'guarded'
}

/** A statement and what was found out about it. */
export interface PlannedStatement {
  readonly text: SqlStatementText
  readonly kind: StatementKind
}

const MAX_CACHED_STATEMENTS = 100
const MAX_CACHED_SQL_LENGTH = 20_000
/** What one statement may hold in memory; what an answer may hold is the protocol's to bound. */
const MAX_RESULT_BYTES = 64_000_000
/** Besides its texts and blobs: about what a value takes. */
const VALUE_BYTES = 16

export class FileConnection {
  readonly #db: EngineDatabase
  readonly #counts: EngineStatement
  readonly #schemaVersion: EngineStatement
  readonly #schemaProbe: EngineStatement
  readonly #cache = new Map<string, Prepared>()
  #cachedSchema: SqlValue | undefined
  #isBroken = false

  /** Throws what the engine throws. `maxPages`: the file grows no further. */
  constructor(path: string, maxPages: number | undefined) {
    this.#db = openEngine(path)
    if (maxPages !== undefined) this.pragma(`max_page_count = ${maxPages}`)
    this.#counts = this.#own('SELECT changes(), last_insert_rowid()')
    this.#schemaVersion = this.#own('PRAGMA schema_version')
    this.#schemaProbe = this.#own('SELECT 1 FROM sqlite_schema LIMIT 1')
  }

  get inTransaction(): boolean {
    return this.#db.inTransaction
  }

  /** Whether the engine left it in a state that only a new connection cures: after `SQLITE_BUSY`. */
  get isBroken(): boolean {
    return this.#isBroken
  }

  /** Reads or sets a PRAGMA of the server's own. */
  pragma(text: string): SqlValue | undefined {
    return firstRow(this.#own(`PRAGMA ${text}`))?.[0]
  }

  /**
   * Runs a statement.
   *
   * @throws SqlError
   */
  run({ text, kind }: PlannedStatement, args: readonly BoundValue[], wantRows: boolean): SqlResult {
    const prepared = this.#prepare(text, kind)
    try {
      if (prepared.rows !== 'none') {
        const rows = this.#rows(prepared, args, wantRows)
        // One that explains goes on after its last row, and would hold what others read meanwhile.
        if (text.isExplain) prepared.statement.get(args)
        return { columns: prepared.columns, rows, ...this.#countsOf(kind) }
      }
      const { changes, lastInsertRowid } = prepared.statement.run(args)
      // It comes as a double: a large one is read again, exactly.
      if (!Number.isSafeInteger(lastInsertRowid)) {
        return { columns: [], rows: [], ...this.#countsOf(kind) }
      }
      return {
        columns: [],
        rows: [],
        affectedRowCount: kind.changesRows ? changes : 0,
        lastInsertRowid: kind.inserts ? BigInt(lastInsertRowid) : null,
      }
    } catch (error) {
      throw this.#failure(error, 'running')
    }
  }

  /** What a statement is, without running it. @throws SqlError */
  describe({ text, kind }: PlannedStatement): SqlDescription {
    const { columns } = this.#prepare(text, kind)
    return {
      params: text.parameters.map((name) => ({ name })),
      columns,
      isExplain: text.isExplain,
      isReadonly: !kind.writes,
    }
  }

  /** Undoes the open transaction, if there is one. */
  rollback(): void {
    if (!this.#db.inTransaction) return
    this.forgetStatements()
    try {
      this.#db.exec('ROLLBACK')
    } catch (error) {
      this.#isBroken = true
      throw this.#failure(error, 'running')
    }
  }

  /** After a rollback: the schema may have gone back to what a later one calls by the same number. */
  forgetStatements(): void {
    this.#cache.clear()
  }

  /** The engine closes the file once its statements are collected as garbage. */
  close(): void {
    this.#cache.clear()
    this.#db.close()
  }

  #own(sql: string): EngineStatement {
    const statement = this.#db.prepare(sql)
    if (statement.reader) {
      statement.raw()
      statement.safeIntegers(true)
    }
    return statement
  }

  #countsOf(kind: StatementKind): Pick<SqlResult, 'affectedRowCount' | 'lastInsertRowid'> {
    if (!kind.changesRows) return { affectedRowCount: 0, lastInsertRowid: null }
    const [changes, rowid] = firstRow(this.#counts) ?? []
    return {
      affectedRowCount: Number(changes),
      lastInsertRowid: kind.inserts ? (rowid as bigint) : null,
    }
  }

  #rows(prepared: Prepared, args: readonly BoundValue[], wantRows: boolean): SqlRow[] {
    const rows: SqlRow[] = []
    let bytes = 0
    const iterator = prepared.statement.iterate(args)
    try {
      for (let step = iterator.next(); step.done !== true; step = iterator.next()) {
        if (!wantRows) continue
        bytes += rowBytes(step.value)
        if (bytes > MAX_RESULT_BYTES) {
          throw new SqlError('RESPONSE_TOO_LARGE', 'Response is too large')
        }
        rows.push(prepared.rows === 'guarded' ? readGuardedRow(step.value) : step.value)
      }
    } catch (error) {
      if (error instanceof SqlError) abandon(this.#db, iterator)
      throw error
    }
    return rows
  }

  #prepare(text: SqlStatementText, kind: StatementKind): Prepared {
    try {
      if (kind.control === undefined) this.#followSchema()
      const isLasting = kind.selects || kind.changesRows || kind.control !== undefined
      if (!isLasting) return this.#prepareNew(text, kind)
      const cached = this.#cache.get(text.sql)
      if (cached !== undefined) return cached
      const prepared = this.#prepareNew(text, kind)
      if (text.sql.length <= MAX_CACHED_SQL_LENGTH) this.#keep(text.sql, prepared)
      return prepared
    } catch (error) {
      throw this.#failure(error, 'preparing')
    }
  }

  /** A statement's columns are those of the schema that it was prepared under. */
  #followSchema(): void {
    const schema = firstRow(this.#schemaVersion)?.[0]
    if (schema === this.#cachedSchema) return
    this.#cache.clear()
    // The engine learns of another connection's change when it runs something, not by preparing.
    firstRow(this.#schemaProbe)
    this.#cachedSchema = schema
  }

  #keep(sql: string, prepared: Prepared): void {
    this.#cache.set(sql, prepared)
    if (this.#cache.size <= MAX_CACHED_STATEMENTS) return
    for (const oldest of this.#cache.keys()) {
      this.#cache.delete(oldest)
      break
    }
  }

  #prepareNew(text: SqlStatementText, kind: StatementKind): Prepared {
    const statement = this.#own(text.sql)
    if (!statement.reader) return { statement, columns: [], rows: 'none' }
    const found = statement.columns()
    const columns = found.map(({ name, type }) => ({ name, decltype: type }))
    if (kind.selects) {
      return { statement: this.#own(guardQuery(text.sql, found.length)), columns, rows: 'guarded' }
    }
    if (!kind.changesRows) return { statement, columns, rows: 'plain' }
    const sql = guardReturning(text, found, (candidate) => this.#parses(candidate))
    return { statement: this.#own(sql), columns, rows: 'guarded' }
  }

  #parses(sql: string): boolean {
    try {
      this.#db.prepare(sql)
      return true
    } catch (error) {
      return !isSyntaxError(error)
    }
  }

  #failure(error: unknown, phase: 'preparing' | 'running'): unknown {
    if (isBusy(error)) this.#isBroken = true
    return toSqlError(error, phase)
  }
}

function firstRow(statement: EngineStatement): SqlValue[] | undefined {
  if (!statement.reader) {
    statement.run([])
    return undefined
  }
  let first: SqlValue[] | undefined
  // To its end: a statement that has more to give would hold its snapshot.
  for (const row of statement.iterate([])) first ??= row
  return first
}

function rowBytes(row: readonly SqlValue[]): number {
  let bytes = row.length * VALUE_BYTES
  for (const value of row) {
    if (value instanceof Uint8Array) bytes += value.byteLength
    else if (typeof value === 'string') bytes += value.length
  }
  return bytes
}
