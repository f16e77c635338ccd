/** Three regions to measure: in this process, or as processes with real etcd. */
import { join } from 'node:path'
import { openCluster, type Cluster } from '../../src/cluster/cluster.ts'
import { leaderOf, moveLeader } from '../../src/cluster/engines/etcd-leader.ts'
import { canChangeHosts } from '../../src/cluster/member-distances.ts'
import { openWan } from '../../src/cluster/wan/wan.ts'
import type { Config } from '../../src/config/parse-config.ts'
import { openEmbedded } from '../../src/node/embedded.ts'
import type { CompiledSchema } from '../../src/schema/compiled.ts'
import { leadFrom, requireDistances } from '../target/open-real.ts'
import type { TargetProcess } from '../target/target.ts'
import { schema } from '../workloads/schema.ts'
import type { ThroughputOptions } from './options.ts'
import { openPipelinedClient, type MessageClient } from './pipelined-client.ts'

/** Regions that run. */
export interface Deployment {
  readonly regions: readonly string[]
  readonly compiled: CompiledSchema
  /** Sends messages to the node of a region, from beside it. The caller closes it. */
  client(region: string): Promise<MessageClient>
  /** The processes that serve; `this process` where they are in it. */
  processes(): readonly TargetProcess[]
  /** `host:port` of each region's member of etcd; none where there is no etcd. */
  readonly etcd: ReadonlyMap<string, string>
  close(): Promise<void>
}

/** Opens them. @throws MeridianError as `openCluster` and `openEmbedded` do */
export function openDeployment(
  options: ThroughputOptions,
  config: Config,
  directory: string,
): Promise<Deployment> {
  return options.engines === 'embedded'
    ? openInProcess(options, config, directory)
    : openProcesses(options, config, directory)
}

async function openInProcess(
  { network }: ThroughputOptions,
  config: Config,
  directory: string,
): Promise<Deployment> {
  const deployment = await openEmbedded({
    ...{ schema, config, directory, delayScale: network === 'none' ? 0 : 1 },
    onNotice: () => undefined,
  })
  return {
    regions: config.regions,
    compiled: deployment.compiled,
    async client(region) {
      const transport = deployment.transport(region)
      return {
        request: (message) => transport.request(region, message),
        close: () => undefined,
      }
    },
    processes: () => [{ name: 'this process', region: 'all', pid: process.pid }],
    etcd: new Map(),
    close: () => deployment.close(),
  }
}

async function openProcesses(
  { network, engines, inFlight }: ThroughputOptions,
  config: Config,
  directory: string,
): Promise<Deployment> {
  if (network !== 'none') requireDistances(canChangeHosts())
  const wan = network === 'none' ? undefined : await openWan({ topology: config.topology })
  let cluster: Cluster | undefined
  const close = async (): Promise<void> => {
    await cluster?.close()
    await wan?.close()
  }
  try {
    cluster = await openCluster({
      ...{ config, directory, wan, isLean: engines === 'lean' },
      schemaModule: join(import.meta.dirname, '../workloads/schema.ts'),
      onEnded: ({ name }) => console.error(`${name} has ended by itself.`),
    })
    const opened = cluster
    const members = opened.engines.etcd
    await leadFrom(config.commitLog.leader, {
      leaderOf: () => leaderOf(members),
      moveLeader: (to) => moveLeader(members, to),
    })
    return {
      regions: config.regions,
      compiled: opened.schema.compiled,
      client: (region) => {
        const [url = ''] = opened.urls[region] ?? []
        return openPipelinedClient({ url, region, token: opened.token, inFlight })
      },
      processes: () => opened.processes(),
      etcd: new Map(Array.from(members, ([region, { address }]) => [region, address])),
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}
