/** A deployment of several regions as real processes on this machine: engines, stores and nodes. */
import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import type { Config } from '../config/parse-config.ts'
import { MeridianError } from '../core/errors.ts'
import { systemRuntime } from '../drivers/runtime/system-runtime.ts'
import { loadSchema } from '../node/load-schema.ts'
import { openSchemaLock, type LockedSchema } from '../node/schema-lock.ts'
import { packageVersion } from '../node/package-root.ts'
import { openPorts } from './cluster-ports.ts'
import { healthOf, requireReady, type PartHealth } from './health.ts'
import { clientToken, makeIdentities, type Identities } from './identities.ts'
import {
  configFileOf,
  etcdAddress,
  foldersOf,
  lockFileOf,
  logFileOf,
  nodeAddress,
  nodeConfig,
  nodeNames,
  STORE_TOKEN_VARIABLE,
  type ClusterFolders,
  type ClusterPorts,
  type ClusterShape,
} from './layout.ts'
import { startMeridian, type MeridianProcess } from './meridian-process.ts'
import { Parts, type EndedPart, type PartProgress } from './parts.ts'
import { allOrFirstError, startEngines, type ClusterEngines } from './start-engines.ts'
import { directRoute, openRoutes, type Route } from './wan/routes.ts'
import type { Wan } from './wan/wan.ts'

export interface ClusterOptions {
  /** Regions, topology, residency, keys, limits and the log's leader; where things are is not. */
  readonly config: Config
  /** The module of the schema, an absolute path. */
  readonly schemaModule: string
  /** Data, configuration and logs; a cluster that was there before goes on. */
  readonly directory: string
  /** Default 1. */
  readonly nodesPerRegion?: number | undefined
  /** etcd and nodes alone: stores and change logs are files, and there is no cache. */
  readonly isLean?: boolean | undefined
  /**
   * What is between regions, of its topology: nodes, members of etcd and clients reach each other
   * over it. Between members it takes root (`canChangeHosts`). The caller closes it, after the
   * cluster. Default: nothing.
   */
  readonly wan?: Wan | undefined
  /** More variables of the environment of a region's nodes. */
  readonly nodeEnvironment?: ((region: string) => Readonly<Record<string, string>>) | undefined
  /** Ends the start. */
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: PartProgress) => void) | undefined
  /** Told of a part that ended by itself; the others go on. */
  readonly onEnded?: ((part: EndedPart) => void) | undefined
}

/** A process of a cluster. */
export interface ClusterProcess {
  /** `node us-east`, `etcd eu-west`, … */
  readonly name: string
  readonly region: string
  readonly pid: number
}

/** A running cluster. */
export interface Cluster {
  readonly directory: string
  readonly regions: readonly string[]
  /** Nodes by region. */
  readonly nodes: ReadonlyMap<string, readonly MeridianProcess[]>
  /** Their URLs. */
  readonly urls: Readonly<Record<string, readonly string[]>>
  /** The same as they are reached from a region. */
  urlsFrom(region: string): Readonly<Record<string, readonly string[]>>
  readonly engines: ClusterEngines
  /** All that runs. */
  processes(): readonly ClusterProcess[]
  /** Of a client who may do everything, for a day. */
  readonly token: string
  readonly schema: LockedSchema
  /** The file with a region's configuration. */
  configFile(region: string): string
  health(): Promise<readonly PartHealth[]>
  /** Resolves once every node is ready. @throws MeridianError `DEADLINE_EXCEEDED` */
  ready(timeoutMs?: number): Promise<void>
  /** Ends a node in order and starts it again, at its URL. */
  restartNode(region: string, index?: number): Promise<void>
  /** Ends everything in order: nodes, stores, Kafka, Redis, etcd. */
  close(): Promise<void>
}

const TOKEN_LIFE_S = 24 * 3600
const READY_TIMEOUT_MS = 300_000
const READY_PERIOD_MS = 100
const OWNER_ONLY = 0o700

/**
 * Starts a cluster, and resolves once every node of it is ready.
 *
 * @throws MeridianError `CONFIG_INVALID` (a program is missing, the schema), `LOG_UNAVAILABLE`,
 * `CACHE_UNAVAILABLE`, `REGION_UNREACHABLE` (a process does not start), `CANCELLED`
 */
