/** The rate at which the etcd of a deployment takes bare puts, asked as the nodes ask it. */
import type { Topology } from '../../src/config/topology.ts'
import { openEtcdPeer } from '../peers/etcd.ts'
import type { RawPuts } from './summary.ts'

/** As many records as a node has under way. */
const IN_FLIGHT = 32

/** Puts of `payloadBytes` from each region for a while. @throws MeridianError `LOG_UNAVAILABLE` */
export async function measureRawPuts(
  addresses: ReadonlyMap<string, string>,
  topology: Topology,
  leader: string,
  payloadBytes: number,
  seconds: number,
): Promise<RawPuts> {
  const peer = await openEtcdPeer({ addresses, topology, leader, payloadBytes })
  try {
    let puts = 0
    const startedMs = performance.now()
    const endMs = startedMs + seconds * 1000
    const loops = [...addresses.keys()].flatMap((region) => {
      const { operation } = peer.transaction(region)
      return Array.from({ length: IN_FLIGHT }, async () => {
        while (performance.now() < endMs) await operation(puts++)
      })
    })
    await Promise.all(loops)
    return { perSecond: puts / ((performance.now() - startedMs) / 1000), payloadBytes }
  } finally {
    await peer.close()
  }
}
