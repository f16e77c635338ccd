/** All regions in this process; messages between them are delayed as distance does. */
import { join } from 'node:path'
import { connect, type Schema } from '../../client/index.ts'
import { openEmbedded } from '../../node/embedded.ts'
import type { RegionsOptions, RunningRegions } from './running-regions.ts'

/** Opens the regions. */
export async function openEmbeddedRegions<S extends Schema>(
  options: RegionsOptions<S>,
): Promise<RunningRegions<S>> {
  const { config, schema, directory, scale, onNotice } = options
  const deployment = await openEmbedded({ schema, config, directory, delayScale: scale, onNotice })
  return {
    description: 'all regions in one process',
    compiled: deployment.compiled,
    connect: (region) => connect({ schema, region, deployment }),
    settle: (settleOptions) => deployment.settle(settleOptions),
    progress: async () => deployment.status(),
    readStore: (region, statements) => deployment.node(region).store.read(statements),
    foldersOf: (region) => [join(directory, region)],
    processes: () => [{ name: 'this process', region: 'all', pid: process.pid }],
    crossRegionBytes: async () => deployment.network.crossRegionBytes(),
    partition: (a, b) => deployment.network.partition(a, b),
    heal: (a, b) => deployment.network.heal(a, b),
    wan: undefined,
    enginesOf: () => undefined,
    close: () => deployment.close(),
  }
}
