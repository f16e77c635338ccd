/** Calls from one region to one server of PostgreSQL. */
import pg from 'pg'
import { MeridianError } from '../../../src/core/errors.ts'
import type { PostgresqlEngine } from '../../../src/cluster/engines/postgresql.ts'
import type { CallReport } from '../../measure/loop.ts'
import { ROWS, rowId, valueOf, VALUE_BYTES } from '../bench-rows.ts'
import { connectionTo, withClient } from './members.ts'

/** A client of a region. */
export interface PostgresqlClient {
  /** One statement, which is a transaction of its own. */
  upsert(index: number): Promise<CallReport | undefined>
  /** @throws MeridianError `NOT_FOUND` */
  read(index: number): Promise<CallReport | undefined>
  close(): Promise<void>
}

/** What a client is made of. */
export interface ClientOptions {
  readonly region: string
  readonly server: PostgresqlEngine
  /** `host:port` where the region reaches the server. */
  readonly through: string
  /** At most. */
  readonly connections: number
  readonly onNotice: (remark: string) => void
}

/** Connecting takes round trips that no measured call should take. */
const WARM_CONNECTIONS = 12
const TIMEOUT_MS = 30_000

const CREATE =
  'CREATE TABLE bench_rows (id text PRIMARY KEY, value text NOT NULL, amount bigint NOT NULL)'
const FILL = `
  INSERT INTO bench_rows
  SELECT region || '/' || i, repeat('v', ${VALUE_BYTES}), 0
  FROM unnest($1::text[]) AS region, generate_series(0, ${ROWS - 1}) AS i`
const UPSERT = `
  INSERT INTO bench_rows (id, value, amount) VALUES ($1, $2, $3)
  ON CONFLICT (id) DO UPDATE SET value = excluded.value, amount = excluded.amount`
const READ = 'SELECT id, value, amount FROM bench_rows WHERE id = $1'

/** Makes the table, with rows for every region. */
export async function prepareRows(
  primary: PostgresqlEngine,
  regions: readonly string[],
): Promise<void> {
  await withClient(primary, async (client) => {
    await client.query(CREATE)
    await client.query(FILL, [regions])
    await client.query('VACUUM ANALYZE bench_rows')
  })
}

/** Opens a client with connections that are open already. */
export async function openClient(options: ClientOptions): Promise<PostgresqlClient> {
  const { region, server, through, connections, onNotice } = options
  const pool = new pg.Pool({
    ...connectionTo(server, through),
    max: connections,
    idleTimeoutMillis: 0,
    connectionTimeoutMillis: TIMEOUT_MS,
    query_timeout: TIMEOUT_MS,
  })
  // A server that ends closes connections that nobody uses just then.
  pool.on('error', (error) => onNotice(`PostgreSQL, from ${region}: ${error.message}`))
  try {
    const held = Array.from({ length: Math.min(connections, WARM_CONNECTIONS) }, async () => {
      const client = await pool.connect()
      return client
    })
    for (const client of await Promise.all(held)) client.release()
  } catch (error) {
    await pool.end()
    throw error
  }
  return {
    upsert: async (index) => {
      const values = [rowId(region, index), valueOf(index), index]
      await pool.query({ name: 'upsert', text: UPSERT, values })
      return undefined
    },
    read: async (index) => {
      const { rowCount } = await pool.query({
        name: 'read',
        text: READ,
        values: [rowId(region, index)],
      })
      if (rowCount !== 1) throw new MeridianError('NOT_FOUND', 'A row of the benchmark is missing.')
      return undefined
    },
    close: () => pool.end(),
  }
}
