/**
 * PostgreSQL over the emulated network: a primary in the leader's region, a standby in every other.
 * A standby's connection to the primary has the distance between their regions.
 */
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { MeridianError } from '../../../src/core/errors.ts'
import { majorityQuorum } from '../../../src/cluster/engines/postgresql-config.ts'
import {
  startPostgresql,
  startPostgresqlStandby,
  type PostgresqlEngine,
} from '../../../src/cluster/engines/postgresql.ts'
import { splitAddress } from '../../../src/cluster/engines/split-address.ts'
import { remarkOnDisk, type PeerSite } from '../peer-site.ts'

/** Running members. */
export interface PostgresqlMembers {
  readonly primary: PostgresqlEngine
  /** By region; none in the leader's. */
  readonly standbys: ReadonlyMap<string, PostgresqlEngine>
  /** Standbys that every commit waits for. */
  readonly quorum: number
  close(): Promise<void>
}

const SETTLE_TIMEOUT_MS = 120_000
const SETTLE_PERIOD_MS = 50

/**
 * Starts all members, and resolves once every standby streams.
 *
 * @throws MeridianError `CONFIG_INVALID`, `STORE_UNAVAILABLE`
 */
export async function startMembers(
  site: PeerSite,
  options: { readonly maxConnections: number; readonly onNotice: (remark: string) => void },
): Promise<PostgresqlMembers> {
  const { maxConnections, onNotice } = options
  const { topology, leader } = site
  const others = topology.regions.filter((region) => region !== leader)
  const quorum = majorityQuorum(topology.regions.length)
  const primary = await startPostgresql({ standbys: others, quorum, maxConnections })
  const standbys = new Map<string, PostgresqlEngine>()
  const close = async (): Promise<void> => {
    // A primary sends all it has before it ends: without standbys it has nobody to wait for.
    await Promise.all([...standbys.values()].map((standby) => standby.close()))
    await primary.close()
  }
  try {
    const remarks = await remarkOnDisk('PostgreSQL', site, primary.directory)
    remarks.forEach((remark) => onNotice(remark))
    const starts = await Promise.allSettled(
      others.map(async (region) => {
        const through = await site.link(region, leader, primary.address)
        const options = { name: region, primary, through, maxConnections }
        standbys.set(region, await startPostgresqlStandby(options))
      }),
    )
    for (const start of starts) if (start.status === 'rejected') throw start.reason
    await untilStreaming(primary, others.length)
  } catch (error) {
    await close()
    throw error
  }
  return { primary, standbys, quorum, close }
}

/** Resolves once every standby has applied what the primary has written so far. */
export async function untilApplied({ primary, standbys }: PostgresqlMembers): Promise<void> {
  await withClient(primary, async (client) => {
    const written = await client.query<{ lsn: string }>('SELECT pg_current_wal_lsn() AS lsn')
    await until(client, standbys.size, {
      text: 'SELECT 1 FROM pg_stat_replication WHERE replay_lsn >= $1',
      values: [written.rows[0]?.lsn],
    })
  })
}

function untilStreaming(primary: PostgresqlEngine, count: number): Promise<void> {
  return withClient(primary, (client) =>
    until(client, count, { text: "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'" }),
  )
}

async function until(client: pg.Client, rows: number, query: pg.QueryConfig): Promise<void> {
  const deadlineMs = performance.now() + SETTLE_TIMEOUT_MS
  for (;;) {
    const { rowCount } = await client.query(query)
    if ((rowCount ?? 0) >= rows) return
    if (performance.now() > deadlineMs) {
      throw new MeridianError('STORE_UNAVAILABLE', 'The standbys of PostgreSQL do not catch up.')
    }
    await pause(SETTLE_PERIOD_MS)
  }
}

/** Works with a connection to a server, without a detour. */
export async function withClient<R>(
  server: PostgresqlEngine,
  work: (client: pg.Client) => Promise<R>,
): Promise<R> {
  const client = new pg.Client(connectionTo(server))
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/** How a client reaches a server; through another address than its own, where one is given. */
export function connectionTo(
  { user, password, address }: PostgresqlEngine,
  through: string = address,
): pg.ClientConfig {
  const { host, port } = splitAddress(through)
  return { host, port: Number(port), user, password, database: 'postgres' }
}
