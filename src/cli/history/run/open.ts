/** Opens the deployment that a history is recorded on, and says how it can be broken. */
import { join } from 'node:path'
import { leadFrom, requireDistances } from '../../../../benchmarks/target/open-real.ts'
import type { EnginesKind } from '../../../../benchmarks/target/target.ts'
import { configFor } from '../../../../benchmarks/topologies/index.ts'
import type { Cluster } from '../../../cluster/cluster.ts'
import { leaderOf, moveLeader } from '../../../cluster/engines/etcd-leader.ts'
import { foldersOf } from '../../../cluster/layout.ts'
import { canChangeHosts } from '../../../cluster/member-distances.ts'
import { openClusterRegions } from '../../../cluster/regions/cluster-regions.ts'
import { openEmbeddedRegions } from '../../../cluster/regions/embedded-regions.ts'
import type { RegionsOptions, RunningRegions } from '../../../cluster/regions/running-regions.ts'
import type { Topology } from '../../../config/topology.ts'
import { Clocks } from '../faults/clocks.ts'
import { embeddedBreaker } from '../faults/embedded-breaker.ts'
import type { Breaker } from '../faults/nemesis.ts'
import type { FaultKind } from '../faults/plan.ts'
import { realBreaker } from '../faults/real-breaker.ts'
import { SmallDisks } from '../faults/small-disks.ts'
import { schemaModule } from '../schema-module.ts'
import { schema, type HistorySchema } from '../schema.ts'

/** What is opened. */
export interface OpenOptions {
  readonly engines: EnginesKind
  readonly topology: Topology
  /** The region that leads the commit log at first. */
  readonly leader: string
  readonly directory: string
  /** What is to go wrong: some faults must be prepared. */
  readonly nemeses: readonly FaultKind[]
  /** Ends the start of processes. */
  readonly signal: AbortSignal
  readonly onNotice: (notice: string) => void
}

/** Regions that run. */
export interface HistoryDeployment {
  readonly regions: RunningRegions<HistorySchema>
  readonly breaker: Breaker
  close(): Promise<void>
}

/** @throws MeridianError as the regions do; `CONFIG_INVALID` where etcd could have no distances */
export async function openDeployment(options: OpenOptions): Promise<HistoryDeployment> {
  const { engines, topology, leader, directory, onNotice } = options
  const config = configFor(topology, leader)
  const common = { config, schema, schemaModule: schemaModule(), directory, scale: 1 }
  if (engines === 'real') return openReal({ ...common, onNotice }, options)
  const regions = await openEmbeddedRegions({ ...common, onNotice })
  return { regions, breaker: embeddedBreaker(regions), close: () => regions.close() }
}

async function openReal(
  options: RegionsOptions<HistorySchema>,
  { nemeses, signal }: Pick<OpenOptions, 'nemeses' | 'signal'>,
): Promise<HistoryDeployment> {
  requireDistances(canChangeHosts())
  const { config, directory } = options
  const clocks = nemeses.includes('clock')
    ? await Clocks.open(directory, config.regions)
    : undefined
  const { data } = foldersOf(directory)
  const folders = new Map(config.regions.map((region) => [region, join(data, region)]))
  const disks = nemeses.includes('disk-full') ? await SmallDisks.open(folders) : undefined
  try {
    /** Their ends were made here. */
    const killed = new Set<string>()
    const onNotice = (notice: string): void => {
      if ([...killed].some((name) => notice.startsWith(`${name} has ended`))) return
      options.onNotice(notice)
    }
    const nodeEnvironment = clocks && ((region: string) => clocks.environment(region))
    const regions = await openClusterRegions({ ...options, onNotice, nodeEnvironment, signal })
    await lead(regions.cluster, config.commitLog.leader, onNotice)
    const { cluster, wan } = regions
    const onKill = (name: string): void => void killed.add(name)
    return {
      regions,
      breaker: realBreaker({ cluster, wan, clocks, disks, onKill }),
      async close() {
        try {
          await regions.close()
        } finally {
          await disks?.close()
        }
      },
    }
  } catch (error) {
    await disks?.close()
    throw error
  }
}

async function lead(
  { engines: { etcd } }: Cluster,
  leader: string,
  onNotice: (notice: string) => void,
): Promise<void> {
  const led = await leadFrom(leader, {
    leaderOf: () => leaderOf(etcd),
    moveLeader: (to) => moveLeader(etcd, to),
  })
  if (led === leader) return
  onNotice(`The commit log is led from ${led ?? 'nowhere'}, not from ${leader}.`)
}
