/** SQL of users in the calling thread: the fastest way, for a process that serves only itself. */
import { MeridianError } from '../../core/errors.ts'
import type { DescribedResult } from '../../core/ports/store.ts'
import type { BoundStatement } from './bind.ts'
import type { Connection } from './connection.ts'
import type { PoolSnapshot } from './query-pool.ts'
import { openReader } from './store-connections.ts'

/** Snapshots at a time, each on a connection of its own. */
const MAX_SNAPSHOTS = 16

export class InlineQueries {
  readonly #path: string
  readonly #reader: Connection
  readonly #snapshots = new Set<Connection>()

  constructor(path: string, reader: Connection) {
    this.#path = path
    this.#reader = reader
  }

  query(statement: BoundStatement): Promise<DescribedResult> {
    return Promise.resolve(runQuery(this.#reader, statement))
  }

  snapshot(): Promise<PoolSnapshot> {
    if (this.#snapshots.size >= MAX_SNAPSHOTS) {
      throw new MeridianError('OVERLOADED', `${MAX_SNAPSHOTS} snapshots are open already.`, {
        fix: 'Try again, with pauses that grow.',
      })
    }
    const connection = openReader(this.#path)
    this.#snapshots.add(connection)
    beginSnapshot(connection)
    return Promise.resolve({
      query: (statement: BoundStatement) => {
        if (this.#snapshots.has(connection)) return Promise.resolve(runQuery(connection, statement))
        throw new MeridianError('CLOSED', 'The snapshot has ended.')
      },
      end: () => this.#end(connection),
    })
  }

  close(): Promise<void> {
    for (const connection of this.#snapshots) this.#end(connection)
    return Promise.resolve()
  }

  #end(connection: Connection): void {
    if (!this.#snapshots.delete(connection)) return
    connection.control('ROLLBACK')
    connection.close()
  }
}

/** From here on the connection sees what is committed now, until its transaction ends. */
export function beginSnapshot(connection: Connection): void {
  connection.control('BEGIN')
  // A transaction gets its snapshot with its first read.
  connection.value('SELECT count(*) FROM sqlite_schema')
}

/** Runs a query with the names and origins of its columns. */
export function runQuery(connection: Connection, statement: BoundStatement): DescribedResult {
  const { rows, rowsAffected } = connection.execute(statement, 0)
  return { rows, rowsAffected, columns: connection.columns(statement) }
}
