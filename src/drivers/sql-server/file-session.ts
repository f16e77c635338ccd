/**
 * A session on the file: a connection of its own, its turn at the write lock, and the state of its
 * transaction.
 *
 * A transaction that lost the lock (or met another program's) is gone, yet its client does not
 * know: statements that it sends on would be kept one by one. So they are all refused until the
 * client ends the transaction, as in PostgreSQL; sqld refuses the first alone.
 */
import {
  SqlError,
  type SqlDescription,
  type SqlResult,
  type SqlSession,
  type SqlStatement,
} from '../../core/ports/sql-session.ts'
import { textProblem } from '../../core/values.ts'
import { splitStatements, type SqlStatementText } from '../libsql/sql-statements.ts'
import { bindParameters } from './bind-parameters.ts'
import type { FileConnection, PlannedStatement } from './file-connection.ts'
import { statementKind, type StatementKind } from './statement-kind.ts'
import type { LockHolder, WriteLock } from './write-lock.ts'

/** Where sessions get their connections from. */
export interface ConnectionSource {
  take(): FileConnection
  /** `reusable`: nothing of this session is left in it. */
  giveBack(connection: FileConnection, reusable: boolean): void
}

export interface FileSessionParts {
  readonly connections: ConnectionSource
  readonly lock: WriteLock
  readonly onClosed: (session: FileSession) => void
}

const NOTHING: SqlResult = { columns: [], rows: [], affectedRowCount: 0, lastInsertRowid: null }
const BUSY = new SqlError('SQLITE_BUSY', 'SQLite error: database is locked')

export class FileSession implements SqlSession, LockHolder {
  readonly #parts: FileSessionParts
  #connection: FileConnection
  #isClosed = false
  /** Why the client's transaction is no more, until the client ends it. */
  #undone: SqlError | undefined
  /** How many commits the open transaction sees; `undefined` before it has read. */
  #snapshot: number | undefined
  #isReusable = true

  constructor(parts: FileSessionParts) {
    this.#parts = parts
    this.#connection = parts.connections.take()
  }

  async execute(statement: SqlStatement): Promise<SqlResult> {
    return this.#run(plan(only(statement.sql)), statement)
  }

  async describe(sql: string): Promise<SqlDescription> {
    this.#checkOpen()
    return this.#connection.describe(plan(only(sql)))
  }

  async sequence(sql: string): Promise<void> {
    // All are looked at before the first runs.
    const planned = splitStatements(checkText(sql)).map(plan)
    for (const each of planned) {
      await this.#run(each, { args: [], namedArgs: [], wantRows: false })
    }
  }

  async isAutocommit(): Promise<boolean> {
    this.#checkOpen()
    return this.#undone === undefined && !this.#connection.inTransaction
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    const { connections, lock, onClosed } = this.#parts
    try {
      this.#connection.rollback()
    } finally {
      lock.leave(this)
      connections.giveBack(this.#connection, this.#isReusable && !this.#connection.isBroken)
      onClosed(this)
    }
  }

  evict(): void {
    this.#undone = new SqlError('TRANSACTION_TIMEOUT', 'Transaction timed out')
    this.#snapshot = undefined
    try {
      this.#connection.rollback()
    } catch {
      this.#replaceConnection()
    }
  }

  async #run(
    planned: PlannedStatement,
    { args, namedArgs, wantRows }: Omit<SqlStatement, 'sql'>,
  ): Promise<SqlResult> {
    this.#checkOpen()
    const { text, kind } = planned
    if (this.#undone !== undefined) return this.#runUndone(this.#undone, kind)
    const bound = bindParameters(text.parameters, { args, namedArgs }, text.isExplain)
    if (kind.writes) await this.#takeLock()
    this.#checkOpen()
    if (kind.setsForeignKeys) this.#isReusable = false
    const wasInTransaction = this.#connection.inTransaction
    let committed = false
    try {
      const result = this.#connection.run(planned, bound, wantRows)
      committed = kind.control !== 'rollback'
      return result
    } finally {
      if (this.#connection.isBroken) this.#loseConnection(wasInTransaction)
      this.#settle(planned, wasInTransaction, committed)
    }
  }

  /** A statement of a transaction that is no more. */
  #runUndone(why: SqlError, { control }: StatementKind): SqlResult {
    if (control === 'commit' || control === 'rollback') this.#undone = undefined
    if (control === 'rollback') return NOTHING
    throw why
  }

  async #takeLock(): Promise<void> {
    const { lock } = this.#parts
    if (lock.isHeldBy(this)) return
    // The engine would say so itself, and leave its connection unusable.
    if (this.#isStale()) throw BUSY
    await lock.acquire(this)
    if (!this.#isStale()) return
    lock.leave(this)
    throw BUSY
  }

  /** Whether the open transaction has read what others have changed since. */
  #isStale(): boolean {
    return this.#snapshot !== undefined && this.#snapshot !== this.#parts.lock.commits
  }

  /** Keeps the lock and what is known of the transaction in step with the engine. */
  #settle({ text, kind }: PlannedStatement, wasInTransaction: boolean, committed: boolean): void {
    const { lock } = this.#parts
    const isHeld = lock.isHeldBy(this)
    if (this.#connection.inTransaction) {
      const reads = kind.control === undefined || text.head.includes('readonly')
      if (!isHeld && reads) this.#snapshot ??= lock.commits
      return
    }
    this.#snapshot = undefined
    // Without the lock it has changed no schema: readers, who end by ROLLBACK, keep their statements.
    if (!isHeld) return
    if (wasInTransaction && !committed) this.#connection.forgetStatements()
    if (committed) lock.noteCommit()
    lock.leave(this)
  }

  /** Another program wrote to the file, or holds it. */
  #loseConnection(wasInTransaction: boolean): void {
    this.#replaceConnection()
    if (wasInTransaction) this.#undone = BUSY
  }

  #replaceConnection(): void {
    const { connections } = this.#parts
    connections.giveBack(this.#connection, false)
    this.#connection = connections.take()
    this.#isReusable = true
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new SqlError('SQLITE_MISUSE', 'SQLite error: the session is closed')
  }
}

function plan(text: SqlStatementText): PlannedStatement {
  return { text, kind: statementKind(text) }
}

function only(sql: string): SqlStatementText {
  const [first, ...others] = splitStatements(checkText(sql))
  if (first === undefined) {
    throw new SqlError('SQL_NO_STATEMENT', 'SQL string does not contain any statement')
  }
  if (others.length > 0) {
    throw new SqlError('SQL_MANY_STATEMENTS', 'SQL string contains more than one statement')
  }
  return first
}

/** The engine would run what stands before a NUL, and replace what is not Unicode. */
function checkText(sql: string): string {
  const problem = textProblem(sql)
  if (problem === undefined) return sql
  throw new SqlError('SQL_PARSE_ERROR', `SQL string could not be parsed: it ${problem}`)
}
