/**
 * One connection to a libSQL file with a bounded cache of prepared statements. It uses the engine
 * beneath `@libsql/client`, which prepares every statement anew.
 */
import { StatementFailed, type ColumnOrigin, type StatementResult } from '../../core/ports/store.ts'
import { rowBytes, type SqlRow, type SqlValue } from '../../core/values.ts'
import { abandon, openEngine, type EngineDatabase, type EngineStatement } from '../libsql/engine.ts'
import { readRow, type BoundStatement } from './bind.ts'
import { failureKind, isEngineError, isReadOnlyRefusal, storeError } from './engine-errors.ts'
import {
  checkArgumentCount,
  checkStatementText,
  tooManyBytes,
  tooManyRows,
  writingRead,
} from './statement-rules.ts'

/** A result, and whether the statement may have changed the database. */
export interface ExecutedStatement extends StatementResult {
  readonly wrote: boolean
}

interface Prepared {
  readonly statement: EngineStatement
  readonly reader: boolean
  readonly parameters: number | undefined
  /** Whether it changes the database whatever the number of rows: DDL. */
  readonly isDefinition: boolean
  readonly isReadOnly: boolean
}

const MAX_CACHED_STATEMENTS = 512
/** Longer texts are run once, as a rule: they would only push out others. */
const MAX_CACHED_SQL_LENGTH = 20_000
export class Connection {
  readonly #db: EngineDatabase
  readonly #path: string
  readonly #isReadOnly: boolean
  readonly #cache = new Map<string, Prepared>()
  readonly #bigintCache = new Map<string, Prepared>()
  readonly #control = new Map<string, EngineStatement>()

  /**
   * `uriQuery`: settings of the file's URI, as `mode=ro`.
   *
   * @throws MeridianError `STORE_UNAVAILABLE`
   */
  constructor(path: string, uriQuery?: string) {
    this.#path = path
    this.#isReadOnly = uriQuery !== undefined
    try {
      this.#db = openEngine(path, uriQuery)
    } catch (error) {
      throw storeError(error, path) ?? error
    }
  }

  /** Whether a transaction is open. A statement with a ROLLBACK clause ends it when it fails. */
  get inTransaction(): boolean {
    return this.#db.inTransaction
  }

  /** Runs one of the connection's own statements: transaction control. */
  control(sql: string): void {
    let statement = this.#control.get(sql)
    if (statement === undefined) {
      statement = this.#db.prepare(sql)
      this.#control.set(sql, statement)
    }
    statement.run([])
  }

  /** Runs a statement once, without keeping it. */
  once(sql: string): void {
    this.#db.exec(sql)
  }

  /** The first value of a statement that the driver wrote itself. */
  value(sql: string): SqlValue | undefined {
    return this.execute({ sql, args: [] }, 0).rows[0]?.[0]
  }

  /** Runs a PRAGMA, setting or reading. */
  pragma(text: string): SqlValue | undefined {
    const statement = this.#db.prepare(`PRAGMA ${text}`)
    if (!statement.reader) {
      statement.run([])
      return undefined
    }
    statement.raw()
    return [...statement.iterate([])][0]?.[0]
  }

  /**
   * Runs a statement. `index` is its place in its transaction.
   *
   * @throws StatementFailed, or MeridianError `STORE_…`, `RESULT_TOO_LARGE`, `INVALID_ARGUMENT`
   */
  execute(statement: BoundStatement, index: number): ExecutedStatement {
    try {
      const prepared = this.#prepare(statement)
      checkArgumentCount(prepared.parameters, statement.args.length)
      if (!prepared.reader) {
        const { changes } = prepared.statement.run(statement.args)
        return { rows: [], rowsAffected: changes, wrote: changes > 0 || prepared.isDefinition }
      }
      const rows = this.#rows(prepared, statement)
      return { rows, rowsAffected: 0, wrote: rows.length > 0 && !prepared.isReadOnly }
    } catch (error) {
      throw this.#failure(error, index)
    }
  }

  /** The names and origins of a statement's columns. */
  columns(statement: BoundStatement): readonly ColumnOrigin[] {
    try {
      const prepared = this.#prepare(statement)
      if (!prepared.reader) return []
      return prepared.statement
        .columns()
        .map(({ name, table, column }) => ({ name, table, column }))
    } catch (error) {
      throw this.#failure(error, 0)
    }
  }

  /** The engine closes the file once its statements are collected as garbage. */
  close(): void {
    this.#cache.clear()
    this.#bigintCache.clear()
    this.#control.clear()
    this.#db.close()
  }

  #rows(prepared: Prepared, statement: BoundStatement): SqlRow[] {
    const { maxRows = Number.POSITIVE_INFINITY, maxBytes } = statement
    const rows: SqlRow[] = []
    let bytes = 0
    const iterator = prepared.statement.iterate(statement.args)
    for (let step = iterator.next(); step.done !== true; step = iterator.next()) {
      if (rows.length >= maxRows) {
        abandon(this.#db, iterator)
        throw tooManyRows(maxRows)
      }
      const row = readRow(step.value)
      rows.push(row)
      if (maxBytes === undefined) continue
      bytes += rowBytes(row)
      if (bytes <= maxBytes) continue
      abandon(this.#db, iterator)
      throw tooManyBytes(maxBytes)
    }
    return rows
  }

  #prepare(statement: BoundStatement): Prepared {
    const cache = statement.bigints === true ? this.#bigintCache : this.#cache
    const { sql } = statement
    const cached = cache.get(sql)
    if (cached !== undefined) return cached
    const prepared = prepare(this.#db, sql, statement.bigints === true)
    if (sql.length <= MAX_CACHED_SQL_LENGTH) {
      cache.set(sql, prepared)
      if (cache.size > MAX_CACHED_STATEMENTS) {
        for (const oldest of cache.keys()) {
          cache.delete(oldest)
          break
        }
      }
    }
    return prepared
  }

  #failure(error: unknown, index: number): unknown {
    if (this.#isReadOnly && isReadOnlyRefusal(error)) return writingRead(error)
    const typed = storeError(error, this.#path)
    if (typed !== undefined) return typed
    if (isEngineError(error)) return new StatementFailed(index, failureKind(error), error.message)
    return error
  }
}

function prepare(db: EngineDatabase, sql: string, bigints: boolean): Prepared {
  const { parameters, isDefinition, isReadOnly } = checkStatementText(sql)
  const statement = db.prepare(sql)
  const reader = statement.reader
  if (reader) {
    statement.raw()
    statement.safeIntegers(bigints)
  }
  return { statement, reader, parameters, isDefinition, isReadOnly }
}
