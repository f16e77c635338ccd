/**
 * Cassandra over the emulated network: a data center of one node in every region. Each node is told
 * of a preferred address of every other, which is the way that has the distance between the two. All
 * that nodes say to each other goes that way, since a node speaks on connections of its own alone.
 */
import { Client, policies } from 'cassandra-driver'
import {
  startCassandraCluster,
  type CassandraCluster,
  type CassandraEngine,
} from '../../../src/cluster/engines/cassandra.ts'
import { splitAddress } from '../../../src/cluster/engines/split-address.ts'
import type { PeerSite } from '../peer-site.ts'

const SET_WAY =
  'UPDATE system.peers_v2 SET preferred_ip = ?, preferred_port = ? WHERE peer = ? AND peer_port = ?'
/** More than the nodes allow themselves: it is they who say that a call took too long. */
const TIMEOUT_MS = 30_000

/** Starts a node in every region. @throws MeridianError `CONFIG_INVALID`, `STORE_UNAVAILABLE` */
export async function startNodes(site: PeerSite): Promise<CassandraCluster> {
  const { topology, leader } = site
  const others = topology.regions.filter((region) => region !== leader)
  const cluster = await startCassandraCluster({ dataCenters: [leader, ...others] })
  try {
    for (const node of cluster.nodes) await setWays(node, cluster.nodes, site)
    // Connections that are open stay where they lead; a node that starts opens these alone.
    await cluster.restart()
    return cluster
  } catch (error) {
    await cluster.close()
    throw error
  }
}

/** Sets how a node reaches the others. */
async function setWays(
  node: CassandraEngine,
  nodes: readonly CassandraEngine[],
  site: PeerSite,
): Promise<void> {
  const client = clientOf(node)
  try {
    for (const other of nodes) {
      if (other === node) continue
      const { storage } = other.ports
      const address = `${other.host}:${storage}`
      const way = splitAddress(await site.link(node.dataCenter, other.dataCenter, address))
      const values = [way.host, Number(way.port), other.host, storage]
      await client.execute(SET_WAY, values, { prepare: true })
    }
  } finally {
    await client.shutdown()
  }
}

/** A client that speaks to one node: the only one of its data center. It tries nothing twice. */
export function clientOf({ address, dataCenter }: CassandraEngine): Client {
  return new Client({
    contactPoints: [address],
    localDataCenter: dataCenter,
    socketOptions: { readTimeout: TIMEOUT_MS },
    policies: { retry: new policies.retry.FallthroughRetryPolicy() },
  })
}
