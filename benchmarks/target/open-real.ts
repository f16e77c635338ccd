/**
 * A cluster of real engines as a target: a member of etcd, a Kafka, a Redis, a store and a node a
 * region, each a process; members, nodes and clients reach other regions over the emulated network.
 */
import type { Schema } from '../../src/client/index.ts'
import { leaderOf, moveLeader } from '../../src/cluster/engines/etcd-leader.ts'
import { openClusterRegions } from '../../src/cluster/regions/cluster-regions.ts'
import type { Cluster } from '../../src/cluster/cluster.ts'
import type { Wan } from '../../src/cluster/wan/wan.ts'
import { targetOf, type OpenTargetOptions } from './regions-target.ts'
import type { BenchTarget } from './target.ts'

export interface OpenRealOptions<S extends Schema> extends OpenTargetOptions<S> {
  /** The module whose export the schema is: an absolute path. */
  readonly schemaModule: string
}

/** A target whose network can be impaired and cut. */
export interface RealTarget<S extends Schema> extends BenchTarget<S> {
  readonly wan: Wan
}

/**
 * Opens it; the commit log is led from the configuration's region.
 *
 * @throws MeridianError as `openCluster` does
 */
export async function openRealTarget<S extends Schema>(
  options: OpenRealOptions<S>,
): Promise<RealTarget<S>> {
  const { config, directory, onNotice } = options
  const running = await openClusterRegions({ ...options, scale: 1 })
  try {
    const leader = await leadFrom(running.cluster, config.commitLog.leader, onNotice)
    const target = targetOf({ engines: 'real', running, config, leader, directory })
    return { ...target, wan: running.wan }
  } catch (error) {
    await running.close()
    throw error
  }
}

/** Another member may have won the first election. Resolves to the region that leads in the end. */
async function leadFrom(
  { engines }: Cluster,
  region: string,
  onNotice: (notice: string) => void,
): Promise<string> {
  if ((await leaderOf(engines.etcd)) !== region) await moveLeader(engines.etcd, region)
  const leader = await leaderOf(engines.etcd)
  if (leader === region) return region
  onNotice(`The commit log is led from ${leader ?? 'nowhere'}, not from ${region}.`)
  return leader ?? region
}
