/**
 * Databases in memory that runs use one after another: laying the tables and preparing statements
 * would take longer than a run. An emptied one is as new to every query.
 */
import type { Connection } from '../../../src/drivers/store/connection.ts'

export class DatabasePool {
  readonly #open: () => Connection
  readonly #free: Connection[] = []

  /** `open`: makes a database with the tables laid and empty. */
  constructor(open: () => Connection) {
    this.#open = open
  }

  take(): Connection {
    return this.#free.pop() ?? this.#open()
  }

  give(connection: Connection): void {
    empty(connection)
    this.#free.push(connection)
  }

  close(): void {
    for (const connection of this.#free.splice(0)) connection.close()
  }
}

const FIRST_CONTEXT = `INSERT INTO _tx VALUES (1, '', '0000000000000000', 0, 0, 0, 1, NULL, NULL)`

function empty(connection: Connection): void {
  const tables = connection
    .execute({ sql: `SELECT name FROM sqlite_master WHERE type = 'table'`, args: [] }, 0)
    .rows.map(([name]) => String(name))
    .filter((name) => !name.startsWith('sqlite_'))
  connection.control('BEGIN IMMEDIATE')
  // Nothing is captured of this: the triggers look at the context.
  for (const sql of ['DELETE FROM _tx', ...tables.map((name) => `DELETE FROM ${name}`)]) {
    connection.execute({ sql, args: [] }, 0)
  }
  connection.execute({ sql: 'DELETE FROM sqlite_sequence', args: [] }, 0)
  connection.execute({ sql: FIRST_CONTEXT, args: [] }, 0)
  connection.control('COMMIT')
}
