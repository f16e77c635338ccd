/**
 * A session of a SQL client: single queries, each at its own instant, and read transactions, whose
 * queries see one snapshot of the store at one instant. It writes nothing, so that whatever ends it
 * loses nothing.
 */
import { MeridianError } from '../../core/errors.ts'
import { MAX_SQL_LENGTH } from '../../core/limits.ts'
import type { CancelTimer, Runtime } from '../../core/ports/runtime.ts'
import {
  SqlError,
  type SqlDescription,
  type SqlResult,
  type SqlSession,
  type SqlStatement,
} from '../../core/ports/sql-session.ts'
import type { QuerySnapshot } from '../../core/ports/store.ts'
import { textProblem, type SqlValue } from '../../core/values.ts'
import type { CompiledTable } from '../../schema/compiled.ts'
import type { QueryArguments } from '../../sql/parameters.ts'
import { tokenize } from '../../sql/tokens.ts'
import { readControl, type ControlStatement } from './control-statement.ts'
import { toSqlError } from './sql-errors.ts'
import { SqlReads, type InstantOf, type SqlConsistency } from './sql-reads.ts'
import type { SqlReader, SqlRegion } from './sql-region.ts'

/** What a session is made of. */
export interface SessionParts {
  readonly region: SqlRegion
  readonly reader: SqlReader
  readonly consistency: SqlConsistency
  readonly runtime: Runtime
  readonly timeoutMs: number
  /** How long a transaction may be open: its snapshot keeps the store from reclaiming space. */
  readonly maxTransactionMs: number
}

/** An open transaction. */
interface Transaction {
  /** Open savepoints, the outermost first. */
  savepoints: string[]
  /** Whether it ends with its outermost savepoint: no BEGIN began it. */
  readonly bySavepoint: boolean
  readonly instants: Map<CompiledTable, number>
  readonly cancel: CancelTimer
  snapshot: QuerySnapshot | undefined
  isTimedOut: boolean
}

const NOTHING: SqlResult = { columns: [], rows: [], affectedRowCount: 0, lastInsertRowid: null }
const MAX_SAVEPOINTS = 100

export class RegionSession implements SqlSession {
  readonly #parts: SessionParts
  readonly #reads: SqlReads
  #transaction: Transaction | undefined

  constructor(parts: SessionParts) {
    const { region, reader, consistency, timeoutMs } = parts
    this.#parts = parts
    this.#reads = new SqlReads(region, reader, consistency, timeoutMs)
  }