export async function openCluster(options: ClusterOptions): Promise<Cluster> {
  const { config, directory, signal } = options
  const shape: ClusterShape = {
    regions: config.regions,
    nodesPerRegion: options.nodesPerRegion ?? 1,
    isLean: options.isLean ?? false,
  }
  const parts = new Parts({
    onProgress: options.onProgress ?? (() => undefined),
    onEnded: options.onEnded ?? (() => undefined),
  })
  const ending = new AbortController()
  const abort = (): void => ending.abort()
  signal?.addEventListener('abort', abort, { once: true })
  if (signal?.aborted === true) abort()
  try {
    const prepared = await prepare(options, shape)
    const { ports, folders, storeToken } = prepared
    const engines = await startEngines({
      ...{ shape, ports, folders, storeToken, parts },
      version: packageVersion(),
      leader: config.commitLog.leader,
      wan: options.wan,
      ending,
    })
    const cluster = await startNodes({ prepared, engines, parts, ending, directory })
    await cluster.ready()
    return cluster
  } catch (error) {
    await parts.close()
    throw error
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}

/** What is there before the first process. */
interface Prepared {
  readonly shape: ClusterShape
  readonly ports: ClusterPorts
  readonly folders: ClusterFolders
  readonly identities: Identities
  readonly storeToken: string
  readonly schema: LockedSchema
  readonly route: Route
  readonly nodeEnvironment: NonNullable<ClusterOptions['nodeEnvironment']>
}

async function prepare(options: ClusterOptions, shape: ClusterShape): Promise<Prepared> {
  const { config, schemaModule, directory, wan } = options
  const schema = await loadSchema(schemaModule, { once: true })
  const folders = foldersOf(directory)
  for (const folder of [folders.root, folders.logs, folders.data]) {
    await mkdir(folder, { recursive: true, mode: OWNER_ONLY })
  }
  const ports = await openPorts(shape, directory)
  const locked = await openSchemaLock(schema, lockFileOf(folders))
  await locked.save(systemRuntime.random)
  const names = shape.regions.flatMap((region) => nodeNames(shape, region))
  const identities = makeIdentities('meridian-cluster', names)
  const route = wan === undefined ? directRoute : await openRoutes(wan, addressesOf(shape, ports))
  const content = { shape, ports, config, schemaModule, identities, route }
  for (const region of shape.regions) {
    const text = `${JSON.stringify(nodeConfig(content, region), null, 2)}\n`
    await writeFile(configFileOf(folders, region), text)
  }
  const storeToken = randomBytes(32).toString('base64url')
  const nodeEnvironment = options.nodeEnvironment ?? (() => ({}))
  return { shape, ports, folders, identities, storeToken, schema: locked, route, nodeEnvironment }
}

/** What is reached from other regions. */
function addressesOf(
  shape: ClusterShape,
  ports: ClusterPorts,
): Readonly<Record<string, readonly string[]>> {
  const ofRegion = (region: string): readonly string[] => [
    ...nodeNames(shape, region).map((name) => nodeAddress(ports, name)),
    etcdAddress(ports, region),
  ]
  return Object.fromEntries(shape.regions.map((region) => [region, ofRegion(region)]))
}

/** Where nodes are reached from a region. */
function urlsFrom(
  { shape, ports, route }: Prepared,
  from: string,
): Readonly<Record<string, readonly string[]>> {
  const urlsOf = (region: string): readonly string[] =>
    nodeNames(shape, region).map(
      (name) => `http://${route(from, region, nodeAddress(ports, name))}`,
    )
  return Object.fromEntries(shape.regions.map((region) => [region, urlsOf(region)]))
}

interface StartNodes {
  readonly prepared: Prepared
  readonly engines: ClusterEngines
  readonly parts: Parts
  readonly directory: string
  readonly ending: AbortController
}

async function startNodes(start: StartNodes): Promise<RunningCluster> {
  const { prepared, parts, ending } = start
  const { signal } = ending
  const { shape } = prepared
  const nodes = new Map<string, MeridianProcess[]>(shape.regions.map((region) => [region, []]))
  const token = await clientToken(prepared.identities, TOKEN_LIFE_S)
  const starts = shape.regions.flatMap((region) =>
    nodeNames(shape, region).map((name, index) =>
      parts.starting([name], async () => {
        const process = await startNode(prepared, region, name, signal)
        const ofRegion = nodes.get(region) ?? []
        ofRegion[index] = process
        const { url } = process
        const probe = (): Promise<{ version: string }> => requireReady(url, token)
        parts.add({ kind: 'node', region, index, address: url, version: '', process, probe })
        await untilReady(process, () => probe(), signal)
      }),
    ),
  )
  await allOrFirstError(starts, ending)
  return new RunningCluster(start, nodes, token)
}

function startNode(
  { ports, folders, identities, storeToken, nodeEnvironment }: Prepared,
  region: string,
  name: string,
  signal: AbortSignal,
): Promise<MeridianProcess> {
  const files = ['--directory', folders.data, '--lock', lockFileOf(folders)]
  const which = ['--region', region, '--node', `http://${nodeAddress(ports, name)}`]
  return startMeridian({
    name,
    args: ['node', '--config', configFileOf(folders, region), ...which, ...files],
    logFile: logFileOf(folders, name),
    environment: {
      MERIDIAN_NODE_KEY: identities.nodeKeys.get(name)?.privateKeyJwk ?? '',
      [STORE_TOKEN_VARIABLE]: storeToken,
      ...nodeEnvironment(region),
    },
    signal,
  })
}

/** Asks a node again and again, until it is ready. */
async function untilReady(
  process: MeridianProcess,
  probe: () => Promise<unknown>,
  signal?: AbortSignal,
  timeoutMs: number = READY_TIMEOUT_MS,
): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs
  for (;;) {
    try {
      await probe()
      return
    } catch (error) {
      if (signal?.aborted === true) {
        throw new MeridianError('CANCELLED', `The start of ${process.name} was given up.`)
      }
      process.requireRunning()
      if (performance.now() > deadlineMs) {
        const problem = (error as Error).message
        throw new MeridianError('DEADLINE_EXCEEDED', `${process.name} is not ready: ${problem}.`, {
          fix: `See ${process.logFile}.`,
        })
      }
    }
    await pause(READY_PERIOD_MS)
  }
}

