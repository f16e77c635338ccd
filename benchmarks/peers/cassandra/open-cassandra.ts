/** Cassandra with a replica in every region, measured as a peer. */
import type { CassandraCluster } from '../../../src/cluster/engines/cassandra.ts'
import type { Topology } from '../../../src/config/topology.ts'
import { commitLogMs } from '../../measure/network-time.ts'
import type { Peer, PeerOperation } from '../peer.ts'
import { remarkOnDisk, type PeerSite } from '../peer-site.ts'
import { openClient, prepareRows, type CassandraClient } from './client.ts'
import { startNodes } from './members.ts'

/** Round trips to a majority that a lightweight transaction takes: to prepare and to propose. */
const CONDITIONAL_ROUNDS = 2
/** And a linearizable read, where no transaction is under way. */
const SERIAL_READ_ROUNDS = 1

/**
 * Starts a node in every region, fills its table and connects a client to each.
 *
 * @throws MeridianError `CONFIG_INVALID`, `STORE_UNAVAILABLE`
 */
export async function openCassandra(options: {
  readonly target: PeerSite
  readonly onNotice: (remark: string) => void
}): Promise<Peer> {
  const { target, onNotice } = options
  const { topology } = target
  const cluster = await startNodes(target)
  const clients: CassandraClient[] = []
  const close = async (): Promise<void> => {
    await Promise.allSettled(clients.map((client) => client.close()))
    await cluster.close()
  }
  try {
    const operations = await connectAll(cluster, topology, clients)
    const [first] = cluster.nodes
    const remarks = await remarkOnDisk('Cassandra', target, first?.directory ?? '')
    remarks.forEach((remark) => onNotice(remark))
    return { name: 'cassandra', version: first?.version ?? '', operations, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function connectAll(
  { nodes }: CassandraCluster,
  topology: Topology,
  clients: CassandraClient[],
): Promise<readonly PeerOperation[]> {
  const [first] = nodes
  if (first !== undefined) await prepareRows(first, topology.regions)
  const operations: PeerOperation[] = []
  for (const node of nodes) {
    const client = await openClient(node)
    clients.push(client)
    operations.push(...operationsOf(node.dataCenter, client, topology))
  }
  return operations
}

const FLUSHED = 'commitlog_sync: batch'

function operationsOf(
  origin: string,
  client: CassandraClient,
  topology: Topology,
): readonly PeerOperation[] {
  // From the region's own node, which coordinates, to the nearest majority and back.
  const majorityMs = commitLogMs(topology, origin, origin)
  const common = { origin, home: null }
  return [
    {
      ...common,
      op: 'write LOCAL_QUORUM',
      durability: `fsync on the region's replica (${FLUSHED}); the others follow`,
      networkMs: 0,
      operation: client.write('LOCAL_QUORUM'),
    },
    {
      ...common,
      op: 'read LOCAL_QUORUM',
      durability: "read of the region's replica: stale, by no bound",
      networkMs: 0,
      operation: client.read('LOCAL_QUORUM'),
    },
    {
      ...common,
      op: 'write QUORUM',
      durability: `fsync on a majority of replicas (${FLUSHED}); the last of two writers wins`,
      networkMs: majorityMs,
      operation: client.write('QUORUM'),
    },
    {
      ...common,
      op: 'read QUORUM',
      durability: 'read of a majority of replicas; not linearizable',
      networkMs: majorityMs,
      operation: client.read('QUORUM'),
    },
    {
      ...common,
      op: 'conditional write SERIAL',
      durability: `linearizable, fsync on a majority of replicas (${FLUSHED}, paxos_variant: v2); commit LOCAL_QUORUM: applied on the region's replica, the others follow`,
      networkMs: CONDITIONAL_ROUNDS * majorityMs,
      operation: client.conditionalWrite,
    },
    {
      ...common,
      op: 'read SERIAL',
      durability: 'linearizable read (paxos_variant: v2)',
      networkMs: SERIAL_READ_ROUNDS * majorityMs,
      operation: client.serialRead,
    },
  ]
}
