/**
 * A deployment under test whose clients come over HTTP: a server in front of each region's node, and
 * clients on `fetch`. The distance and the cuts between regions are the client's: a cut link refuses
 * new requests before anything is sent and breaks those under way, so that what a test cuts is cut
 * when its next line runs, and no request meets a socket from before.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { connect, type Database } from '../../src/client/index.ts'
import { httpDeployment } from '../../src/client/http/index.ts'
import { oneWayMs, scaleTopology } from '../../src/config/topology.ts'
import { toWireError } from '../../src/core/errors.ts'
import { MAX_MESSAGE_BYTES } from '../../src/core/limits.ts'
import type { HttpHandler } from '../../src/core/ports/http.ts'
import { MESSAGE_CONTENT_TYPE, REGION_HEADER } from '../../src/core/wire-http.ts'
import { startHttpServer, type RunningHttpServer } from '../../src/drivers/http/http-server.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import { LinkTable } from '../../src/drivers/transport/link-table.ts'
import type { EmbeddedDeployment } from '../../src/node/embedded.ts'
import { encodeResponse } from '../../src/protocol/codec.ts'
import type { Schema } from '../../src/schema/define.ts'
import type { TestMeridian } from '../../src/testing/index.ts'

/** Whether this run's clients come over HTTP; set by the project `http` of `vitest.config.ts`. */
export const IS_OVER_HTTP: boolean = process.env['MERIDIAN_TEST_TRANSPORT'] === 'http'

const DEADLINE_MS = 60_000

/** Puts servers before a deployment's nodes, and its clients behind them. */
export async function overHttp<S extends Schema>(
  meridian: TestMeridian<S>,
  schema: S,
  delayScale: number,
): Promise<TestMeridian<S>> {
  const embedded = meridian.deployment
  const links = new LinkTable()
  const servers = await serveNodes(embedded)
  const nodes = Object.fromEntries([...servers].map(([region, { url }]) => [region, url]))
  const topology = scaleTopology(embedded.config.topology, delayScale)
  const clientIn = (from: string): ReturnType<typeof httpDeployment> =>
    httpDeployment({
      nodes,
      fetch: fetchFrom(from, links, (to) => oneWayMs(topology, from, to)),
    })
  const deployment: EmbeddedDeployment = {
    ...embedded,
    // What a test bounds it bounds itself; all else may take what a busy machine takes.
    deadlineMs: DEADLINE_MS,
    cipherSuite: clientIn('').cipherSuite,
    transport: (region) => clientIn(region).transport(region),
  }
  const clients: Database<S>[] = []
  const close = async (): Promise<void> => {
    for (const client of clients) await client.close()
    for (const server of servers.values()) await server.close({ drainTimeoutMs: 0 })
    await meridian.close()
  }
  return {
    ...meridian,
    deployment,
    async connect(region = embedded.config.regions[0]!) {
      const client = await connect({ schema, region, deployment })
      clients.push(client)
      return client
    },
    partition(a, b) {
      meridian.partition(a, b)
      links.partition(a, b)
    },
    heal(a, b) {
      if (a === undefined || b === undefined) links.healAll()
      else links.heal(a, b)
      meridian.heal(a, b)
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** A server before each node: its handler is what a node process does with a message, and no more. */
export async function serveNodes(
  deployment: EmbeddedDeployment,
): Promise<ReadonlyMap<string, RunningHttpServer>> {
  const servers = new Map<string, RunningHttpServer>()
  for (const region of deployment.config.regions) {
    const handler: HttpHandler = {
      async request(request) {
        const body = await answer(deployment, region, await request.body(MAX_MESSAGE_BYTES))
        return { status: 200, headers: { 'content-type': MESSAGE_CONTENT_TYPE }, body }
      },
    }
    const options = { host: '127.0.0.1', port: 0, handler, runtime: systemRuntime }
    servers.set(region, await startHttpServer(options))
  }
  return servers
}

async function answer(
  deployment: EmbeddedDeployment,
  region: string,
  message: Uint8Array,
): Promise<Uint8Array> {
  try {
    return await deployment.transport(region).request(region, message)
  } catch (error) {
    return encodeResponse({ ok: false, error: toWireError(error), receipt: null })
  }
}

/** `fetch` from a region: each way takes its time, and a link that is cut ends it. */
function fetchFrom(
  from: string,
  links: LinkTable,
  delayMs: (to: string) => number,
): (url: string, init: RequestInit) => Promise<Response> {
  return async (url, init) => {
    const to = new Headers(init.headers).get(REGION_HEADER) as string
    if (!links.reachable(from, to)) throw fetchFailed('ECONNREFUSED')
    const cut = new AbortController()
    const release = links.use(from, to, { break: () => cut.abort(fetchFailed('ECONNRESET')) })
    try {
      const signal = AbortSignal.any([cut.signal, ...(init.signal ? [init.signal] : [])])
      await oneWay(delayMs(to), signal)
      const response = await fetch(url, { ...init, signal })
      const body = await response.arrayBuffer()
      await oneWay(delayMs(to), signal)
      return new Response(body, { status: response.status, headers: response.headers })
    } finally {
      release()
    }
  }
}

async function oneWay(delayMs: number, signal: AbortSignal): Promise<void> {
  // What `pause` throws wraps the signal's reason.
  if (delayMs > 0) await pause(delayMs, undefined, { signal }).catch(() => undefined)
  signal.throwIfAborted()
}

/** What Node's `fetch` rejects with. */
function fetchFailed(code: string): TypeError {
  return new TypeError('fetch failed', { cause: Object.assign(new Error(code), { code }) })
}
