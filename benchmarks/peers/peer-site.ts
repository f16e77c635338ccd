/** Where a peer is put that has processes of its own: beside a deployment, on its network and disk. */
import { stat } from 'node:fs/promises'
import type { Topology } from '../../src/config/topology.ts'

/** What is needed of the deployment under measurement. */
export interface PeerSite {
  readonly topology: Topology
  /** The region that leads. */
  readonly leader: string
  /** Where the deployment's data are. */
  readonly directory: string
  /** Opens a way between regions to an address on this machine, with the distance between them. */
  link(from: string, to: string, address: string): Promise<string>
}

/** What must be said where a peer's flushes are not the same disk's as the deployment's. */
export async function remarkOnDisk(
  title: string,
  { directory }: PeerSite,
  own: string,
): Promise<readonly string[]> {
  const [first, second] = await Promise.all([stat(directory), stat(own)])
  return first.dev === second.dev
    ? []
    : [`${title} writes to another file system than the deployment.`]
}
