/** A whole deployment in this process: every region with its own files, and the network between. */
import { join } from 'node:path'
import type { Deployment } from '../client/connect.ts'
import { defaultConfig, parseConfig, type Config } from '../config/parse-config.ts'
import { oneWayMs, scaleTopology } from '../config/topology.ts'
import { MeridianError } from '../core/errors.ts'
import type { KeyWrapper } from '../core/ports/key-wrapper.ts'
import type { Runtime } from '../core/ports/runtime.ts'
import { delayCommitLog } from '../drivers/commit-log/delayed-commit-log.ts'
import { createMemorySupport } from '../drivers/commit-log/memory-support.ts'
import { openFileCommitLog, type SharedCommitLog } from '../drivers/commit-log/file-commit-log.ts'
import { nodeAeadSuite } from '../drivers/keys/node-suite.ts'
import { keepProcessAlive } from '../drivers/runtime/keep-alive.ts'
import { systemRuntime } from '../drivers/runtime/system-runtime.ts'
import {
  createInProcessNetwork,
  type InProcessNetwork,
} from '../drivers/transport/in-process-network.ts'
import type { CompiledSchema } from '../schema/compiled.ts'
import type { Schema } from '../schema/define.ts'
import { allSettled, Closing } from './closing.ts'
import { openKeys, openSessionKey, readConfigFile } from './files.ts'
import { makeDataFolder, openRegionFiles, type RegionFiles } from './region-files.ts'
import { openRegionNode, type NodeStatus, type RegionNode } from './region-node.ts'
import { LOCK_FILE, openSchemaLock } from './schema-lock.ts'
import type { SecretSources } from './secrets.ts'
import { settle, type SettleOptions } from './settle.ts'

/** What an embedded deployment is made of. Everything but the schema has a default. */
export interface EmbeddedOptions {
  readonly schema: Schema
  /** A configuration, or the path of a `meridian.yaml`. Default: three regions. */
  readonly config?: Config | string
  /** Regions at their built-in distances, where no configuration is given. */
  readonly regions?: readonly string[]
  /** Where the files are; made when absent. Default: the configuration's, `.meridian`. */
  readonly directory?: string
  /** The schema lock, to be committed beside the schema. Default: in the data directory. */
  readonly lockFile?: string
  /** Multiplies every delay between regions; 0 for none. Default 1. */
  readonly delayScale?: number
  /** Where commits wait for the disk: a worker thread a region (the default), or this thread. */
  readonly writer?: 'inline' | 'worker'
  /** Wraps data keys, instead of the configuration's `keys`. */
  readonly keyWrapper?: KeyWrapper
  readonly runtime?: Runtime
  /** Told what a user should know, such as the use of development keys. Default: a warning. */
  readonly onNotice?: (notice: string) => void
}

