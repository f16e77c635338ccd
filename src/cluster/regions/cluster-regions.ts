/**
 * A cluster of real engines: three members of etcd, and per region a Kafka, a Redis, a store and a
 * node, each a process. Whatever goes from one region to another, of nodes and of clients, crosses
 * a proxy that delays it as distance does.
 */
import { join } from 'node:path'
import type { Schema } from '../../client/http/index.ts'
import { scaleTopology } from '../../config/topology.ts'
import { openKeys } from '../../node/files.ts'
import { openCluster, type Cluster, type ClusterOptions } from '../cluster.ts'
import { canChangeHosts } from '../member-distances.ts'
import type { MeridianProcess } from '../meridian-process.ts'
import { openWan, type Wan } from '../wan/wan.ts'
import { NodeReports } from './node-reports.ts'
import { connectOverHttp } from './http-client.ts'
import type { RegionEngines, RegionsOptions, RunningRegions } from './running-regions.ts'
import { readStoreFile } from './store-files.ts'

/** Where each part of a region keeps its files, in the folder of the cluster. */
const PARTS = ['data', 'kafka', 'redis', 'etcd']
const NO_DISTANCES =
  'Members of etcd have no distance between them: that takes root on Linux. Strong writes are faster than they could be.'

/** Regions of real engines. */
export interface ClusterRegions<S extends Schema> extends RunningRegions<S> {
  readonly cluster: Cluster
  readonly wan: Wan
}

/** What regions of real engines are opened with. */
export interface ClusterRegionsOptions<S extends Schema>
  extends RegionsOptions<S>, Pick<ClusterOptions, 'nodeEnvironment' | 'signal'> {}

/** Starts the cluster, and waits until all of it is ready. */
export async function openClusterRegions<S extends Schema>(
  options: ClusterRegionsOptions<S>,
): Promise<ClusterRegions<S>> {
  const { config, directory, schemaModule, scale, onNotice } = options
  if (!canChangeHosts()) onNotice(NO_DISTANCES)
  const wan = await openWan({ topology: scaleTopology(config.topology, scale) })
  let cluster: Cluster | undefined
  const close = async (): Promise<void> => {
    await cluster?.close()
    await wan.close()
  }
  try {
    const opened = await openCluster({
      config,
      schemaModule,
      directory,
      wan,
      nodeEnvironment: options.nodeEnvironment,
      signal: options.signal,
      onProgress: ({ name, state, elapsedMs }) => {
        if (state === 'ready') onNotice(`${name} ready after ${(elapsedMs / 1000).toFixed(1)} s`)
      },
      onEnded: ({ name }) => onNotice(`${name} has ended by itself.`),
    })
    cluster = opened
    return { ...(await running(opened, options, wan)), cluster: opened, wan, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function running<S extends Schema>(
  cluster: Cluster,
  { config, schema, onNotice }: RegionsOptions<S>,
  wan: Wan,
): Promise<Omit<RunningRegions<S>, 'close' | 'wan'>> {
  const { directory, token, schema: locked } = cluster
  const { compiled, lock } = locked
  const keys = await openKeys({ config, directory, compiled, onNotice })
  const data = join(directory, 'data')
  const processes = new Map(
    Array.from(cluster.nodes, ([region, [node]]) => [region, node as MeridianProcess]),
  )
  const nodes = new NodeReports(processes, data, token)
  return {
    description: `${config.regions.length} regions of real engines: etcd, Kafka, Redis, libSQL over Hrana`,
    compiled,
    connect: (region) =>
      connectOverHttp({ schema, lock, token, keys }, region, cluster.urlsFrom(region)),
    settle: (settleOptions) => nodes.settle(settleOptions?.timeoutMs),
    progress: () => nodes.progress(),
    readStore: async (region, statements) => readStoreFile(data, region, statements),
    foldersOf: (region) => PARTS.map((part) => join(directory, part, region)),
    /** What a cache holds is in memory: it is looked at in a file, and uncompressed. */
    async writeAll() {
      for (const redis of cluster.engines.redis.values()) {
        await redis.ask('CONFIG', 'SET', 'rdbcompression', 'no')
        await redis.ask('SAVE')
      }
    },
    processes: () => cluster.processes(),
    crossRegionBytes: () => wan.crossRegionBytes(),
    enginesOf: (region) => addressesOf(cluster, region),
  }
}

function addressesOf({ engines }: Cluster, region: string): RegionEngines | undefined {
  const etcd = engines.etcd.get(region)?.address
  const kafka = engines.kafka.get(region)?.address
  const redis = engines.redis.get(region)?.address
  if (etcd === undefined || kafka === undefined || redis === undefined) return undefined
  return { etcd, kafka, redis }
}
