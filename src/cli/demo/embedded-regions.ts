/** All regions in this process; messages between them are delayed as distance does. */
import { join } from 'node:path'
import { connect } from '../../client/index.ts'
import type { Config } from '../../config/parse-config.ts'
import { openEmbedded } from '../../node/embedded.ts'
import type { RunningRegions } from './running-regions.ts'
import { schema } from './schema.ts'

/** What they are opened with. */
export interface RegionsOptions {
  readonly config: Config
  readonly directory: string
  /** Multiplies the delays. */
  readonly scale: number
  readonly onNotice: (notice: string) => void
}

export async function openEmbeddedRegions(options: RegionsOptions): Promise<RunningRegions> {
  const { config, directory, scale, onNotice } = options
  const deployment = await openEmbedded({ schema, config, directory, delayScale: scale, onNotice })
  return {
    description: 'all regions in one process',
    compiled: deployment.compiled,
    connect: (region) => connect({ schema, region, deployment }),
    settle: (settleOptions) => deployment.settle(settleOptions),
    progress: async () => deployment.status(),
    readStore: (region, statements) => deployment.node(region).store.read(statements),
    foldersOf: (region) => [join(directory, region)],
    close: () => deployment.close(),
  }
}
