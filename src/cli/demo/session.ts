/** The demo's deployment: configuration, files, and a client in each region. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseConfig, parseTopology, type Config } from '../../config/parse-config.ts'
import { scaleTopology, type Topology } from '../../config/topology.ts'
import { MeridianError } from '../../core/errors.ts'
import { packageRoot } from '../../node/package-root.ts'
import type { HomeRegion } from './dataset.ts'
import { openClusterRegions } from '../../cluster/regions/cluster-regions.ts'
import { openEmbeddedRegions } from '../../cluster/regions/embedded-regions.ts'
import type { DemoOptions } from './options.ts'
import { openNodeProcesses } from '../../cluster/regions/node-processes.ts'
import type { RunningRegions } from '../../cluster/regions/running-regions.ts'
import { schema, type DemoDatabase, type DemoSchema } from './schema.ts'
import { schemaModule } from './schema-module.ts'

const REGIONS: readonly HomeRegion[] = ['us-east', 'eu-west', 'ap-south']
/** The class of the tenant that only Europe may hold. */
export const RESTRICTED_CLASS = 'eu-only'

/** What a run works with. */
export interface DemoSession {
  readonly config: Config
  /** With the delays as they are, `scale` applied. */
  readonly topology: Topology
  readonly regions: readonly HomeRegion[]
  readonly directory: string
  readonly running: RunningRegions<DemoSchema>
  /** The client in a region. */
  db(region: string): DemoDatabase
  /** Closes everything and removes what is temporary. */
  close(): Promise<void>
}

/**
 * Reads the configuration, with the topology of `--topology` where one is given.
 *
 * @throws MeridianError `CONFIG_INVALID`
 */
export async function readDemoConfig(options: DemoOptions): Promise<Config> {
  const file = options.configFile ?? join(packageRoot(), 'examples', 'demo', 'meridian.yaml')
  const config = parseConfig(await readText(file), file)
  requireRegions(config.regions, file)
  const allowed = config.residency[RESTRICTED_CLASS]
  if (allowed === undefined || allowed.join() !== 'eu-west') {
    throw new MeridianError(
      'CONFIG_INVALID',
      `${file}: the residency class '${RESTRICTED_CLASS}' is not that of eu-west alone.`,
      { fix: `Add \`${RESTRICTED_CLASS}: [eu-west]\` to residency.classes.` },
    )
  }
  const { topologyFile } = options
  if (topologyFile === undefined) return config
  const topology = parseTopology(await readText(topologyFile), topologyFile)
  requireRegions(topology.regions, topologyFile)
  return { ...config, topology }
}

const OPEN = {
  embedded: openEmbeddedRegions,
  processes: openNodeProcesses,
  real: openClusterRegions,
} as const

/** Opens the regions and a client in each. */
export async function openDemo(
  config: Config,
  options: DemoOptions,
  onNotice: (notice: string) => void,
): Promise<DemoSession> {
  const isTemporary = options.directory === undefined
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'meridian-demo-')))
  const remove = async (): Promise<void> => {
    if (!isTemporary) return
    if (options.keep) onNotice(`The data is in ${directory}.`)
    else await rm(directory, { recursive: true, force: true })
  }
  const clients = new Map<string, DemoDatabase>()
  let running: RunningRegions<DemoSchema> | undefined
  const close = async (): Promise<void> => {
    for (const client of clients.values()) await client.close()
    await running?.close()
    await remove()
  }
  try {
    const { scale, engines } = options
    const opened = await OPEN[engines]({
      ...{ config, directory, scale, onNotice },
      ...{ schema, schemaModule: schemaModule() },
    })
    running = opened
    for (const region of REGIONS) clients.set(region, await opened.connect(region))
    return {
      config,
      topology: scaleTopology(config.topology, options.scale),
      regions: REGIONS,
      directory,
      running: opened,
      db: (region) => clients.get(region) as DemoDatabase,
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

function requireRegions(regions: readonly string[], file: string): void {
  if ([...regions].sort().join() === [...REGIONS].sort().join()) return
  throw new MeridianError('CONFIG_INVALID', `${file}: regions are not those of the demo.`, {
    fix: `Name ${REGIONS.join(', ')}: continents are assigned to them.`,
  })
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new MeridianError('CONFIG_INVALID', `The file ${path} cannot be read.`, {
      fix: 'Check the path.',
      cause: error,
    })
  }
}
