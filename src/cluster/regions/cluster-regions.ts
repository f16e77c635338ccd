/**
 * A cluster of real engines: three members of etcd, and per region a Kafka, a Redis, a store and a
 * node, each a process. Whatever goes from one region to another, of nodes and of clients, crosses
 * a proxy that delays it as distance does.
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { connect, httpDeployment, type Schema } from '../../client/http/index.ts'
import { openKeys } from '../../node/files.ts'
import { openCluster, type Cluster } from '../cluster.ts'
import type { MeridianProcess } from '../meridian-process.ts'
import { openDistances, type Distances } from './distances.ts'
import { NodeReports } from './node-reports.ts'
import type { RegionsOptions, RunningRegions } from './running-regions.ts'
import { readStoreFile } from './store-files.ts'

/** Where each part of a region keeps its files, in the folder of the cluster. */
const PARTS = ['data', 'kafka', 'redis', 'etcd']

/** Starts the cluster, and waits until all of it is ready. */
export async function openClusterRegions<S extends Schema>(
  options: RegionsOptions<S>,
): Promise<RunningRegions<S>> {
  const { config, directory, schemaModule, scale, onNotice } = options
  const distances = await openDistances(config, scale)
  let cluster: Cluster | undefined
  const close = async (): Promise<void> => {
    await cluster?.close()
    await distances.close()
  }
  try {
    const opened = await openCluster({
      config,
      schemaModule,
      directory,
      openRoutes: async (urls) => routesOver(distances, urls),
      scale,
      onProgress: ({ name, state, elapsedMs }) => {
        if (state === 'ready') onNotice(`${name} ready after ${(elapsedMs / 1000).toFixed(1)} s`)
      },
      onEnded: ({ name }) => onNotice(`${name} has ended by itself.`),
    })
    cluster = opened
    return { ...(await running(opened, options, distances)), close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Regions reach each other's nodes over their distance. */
function routesOver(
  distances: Distances,
  urls: Readonly<Record<string, readonly string[]>>,
): (from: string, to: string, url: string) => string {
  for (const [region, [url = '']] of Object.entries(urls)) distances.aim(region, url)
  return (from, to, url) => distances.urlsFrom(from, new Map([[to, url]]))[to] ?? url
}

async function running<S extends Schema>(
  cluster: Cluster,
  { config, schema, onNotice }: RegionsOptions<S>,
  distances: Distances,
): Promise<Omit<RunningRegions<S>, 'close'>> {
  const { directory, token, schema: locked } = cluster
  const { compiled, lock } = locked
  const keys = await openKeys({ config, directory, compiled, onNotice })
  const data = join(directory, 'data')
  const processes = new Map(
    Array.from(cluster.nodes, ([region, [node]]) => [region, node as MeridianProcess]),
  )
  const own = new Map(Array.from(processes, ([region, { url }]) => [region, url]))
  const nodes = new NodeReports(processes, data, token)
  return {
    description: `${config.regions.length} regions of real engines: etcd, Kafka, Redis, libSQL over Hrana`,
    compiled,
    connect: (region) =>
      connect({
        schema,
        region,
        deployment: httpDeployment({
          nodes: distances.urlsFrom(region, own),
          token,
          lock,
          sessionKey: new Uint8Array(randomBytes(32)),
          ...(keys === undefined ? {} : { keyWrapper: keys }),
        }),
      }),
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
  }
}
