/**
 * A node process a region, as in production: tokens, keys, files of its own. Whatever goes from one
 * region to another, of nodes and of clients, crosses a proxy that delays it as distance does.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Schema } from '../../client/http/index.ts'
import { scaleTopology } from '../../config/topology.ts'
import { systemRuntime } from '../../drivers/runtime/system-runtime.ts'
import { openKeys } from '../../node/files.ts'
import { LOCK_FILE, openSchemaLock } from '../../node/schema-lock.ts'
import { authSection, clientToken, makeIdentities, type Identities } from '../identities.ts'
import { sharedSections } from '../layout.ts'
import { startMeridian, type MeridianProcess } from '../meridian-process.ts'
import { openWan } from '../wan/wan.ts'
import { openDistances, type Distances } from './distances.ts'
import { connectOverHttp } from './http-client.ts'
import type { RegionsOptions, RunningRegions } from './running-regions.ts'
import { NodeReports } from './node-reports.ts'
import { readStoreFile } from './store-files.ts'

const ISSUER = 'meridian-regions'
const TOKEN_LIFE_S = 3600

/** Starts a process for each region, and waits until all are ready. */
export async function openNodeProcesses<S extends Schema>(
  options: RegionsOptions<S>,
): Promise<RunningRegions<S>> {
  const { config, schema, directory, scale, onNotice } = options
  await mkdir(directory, { recursive: true })
  const locked = await openSchemaLock(schema, join(directory, LOCK_FILE))
  await locked.save(systemRuntime.random)
  const { compiled, lock } = locked
  const keys = await openKeys({ config, directory, compiled, onNotice })
  const wan = await openWan({ topology: scaleTopology(config.topology, scale) })
  const processes = new Map<string, MeridianProcess>()
  const close = async (): Promise<void> => {
    await Promise.all(Array.from(processes.values(), (process) => process.close()))
    await wan.close()
  }
  try {
    const distances = await openDistances(wan)
    const files = ['--directory', directory, '--lock', join(directory, LOCK_FILE)]
    const identities = makeIdentities(ISSUER, config.regions)
    await Promise.all(
      config.regions.map(async (region) => {
        const file = await writeConfig(options, region, identities, distances)
        const key = identities.nodeKeys.get(region)?.privateKeyJwk ?? ''
        const process = await startMeridian({
          name: `node ${region}`,
          args: ['node', '--config', file, '--region', region, ...files],
          logFile: join(directory, 'logs', `${region}.log`),
          environment: { MERIDIAN_NODE_KEY: key },
        })
        processes.set(region, process)
        await distances.aim(region, process.url)
      }),
    )
    const token = await clientToken(identities, TOKEN_LIFE_S)
    const nodes = new NodeReports(processes, directory, token)
    await nodes.ready()
    return {
      description: `${config.regions.length} node processes, clients over HTTP`,
      compiled,
      connect: (region) =>
        connectOverHttp(
          { schema, lock, token, keys },
          region,
          distances.urlsFrom(region, urlsOf(processes)),
        ),
      settle: (settleOptions) => nodes.settle(settleOptions?.timeoutMs),
      progress: () => nodes.progress(),
      readStore: async (region, statements) => readStoreFile(directory, region, statements),
      foldersOf: (region) => [join(directory, region)],
      processes: () => Array.from(processes, ([region, { name, pid }]) => ({ name, region, pid })),
      crossRegionBytes: () => wan.crossRegionBytes(),
      wan,
      enginesOf: () => undefined,
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** The configuration as one region has it: its peers stand behind their distance. */
async function writeConfig(
  { config, schemaModule, directory }: RegionsOptions<Schema>,
  region: string,
  identities: Identities,
  distances: Distances,
): Promise<string> {
  const urls = distances.urlsFrom(region, new Map([[region, 'http://127.0.0.1:0']]))
  const nodes = config.regions.map((other) => {
    const publicKey = identities.nodeKeys.get(other)?.publicKey
    return [other, { url: urls[other], publicKey }] as const
  })
  const content = {
    ...sharedSections(config),
    commitLog: { leader: config.commitLog.leader },
    schema: schemaModule,
    nodes: Object.fromEntries(nodes),
    auth: authSection(identities),
  }
  const file = join(directory, `${region}.meridian.json`)
  await writeFile(file, `${JSON.stringify(content, null, 2)}\n`)
  return file
}

function urlsOf(processes: ReadonlyMap<string, MeridianProcess>): ReadonlyMap<string, string> {
  return new Map(Array.from(processes, ([region, { url }]) => [region, url]))
}