class RunningCluster implements Cluster {
  readonly directory: string
  readonly regions: readonly string[]
  readonly nodes: ReadonlyMap<string, readonly MeridianProcess[]>
  readonly urls: Readonly<Record<string, readonly string[]>>
  readonly engines: ClusterEngines
  readonly token: string
  readonly schema: LockedSchema
  readonly #prepared: Prepared
  readonly #parts: Parts

  constructor(
    { prepared, engines, parts, directory }: StartNodes,
    nodes: ReadonlyMap<string, readonly MeridianProcess[]>,
    token: string,
  ) {
    this.directory = directory
    this.regions = prepared.shape.regions
    this.nodes = nodes
    this.urls = urlsFrom({ ...prepared, route: directRoute }, '')
    this.engines = engines
    this.token = token
    this.schema = prepared.schema
    this.#prepared = prepared
    this.#parts = parts
  }

  urlsFrom(region: string): Readonly<Record<string, readonly string[]>> {
    return urlsFrom(this.#prepared, region)
  }

  processes(): readonly ClusterProcess[] {
    return this.#parts.targets.map(({ name, region, pid }) => ({ name, region, pid: pid() }))
  }

  configFile(region: string): string {
    return configFileOf(this.#prepared.folders, region)
  }

  health(): Promise<readonly PartHealth[]> {
    return healthOf(this.#parts.targets)
  }

  async ready(timeoutMs?: number): Promise<void> {
    const all = [...this.nodes.values()].flat()
    await Promise.all(all.map((node) => this.#nodeReady(node, timeoutMs)))
  }

  async restartNode(region: string, index = 0): Promise<void> {
    const node = this.nodes.get(region)?.[index]
    if (node === undefined) {
      throw new MeridianError('REGION_UNKNOWN', `There is no node ${index + 1} of ${region}.`, {
        fix: `There are: ${this.regions.join(', ')}.`,
      })
    }
    await this.#parts.expecting(node, () => node.restart())
    await this.#nodeReady(node)
  }

  close(): Promise<void> {
    return this.#parts.close()
  }

  #nodeReady(node: MeridianProcess, timeoutMs?: number): Promise<void> {
    return untilReady(node, () => requireReady(node.url, this.token), undefined, timeoutMs)
  }
}