  execute(statement: SqlStatement): Promise<SqlResult> {
    const { sql, wantRows } = statement
    return this.#typed(sql, async () => {
      const control = readControl(sql)
      if (control !== undefined) return this.#control(control)
      const { columns, rows } = await this.#query(sql, argumentsOf(statement))
      return { ...NOTHING, columns, rows: wantRows ? rows : [] }
    })
  }

  describe(sql: string): Promise<SqlDescription> {
    return this.#typed(sql, async () => {
      if (readControl(sql) === undefined) return this.#reads.describe(sql)
      return { params: [], columns: [], isExplain: false, isReadonly: true }
    })
  }

  sequence(sql: string): Promise<void> {
    return this.#typed(sql, async () => {
      for (const text of statementsOf(sql)) {
        const control = readControl(text)
        if (control !== undefined) this.#control(control)
        else await this.#query(text, { positional: [] })
      }
    })
  }

  async isAutocommit(): Promise<boolean> {
    return this.#transaction === undefined
  }

  async close(): Promise<void> {
    this.#end()
  }

  async #query(sql: string, args: QueryArguments): Promise<Awaited<ReturnType<SqlReads['query']>>> {
    const transaction = this.#transaction
    if (transaction === undefined) return this.#reads.query(sql, args)
    if (transaction.isTimedOut) throw timedOut()
    const nowMs = this.#instantOf(transaction)
    transaction.snapshot ??= await this.#openSnapshot(transaction, nowMs)
    try {
      return await this.#reads.queryOn(transaction.snapshot, nowMs, sql, args)
    } catch (error) {
      // The time-out takes the snapshot from under the query.
      throw transaction.isTimedOut ? timedOut() : error
    }
  }

  /** Each table's instant is judged once in a transaction. */
  #instantOf({ instants }: Transaction): InstantOf {
    return (table) => {
      const known = instants.get(table)
      if (known !== undefined) return known
      const nowMs = this.#parts.region.nowMs(table)
      instants.set(table, nowMs)
      return nowMs
    }
  }

  async #openSnapshot(transaction: Transaction, nowMs: InstantOf): Promise<QuerySnapshot> {
    const { store, schema } = this.#parts.region
    if (store.snapshot === undefined) {
      throw new MeridianError('QUERY_REFUSED', 'The store of this region has no transactions.', {
        fix: 'Send queries one by one.',
      })
    }
    for (const table of schema.tables) nowMs(table)
    await this.#reads.viewsReach(nowMs)
    const snapshot = await store.snapshot()
    if (!transaction.isTimedOut && this.#transaction === transaction) return snapshot
    snapshot.end()
    throw timedOut()
  }

  #control(control: ControlStatement): SqlResult {
    const transaction = this.#transaction
    switch (control.kind) {
      case 'begin':
        if (transaction !== undefined) {
          throw engineError('cannot start a transaction within a transaction')
        }
        this.#begin(false)
        break
      case 'commit':
      case 'rollback': {
        if (transaction === undefined) {
          throw engineError(`cannot ${control.kind} - no transaction is active`)
        }
        this.#end()
        if (control.kind === 'commit' && transaction.isTimedOut) throw timedOut()
        break
      }
      case 'savepoint':
        this.#savepoint(control.name, transaction ?? this.#begin(true))
        break
      case 'release':
      case 'rollback-to':
        this.#release(control, transaction)
    }
    return NOTHING
  }

  #begin(bySavepoint: boolean): Transaction {
    const { runtime, maxTransactionMs, consistency } = this.#parts
    if (consistency === 'strong') {
      throw new MeridianError('QUERY_REFUSED', 'A transaction reads what the region holds.', {
        fix: 'Connect without asking for strong reads, or send queries one by one.',
      })
    }
    const transaction: Transaction = {
      savepoints: [],
      bySavepoint,
      instants: new Map(),
      snapshot: undefined,
      isTimedOut: false,
      cancel: runtime.timers.after(maxTransactionMs, () => {
        transaction.isTimedOut = true
        transaction.snapshot?.end()
      }),
    }
    this.#transaction = transaction
    return transaction
  }

  #end(): void {
    this.#transaction?.cancel()
    this.#transaction?.snapshot?.end()
    this.#transaction = undefined
  }

  #savepoint(name: string, transaction: Transaction): void {
    if (transaction.savepoints.length >= MAX_SAVEPOINTS) throw engineError('too many savepoints')
    transaction.savepoints.push(name)
  }

  /** Nothing is written, so going back to a savepoint only drops those behind it. */
  #release(
    { kind, name }: Extract<ControlStatement, { name: string }>,
    transaction: Transaction | undefined,
  ): void {
    const at = transaction?.savepoints.lastIndexOf(name) ?? -1
    if (transaction === undefined || at < 0) throw engineError(`no such savepoint: ${name}`)
    transaction.savepoints = transaction.savepoints.slice(0, kind === 'release' ? at : at + 1)
    if (transaction.bySavepoint && transaction.savepoints.length === 0) this.#end()
  }

  async #typed<T>(sql: string, run: () => Promise<T>): Promise<T> {
    try {
      requireText(sql)
      return await run()
    } catch (error) {
      throw toSqlError(error, this.#parts.region.region, sql)
    }
  }
}

/** Before anything reads it: the engine stops at NUL, and what is too long costs too much. */
function requireText(sql: string): void {
  const problem =
    sql.length > MAX_SQL_LENGTH ? `has more than ${MAX_SQL_LENGTH} characters` : textProblem(sql)
  if (problem === undefined) return
  throw new MeridianError('QUERY_REFUSED', `The text ${problem}.`, {
    fix: 'Pass values as parameters.',
  })
}

function argumentsOf({ args, namedArgs }: SqlStatement): QueryArguments {
  const named = new Map<string, SqlValue>(namedArgs.map(({ name, value }) => [name, value]))
  return { positional: args, named, exactTypes: true }
}

/** The statements of a text, by the places of their semicolons. */
function statementsOf(sql: string): string[] {
  const texts: string[] = []
  let from = 0
  let isEmpty = true
  for (const token of tokenize(sql)) {
    if (token.text !== ';') {
      isEmpty = false
      continue
    }
    if (!isEmpty) texts.push(sql.slice(from, token.at))
    from = token.at + 1
    isEmpty = true
  }
  return isEmpty ? texts : [...texts, sql.slice(from)]
}

/** What SQLite says of transactions. */
function engineError(message: string): SqlError {
  return new SqlError('SQLITE_ERROR', message)
}

function timedOut(): SqlError {
  return new SqlError('TRANSACTION_TIMEOUT', 'The transaction was open for too long; begin again.')
}