/** A running embedded deployment, to `connect` to. Close it, or the process stays. */
export interface EmbeddedDeployment extends Deployment {
  readonly config: Config
  readonly compiled: CompiledSchema
  readonly network: InProcessNetwork
  /** @throws MeridianError `REGION_UNKNOWN` */
  node(region: string): RegionNode
  status(): readonly NodeStatus[]
  /**
   * Resolves once every change has arrived wherever it may go: replicas, logs, views.
   *
   * @throws MeridianError `DEADLINE_EXCEEDED` naming what lags
   */
  settle(options?: SettleOptions): Promise<void>
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Opens a deployment of all regions in this process, on files that this process alone uses.
 *
 * @throws MeridianError `CONFIG_INVALID`, `SCHEMA_INVALID`, `SCHEMA_INCOMPATIBLE`, `STORE_LOCKED`,
 * `STORE_CORRUPT`, `STORE_FOREIGN`, `STORE_NEWER`, `KEY_UNAVAILABLE`
 */
export async function openEmbedded(options: EmbeddedOptions): Promise<EmbeddedDeployment> {
  const config = await resolveConfig(options)
  requireOwnLog(config)
  const directory = options.directory ?? config.data.directory
  await makeDataFolder(directory)
  const lockFile = options.lockFile ?? join(directory, LOCK_FILE)
  const locked = await openSchemaLock(options.schema, lockFile)
  const { compiled, lock } = locked
  const closing = new Closing()
  try {
    const parts = await openParts(options, config, directory, compiled, closing)
    await locked.save(parts.runtime.random)
    const sessionKey = await openSessionKey(join(directory, 'session.key'), parts.runtime.random)
    const onNotice = noticeOf(options)
    const keys = await openKeys({ ...options, onNotice, config, directory, compiled })
    return assemble({ ...parts, config, compiled, lock, sessionKey, keys, closing })
  } catch (error) {
    await closing.close()
    throw error
  }
}

interface Parts {
  readonly runtime: Runtime
  readonly network: InProcessNetwork
  readonly nodes: ReadonlyMap<string, RegionNode>
}

/** One process has nobody to agree with. */
function requireOwnLog({ commitLog }: Config): void {
  if (commitLog.etcd === null) return
  throw new MeridianError(
    'CONFIG_INVALID',
    'commitLog.etcd: an embedded deployment keeps the commit log in a file of its own.',
    { fix: 'Leave it out, or run the regions as nodes: `meridian node`.' },
  )
}

async function resolveConfig(options: EmbeddedOptions): Promise<Config> {
  const { config } = options
  if (config === undefined) return defaultConfig(options.regions)
  return typeof config === 'string' ? parseConfig(await readConfigFile(config), config) : config
}

async function openParts(
  options: EmbeddedOptions,
  config: Config,
  directory: string,
  compiled: CompiledSchema,
  closing: Closing,
): Promise<Parts> {
  const runtime = options.runtime ?? systemRuntime
  const topology = scaleTopology(config.topology, options.delayScale ?? 1)
  const oneWayDelayMs = (from: string, to: string): number => oneWayMs(topology, from, to)
  const network = createInProcessNetwork({ oneWayDelayMs, timers: runtime.timers })
  const logPath = join(directory, 'commit-log.db')
  const writer = options.writer ?? 'worker'
  const log = closing.add(
    await openFileCommitLog({ path: logPath, timers: runtime.timers, writer }),
  )
  const support = createMemorySupport(config.regions)
  const sources = secretSources(noticeOf(options))
  const openFiles = (region: string): Promise<RegionFiles> =>
    openRegionFiles({ region, directory, config, runtime, writer, sources }, closing)
  // All files before any node: one that cannot be used keeps the others from being written.
  const files = await allSettled(config.regions.map(openFiles))
  const openNode = async (region: string, i: number): Promise<RegionNode> => {
    const node = await openRegionNode({
      ...(files[i] as RegionFiles),
      region,
      config,
      schema: compiled,
      support,
      commitLog: regionLog(log, config, region, oneWayDelayMs, network, runtime),
      network,
      runtime,
      onFailure: (role, error) => noticeOf(options)(`${region}: ${role} stopped: ${error.message}`),
    })
    return closing.add(node)
  }
  const nodes = await allSettled(config.regions.map(openNode))
  return { runtime, network, nodes: new Map(nodes.map((node) => [node.region, node])) }
}

/** Who is told what a user should know. */
function noticeOf(options: EmbeddedOptions): (notice: string) => void {
  return options.onNotice ?? ((notice) => process.emitWarning(notice, { code: 'MERIDIAN_NOTICE' }))
}

/** Secrets of embedded deployments are the process's own; warnings are notices. */
function secretSources(notice: (text: string) => void): SecretSources {
  return {
    environment: process.env,
    baseDirectory: process.cwd(),
    log: {
      write(_level, event, fields = {}) {
        const facts = Object.entries(fields).map(([name, value]) => `${name}: ${String(value)}`)
        notice(`${event} (${facts.join(', ')})`)
      },
    },
  }
}

/** The log as a region sees it, across the distances to its leader and back. */
function regionLog(
  log: SharedCommitLog,
  config: Config,
  region: string,
  oneWayDelayMs: (from: string, to: string) => number,
  network: InProcessNetwork,
  runtime: Runtime,
): ReturnType<typeof delayCommitLog> {
  return delayCommitLog(log.handle(), {
    region,
    leader: config.commitLog.leader,
    members: config.regions,
    oneWayDelayMs,
    reachable: (a, b) => network.reachable(a, b),
    timers: runtime.timers,
    onBytes: (from, to, bytes) => network.count(from, to, bytes),
  })
}

interface Assembly extends Parts {
  readonly config: Config
  readonly compiled: CompiledSchema
  readonly lock: Deployment['lock']
  readonly sessionKey: Uint8Array
  readonly keys: KeyWrapper | undefined
  readonly closing: Closing
}

function assemble(assembly: Assembly): EmbeddedDeployment {
  const { runtime, network, nodes, config, compiled, lock, sessionKey, keys, closing } = assembly
  const release = keepProcessAlive()
  const close = (): Promise<void> => closing.close().finally(release)
  const node = (region: string): RegionNode => {
    const found = nodes.get(region)
    if (found !== undefined) return found
    throw new MeridianError('REGION_UNKNOWN', `There is no region ${JSON.stringify(region)}.`, {
      fix: `There are: ${config.regions.join(', ')}.`,
    })
  }
  return {
    config,
    compiled,
    network,
    runtime,
    lock,
    sessionKey,
    cipherSuite: nodeAeadSuite,
    node,
    transport: (region) => network.transport(node(region).region),
    keyWrapper: () => keys,
    deadlineMs: config.limits.deadlineMs,
    status: () => [...nodes.values()].map((one) => one.status()),
    settle: (options) => settle([...nodes.values()], runtime, options),
    close,
    [Symbol.asyncDispose]: close,
  }
}
