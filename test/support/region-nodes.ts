/**
 * Two nodes of one region in this process, over one store on a server, beside another region whose
 * node orders strong writes: roles pass by leases that the test has in its hand.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { connect, type Database } from '../../src/client/index.ts'
import {
  httpDeployment,
  type HttpDeploymentOptions,
} from '../../src/client/http/http-deployment.ts'
import { parseConfig, type Config } from '../../src/config/parse-config.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import { openNode, type NodeOptions, type RunningNode } from '../../src/node/open-node.ts'
import { openSchemaLock } from '../../src/node/schema-lock.ts'
import { openStoreServer } from '../../src/node/store-server.ts'
import type { Schema } from '../../src/schema/define.ts'
import { freePorts } from './free-ports.ts'
import { LeasedRole } from './leased-roles.ts'
import { memoryLog, type MemoryLog } from './memory-log.ts'
import { until } from './until.ts'

/** Orders strong writes; it has one node. */
export const SINGLE = 'eu-west'
/** It has two nodes. */
export const SHARED = 'us-east'
export type NodeName = 'a' | 'b' | 'single'

/** What was laid out. */
export interface RegionNodes<S extends Schema> {
  readonly config: Config
  /** The role of the region that has two nodes. */
  readonly role: LeasedRole
  readonly log: MemoryLog
  readonly lockFile: string
  url(node: NodeName): string
  /** Starts a node; it ends with the test. */
  start(node: NodeName, options?: Partial<NodeOptions>): Promise<RunningNode>
  /** Starts the single one and these, `a` to hold the region; resolves once all are ready. */
  startAll(nodes?: readonly NodeName[]): Promise<Readonly<Record<NodeName, RunningNode>>>
  /** A client of the region that has two nodes, which knows these of them. */
  client(nodes: readonly NodeName[], options?: Partial<HttpDeploymentOptions>): Promise<Database<S>>
}

/** What is laid out. */
export interface LayoutOptions {
  /** Sections of the configuration. */
  readonly sections?: Readonly<Record<string, unknown>>
}

/** Lays the nodes out: a store server, folders of their own, free ports. */
export async function layRegionNodes<S extends Schema>(
  schema: S,
  { sections = {} }: LayoutOptions = {},
): Promise<RegionNodes<S>> {
  const directory = mkdtempSync(join(tmpdir(), 'meridian-region-nodes-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const store = await openStoreServer({ file: join(directory, 'rows.db') })
  onTestFinished(() => store.close())
  const [a, b, single] = (await freePorts(3)).map((port) => `http://127.0.0.1:${port}`)
  const urls = { a: a as string, b: b as string, single: single as string }
  const role = new LeasedRole()
  const log = memoryLog()
  const config = configOf(urls, store.url, sections)
  const lockFile = join(directory, 'meridian.lock.json')
  await (await openSchemaLock(schema, lockFile)).save(systemRuntime.random)
  const start: RegionNodes<S>['start'] = async (name, more = {}) => {
    const running = await openNode({
      config,
      schema,
      regions: [name === 'single' ? SINGLE : SHARED],
      node: urls[name],
      coordination: role,
      directory: join(directory, name),
      lockFile,
      log,
      writer: 'inline',
      ...more,
    })
    onTestFinished(() => running.close())
    return running
  }
  return {
    config,
    role,
    log,
    lockFile,
    url: (node) => urls[node],
    start,
    async startAll(nodes = ['a', 'b']) {
      const running = new Map<NodeName, RunningNode>([['single', await start('single')]])
      for (const node of nodes) {
        running.set(node, await start(node))
        await until(() => {
          if (role.holder()?.candidate !== urls.a) throw new Error('nobody holds the region')
        })
      }
      await Promise.all(Array.from(running.values(), (node) => node.ready()))
      return Object.fromEntries(running) as Record<NodeName, RunningNode>
    },
    async client(nodes, options = {}) {
      const known = { [SINGLE]: urls.single, [SHARED]: nodes.map((node) => urls[node]) }
      const deployment = httpDeployment({ ...options, nodes: known })
      const db = await connect({ schema, region: SHARED, deployment })
      onTestFinished(() => db.close())
      return db
    },
  }
}

/**
 * A file of a configuration with two nodes must name etcd and Kafka: here a test elects, and each
 * node keeps a change log of its own.
 */
function configOf(
  urls: Readonly<Record<NodeName, string>>,
  store: string,
  sections: Readonly<Record<string, unknown>>,
): Config {
  const text = {
    regions: [SINGLE, SHARED],
    commitLog: { leader: SINGLE },
    nodes: { [SINGLE]: { url: urls.single }, [SHARED]: { url: urls.a } },
    stores: { [SHARED]: { url: store } },
    ...sections,
  }
  const config = parseConfig(JSON.stringify(text), 'region nodes')
  const both = [{ url: urls.a }, { url: urls.b }]
  return { ...config, nodes: { ...config.nodes, [SHARED]: both } }
}
