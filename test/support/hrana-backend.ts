/**
 * A `SqlBackend` that holds nothing and says what was done to it: which sessions were opened and
 * closed, and what ran on them. What a statement gives is written in its text.
 */
import { MeridianError } from '../../src/core/errors.ts'
import {
  SqlError,
  type SqlBackend,
  type SqlDescription,
  type SqlResult,
  type SqlSession,
  type SqlStatement,
} from '../../src/core/ports/sql-session.ts'
import type { Caller } from '../../src/core/principal.ts'
import type { SqlRow } from '../../src/core/values.ts'

export class FakeSession implements SqlSession {
  /** What ran, in its order. */
  readonly log: string[] = []
  readonly statements: SqlStatement[] = []
  readonly caller: Caller
  isOpen = true
  #inTransaction = false
  #running = false
  readonly #backend: FakeBackend

  constructor(backend: FakeBackend, caller: Caller) {
    this.#backend = backend
    this.caller = caller
  }

  async execute(statement: SqlStatement): Promise<SqlResult> {
    return this.#exclusively(statement.sql, async () => {
      this.statements.push(statement)
      return this.#run(statement)
    })
  }

  async describe(sql: string): Promise<SqlDescription> {
    return this.#exclusively(`describe ${sql}`, async () => ({
      params: [{ name: ':a' }, { name: null }],
      columns: [{ name: 'one', decltype: 'INTEGER' }],
      isExplain: false,
      isReadonly: true,
    }))
  }

  async sequence(sql: string): Promise<void> {
    await this.#exclusively(`sequence ${sql}`, async () => {
      for (const part of sql.split(';')) await this.#run(plain(part.trim()))
    })
  }

  async isAutocommit(): Promise<boolean> {
    return !this.#inTransaction
  }

  async close(): Promise<void> {
    if (!this.isOpen) throw new Error('a session was closed twice')
    if (this.#running) throw new Error('a session was closed during a call')
    this.log.push(this.#inTransaction ? 'rolled back' : 'closed')
    this.isOpen = false
    this.#backend.closed++
  }

  async #exclusively<T>(entry: string, run: () => Promise<T>): Promise<T> {
    if (!this.isOpen) throw new Error('a session was used after its end')
    if (this.#running) throw new Error('two calls ran at once')
    this.#running = true
    try {
      this.log.push(entry)
      return await run()
    } finally {
      this.#running = false
    }
  }

  /** The first word says what happens. */
  async #run({ sql, args }: SqlStatement): Promise<SqlResult> {
    const [word = '', detail = ''] = sql.split(' ')
    switch (word) {
      case 'begin':
        this.#inTransaction = true
        return result([])
      case 'commit':
      case 'rollback':
        if (!this.#inTransaction) throw new SqlError('SQLITE_ERROR', 'no transaction is active')
        this.#inTransaction = false
        return result([])
      case 'fail':
        throw new SqlError('SQLITE_CONSTRAINT', 'UNIQUE constraint failed: t.a')
      case 'deny':
        throw new MeridianError('PERMISSION_DENIED', 'Not yours.')
      case 'crash':
        throw new TypeError('secret /internal/path')
      case 'wait':
        await this.#backend.gate
        return result([])
      case 'rows':
        return result(Array.from({ length: Number(detail) }, (_, i) => [BigInt(i)]))
      case 'big':
        return result([['x'.repeat(Number(detail))]])
      default:
        return result([args])
    }
  }
}

function plain(sql: string): SqlStatement {
  return { sql, args: [], namedArgs: [], wantRows: true }
}

function result(rows: readonly SqlRow[]): SqlResult {
  return {
    columns: (rows[0] ?? []).map((_, i) => ({ name: `c${i}`, decltype: null })),
    rows,
    affectedRowCount: 1,
    lastInsertRowid: 7n,
  }
}

export class FakeBackend implements SqlBackend {
  readonly sessions: FakeSession[] = []
  closed = 0
  /** What `wait` waits for. */
  gate: Promise<void> = Promise.resolve()
  /** What opening waits for; where it rejects, opening fails. */
  opening: Promise<void> = Promise.resolve()

  async open(caller: Caller): Promise<FakeSession> {
    await this.opening
    const session = new FakeSession(this, caller)
    this.sessions.push(session)
    return session
  }
}
