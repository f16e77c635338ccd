/** A `SqlBackend` over one database in memory: real SQL, one session at a time in a transaction. */
import Database from 'libsql'
import {
  SqlError,
  type SqlBackend,
  type SqlResult,
  type SqlSession,
} from '../../src/core/ports/sql-session.ts'
import type { SqlRow, SqlValue } from '../../src/core/values.ts'

export function openMemorySql(): SqlBackend & { end(): void } {
  const database = new Database(':memory:')

  function attempt<T>(run: () => T): T {
    try {
      return run()
    } catch (error) {
      const { code = 'SQLITE_ERROR', message } = error as { code?: string; message: string }
      throw new SqlError(code.split('_').slice(0, 2).join('_'), message)
    }
  }

  const session: SqlSession = {
    execute: async ({ sql, args, namedArgs, wantRows }) =>
      attempt(() => {
        const statement = database.prepare(sql).safeIntegers(true)
        const bound: unknown[] =
          namedArgs.length === 0
            ? [...args]
            : [Object.fromEntries(namedArgs.map(({ name, value }) => [bare(name), value]))]
        if (!statement.reader) {
          const { changes, lastInsertRowid } = statement.run(...bound)
          const counts = { affectedRowCount: changes, lastInsertRowid: BigInt(lastInsertRowid) }
          return { columns: [], rows: [], ...counts } satisfies SqlResult
        }
        const columns = statement.columns().map(({ name, type }) => ({ name, decltype: type }))
        const rows = (statement.raw(true).all(...bound) as SqlValue[][]).map(toRow)
        return {
          columns,
          rows: wantRows ? rows : [],
          affectedRowCount: 0,
          lastInsertRowid: null,
        }
      }),
    describe: async () => ({ params: [], columns: [], isExplain: false, isReadonly: true }),
    sequence: async (sql) => attempt(() => void database.exec(sql)),
    isAutocommit: async () => !database.inTransaction,
    close: async () => {
      if (database.inTransaction) database.exec('ROLLBACK')
    },
  }
  return { open: async () => session, end: () => database.close() }
}

function bare(name: string): string {
  return name.replace(/^[:@$]/, '')
}

function toRow(values: readonly SqlValue[]): SqlRow {
  return values.map((value) => (value instanceof Uint8Array ? new Uint8Array(value) : value))
}
