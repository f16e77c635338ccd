/** Nodes of several processes' worth in this one: each with its own URL, all on the loopback. */
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
import { MESSAGE_CONTENT_TYPE, REGION_HEADER, REQUEST_PATH } from '../../src/core/wire-http.ts'
import { openNode, type NodeOptions, type RunningNode } from '../../src/node/open-node.ts'
import { openSchemaLock } from '../../src/node/schema-lock.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import { decodeResponse, encodeRequest } from '../../src/protocol/codec.ts'
import {
  PROTOCOL_VERSION,
  type RequestBody,
  type RequestHeader,
  type Response as WireResponse,
} from '../../src/protocol/messages.ts'
import type { Schema } from '../../src/schema/define.ts'
import { freePorts } from './free-ports.ts'
import { memoryLog, type MemoryLog } from './memory-log.ts'

/** The regions of clusters; the first orders strong writes. */
export const REGIONS = ['eu-west', 'us-east', 'ap-south'] as const
export type Region = (typeof REGIONS)[number]

/** A cluster that was laid out; its nodes are started one by one. */
export interface Cluster {
  readonly config: Config
  readonly directory: string
  readonly lockFile: string
  /** The lines of all nodes. */
  readonly log: MemoryLog
  url(region: Region): string
  /** Starts the node of a region; it ends with the test. */
  start(region: Region, options?: Partial<NodeOptions>): Promise<RunningNode>
  startAll(): Promise<readonly RunningNode[]>
}

/** What a cluster is laid out with. */
export interface ClusterOptions {
  readonly schema: Schema
  /** Sections of the configuration, as JSON values. */
  readonly sections?: Readonly<Record<string, unknown>>
  /** More of each node's section. */
  readonly node?: (region: Region) => Readonly<Record<string, unknown>>
  readonly scheme?: 'http' | 'https'
  /** Regions that one process serves. */
  readonly sharedUrl?: readonly Region[]
  readonly environment?: (region: Region) => NonNullable<NodeOptions['environment']>
}

/** Lays out a cluster: a folder, free ports, the schema's lock. */
export async function layCluster(options: ClusterOptions): Promise<Cluster> {
  const { schema, sections = {}, node = () => ({}), scheme = 'http', sharedUrl = [] } = options
  const directory = mkdtempSync(join(tmpdir(), 'meridian-nodes-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const ports = await freePorts(REGIONS.length)
  const portOf = (region: Region): number | undefined => {
    const owner = sharedUrl.includes(region) ? sharedUrl[0] : region
    return ports[REGIONS.indexOf(owner as Region)]
  }
  const nodes = Object.fromEntries(
    REGIONS.map((region) => [
      region,
      { url: `${scheme}://127.0.0.1:${portOf(region)}`, ...node(region) },
    ]),
  )
  const text = JSON.stringify({
    regions: REGIONS,
    commitLog: { leader: REGIONS[0] },
    nodes,
    ...sections,
  })
  const config = parseConfig(text, 'cluster')
  const lockFile = join(directory, 'meridian.lock.json')
  await (await openSchemaLock(schema, lockFile)).save(systemRuntime.random)
  const log = memoryLog()
  const start = async (region: Region, more: Partial<NodeOptions> = {}): Promise<RunningNode> => {
    const running = await openNode({
      config,
      schema,
      regions: [region],
      directory,
      baseDirectory: directory,
      lockFile,
      log,
      writer: 'inline',
      environment: options.environment?.(region) ?? {},
      ...more,
    })
    onTestFinished(() => running.close())
    return running
  }
  return {
    config,
    directory,
    lockFile,
    log,
    url: (region) => config.nodes[region]?.[0]?.url ?? '',
    start,
    startAll: () => Promise.all(REGIONS.map((region) => start(region))),
  }
}

/** A client of a cluster, in one region. */
export function clientOf<S extends Schema>(
  cluster: Cluster,
  schema: S,
  region: Region,
  options: Omit<HttpDeploymentOptions, 'nodes'> = {},
): Promise<Database<S>> {
  const nodes = Object.fromEntries(REGIONS.map((one) => [one, cluster.url(one)]))
  return connect({ schema, region, deployment: httpDeployment({ ...options, nodes }) })
}

/** What a node answers on one of its pages. */
export async function page(
  url: string,
  path: string,
  token?: string,
): Promise<{ readonly status: number; readonly text: string }> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const answer = await fetch(url + path, { headers })
  return { status: answer.status, text: await answer.text() }
}

/** How a message is sent. */
export interface SendOptions {
  readonly header?: Partial<RequestHeader>
  readonly token?: string
  /** Default: the region that is asked. */
  readonly clientRegion?: string
}

/** An answer, with the status that it came with. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly response: WireResponse
}

/** Sends a message of the protocol to the node of a region. */
export async function send(
  url: string,
  region: string,
  body: RequestBody,
  options: SendOptions = {},
): Promise<Answer> {
  const header: RequestHeader = {
    version: PROTOCOL_VERSION,
    schemaVersion: 1,
    principal: null,
    clientRegion: options.clientRegion ?? region,
    timeoutMs: 20_000,
    session: { positions: {}, nowMs: 0 },
    trace: null,
    forwarded: false,
    ...options.header,
  }
  return post(url, region, encodeRequest({ header, body }), options.token)
}

/** Sends bytes as a message. */
export async function post(
  url: string,
  region: string,
  bytes: Uint8Array,
  token?: string,
): Promise<Answer> {
  const answer = await fetch(`${url}${REQUEST_PATH}`, {
    method: 'POST',
    headers: {
      'content-type': MESSAGE_CONTENT_TYPE,
      [REGION_HEADER]: region,
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: bytes as Uint8Array<ArrayBuffer>,
  })
  const response = decodeResponse(new Uint8Array(await answer.arrayBuffer()))
  return { status: answer.status, headers: answer.headers, response }
}
