/** Calls from one region to Cassandra, through the region's own node. */
import { types, type Client } from 'cassandra-driver'
import { MeridianError } from '../../../src/core/errors.ts'
import type { CassandraEngine } from '../../../src/cluster/engines/cassandra.ts'
import type { CallReport } from '../../measure/loop.ts'
import { ROWS, rowId, valueOf } from '../bench-rows.ts'
import { clientOf } from './members.ts'

type Call = (index: number) => Promise<CallReport | undefined>

/** A client of a region. Reads throw `NOT_FOUND` where a row is missing. */
export interface CassandraClient {
  write(consistency: Consistency): Call
  read(consistency: Consistency): Call
  /**
   * Writes if the row exists, in one linearizable step: a lightweight transaction. What a majority
   * has accepted is decided; that it is applied is waited for in the caller's region alone.
   */
  readonly conditionalWrite: Call
  /** Linearizable, and finishes writes that are under way. */
  readonly serialRead: Call
  close(): Promise<void>
}

/** Replicas that must answer: a majority in the caller's region, or a majority of all. */
export type Consistency = 'LOCAL_QUORUM' | 'QUORUM'

/** Rows written at once while the table is filled. */
const FILL_AT_ONCE = 50

const INSERT = 'INSERT INTO bench.rows (id, value, amount) VALUES (?, ?, ?)'
const UPDATE_IF = 'UPDATE bench.rows SET value = ?, amount = ? WHERE id = ? IF EXISTS'
const SELECT = 'SELECT id, value, amount FROM bench.rows WHERE id = ?'

const LEVELS = {
  LOCAL_QUORUM: types.consistencies.localQuorum,
  QUORUM: types.consistencies.quorum,
}

/** Makes the table, with a replica in every data center and rows for each. */
export async function prepareRows(
  node: CassandraEngine,
  dataCenters: readonly string[],
): Promise<void> {
  const client = clientOf(node)
  try {
    await client.execute(`CREATE KEYSPACE bench WITH replication = ${replication(dataCenters)}`)
    await client.execute('CREATE TABLE bench.rows (id text PRIMARY KEY, value text, amount bigint)')
    const rows = dataCenters.flatMap((dataCenter) =>
      Array.from({ length: ROWS }, (_, i) => [rowId(dataCenter, i), valueOf(i), i]),
    )
    const options = { prepare: true, consistency: types.consistencies.all }
    for (let at = 0; at < rows.length; at += FILL_AT_ONCE) {
      const some = rows.slice(at, at + FILL_AT_ONCE)
      await Promise.all(some.map((values) => client.execute(INSERT, values, options)))
    }
  } finally {
    await client.shutdown()
  }
}

/** The replication of a keyspace with one replica in each data center. */
export function replication(dataCenters: readonly string[]): string {
  const each = dataCenters.map((name) => `'${name.replaceAll("'", "''")}': 1`)
  return `{'class': 'NetworkTopologyStrategy', ${each.join(', ')}}`
}

/** Opens a client, whose statements are prepared. */
export async function openClient(node: CassandraEngine): Promise<CassandraClient> {
  const client = clientOf(node)
  try {
    await client.connect()
    // What a statement is prepared by is what it is first called by: here, and not under measurement.
    await requireRow(client, node.dataCenter, 0, LEVELS.LOCAL_QUORUM)
  } catch (error) {
    await client.shutdown()
    throw error
  }
  const run = async (query: string, values: readonly unknown[], consistency: number) => {
    const serialConsistency = types.consistencies.serial
    return client.execute(query, [...values], { prepare: true, consistency, serialConsistency })
  }
  const id = (index: number): string => rowId(node.dataCenter, index)
  return {
    write: (consistency) => async (index) => {
      await run(INSERT, [id(index), valueOf(index), index], LEVELS[consistency])
      return undefined
    },
    read: (consistency) => async (index) => {
      await requireRow(client, node.dataCenter, index, LEVELS[consistency])
      return undefined
    },
    conditionalWrite: async (index) => {
      // Of a lightweight transaction it is the level of the commit, after the decision: Paxos v2
      // finds what is decided among the promises of a majority, whoever has applied it.
      const values = [valueOf(index), index, id(index)]
      const result = await run(UPDATE_IF, values, LEVELS.LOCAL_QUORUM)
      if (!result.wasApplied()) throw missing()
      return undefined
    },
    serialRead: async (index) => {
      await requireRow(client, node.dataCenter, index, types.consistencies.serial)
      return undefined
    },
    close: () => client.shutdown(),
  }
}

async function requireRow(
  client: Client,
  region: string,
  index: number,
  consistency: number,
): Promise<void> {
  const result = await client.execute(SELECT, [rowId(region, index)], {
    prepare: true,
    consistency,
  })
  if (result.rowLength !== 1) throw missing()
}

function missing(): MeridianError {
  return new MeridianError('NOT_FOUND', 'A row of the benchmark is missing.')
}
