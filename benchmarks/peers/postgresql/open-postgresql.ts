/** PostgreSQL with synchronous quorum replication, measured as a peer. */
import { oneWayMs, type Topology } from '../../../src/config/topology.ts'
import { commitLogMs, roundTripMs } from '../../measure/network-time.ts'
import type { Peer, PeerOperation } from '../peer.ts'
import type { PeerSite } from '../peer-site.ts'
import { openClient, prepareRows, type PostgresqlClient } from './client.ts'
import { startMembers, untilApplied, type PostgresqlMembers } from './members.ts'

/** Connections of one region to one server at most. */
const CONNECTIONS = 48
/** What monitoring, standbys and the superuser may take besides. */
const SPARE_CONNECTIONS = 20

/**
 * Starts the members of PostgreSQL, fills its table and connects a client in every region.
 *
 * @throws MeridianError `CONFIG_INVALID`, `STORE_UNAVAILABLE`
 */
export async function openPostgresql(options: {
  readonly target: PeerSite
  readonly onNotice: (remark: string) => void
}): Promise<Peer> {
  const { target, onNotice } = options
  const { regions } = target.topology
  const maxConnections = regions.length * CONNECTIONS + SPARE_CONNECTIONS
  const members = await startMembers(target, { maxConnections, onNotice })
  const clients: PostgresqlClient[] = []
  const close = async (): Promise<void> => {
    await Promise.allSettled(clients.map((client) => client.close()))
    await members.close()
  }
  try {
    await prepareRows(members.primary, regions)
    await untilApplied(members)
    const operations: PeerOperation[] = []
    for (const region of regions) {
      const calls = await connect(region, { target, members, onNotice })
      clients.push(calls.atPrimary, ...(calls.atStandby === undefined ? [] : [calls.atStandby]))
      operations.push(...operationsOf(region, calls, { target, quorum: members.quorum }))
    }
    return { name: 'postgresql', version: members.primary.version, operations, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Clients of one region. */
interface RegionClients {
  readonly atPrimary: PostgresqlClient
  /** None in the primary's region. */
  readonly atStandby: PostgresqlClient | undefined
}

interface Surroundings {
  readonly target: PeerSite
  readonly members: PostgresqlMembers
  readonly onNotice: (remark: string) => void
}

async function connect(
  region: string,
  { target, members, onNotice }: Surroundings,
): Promise<RegionClients> {
  const { primary } = members
  const { topology, leader } = target
  const common = { region, connections: CONNECTIONS, onNotice }
  const isNear = oneWayMs(topology, region, leader) === 0
  const through = isNear ? primary.address : await target.link(region, leader, primary.address)
  const atPrimary = await openClient({ ...common, server: primary, through })
  const standby = members.standbys.get(region)
  if (standby === undefined) return { atPrimary, atStandby: undefined }
  try {
    const atStandby = await openClient({ ...common, server: standby, through: standby.address })
    return { atPrimary, atStandby }
  } catch (error) {
    await atPrimary.close()
    throw error
  }
}

function operationsOf(
  origin: string,
  { atPrimary, atStandby }: RegionClients,
  { target, quorum }: { readonly target: PeerSite; readonly quorum: number },
): readonly PeerOperation[] {
  const { topology, leader } = target
  const atLeader: readonly PeerOperation[] = [
    {
      op: 'upsert transaction',
      origin,
      home: leader,
      durability: commitDurability(topology, quorum),
      networkMs: commitLogMs(topology, leader, origin),
      operation: (index) => atPrimary.upsert(index),
    },
    {
      op: 'point read at the primary',
      origin,
      home: leader,
      durability: 'read of the latest commit; no proof that the primary still is one',
      networkMs: roundTripMs(topology, origin, leader),
      operation: (index) => atPrimary.read(index),
    },
  ]
  if (atStandby === undefined) return atLeader
  return [
    ...atLeader,
    {
      op: 'point read at the local standby',
      origin,
      home: null,
      durability: 'read of what has arrived: stale, by no bound',
      networkMs: 0,
      operation: (index) => atStandby.read(index),
    },
  ]
}

/** What an acknowledged commit has outlived, in words. */
export function commitDurability({ regions }: Topology, quorum: number): string {
  const others = regions.length - 1
  if (quorum === 0) return 'fsync on the primary (synchronous_commit = on, no standby)'
  return `fsync on a majority: the primary and any ${quorum} of ${others} standbys (synchronous_commit = on)`
}
