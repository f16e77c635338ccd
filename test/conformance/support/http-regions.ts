/** Regions `a` and `b` in two networks that reach each other over HTTP alone. */
import { onTestFinished } from 'vitest'
import type { HttpHandler, HttpRequest } from '../../../src/core/ports/http.ts'
import type { ChannelService, Network } from '../../../src/core/ports/transport.ts'
import { PROCESS_CALLER } from '../../../src/core/principal.ts'
import {
  CHANNEL_PATH_PREFIX,
  MESSAGE_CONTENT_TYPE,
  REGION_HEADER,
} from '../../../src/core/wire-http.ts'
import { startHttpServer, type RunningHttpServer } from '../../../src/drivers/http/http-server.ts'
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'
import {
  createHttpNetwork,
  type HttpNetwork,
  type HttpNetworkOptions,
} from '../../../src/drivers/transport/http-network.ts'
import { MAX_CHANNEL_MESSAGE_BYTES } from '../../../src/drivers/transport/ws-channel.ts'
import type { SelfSigned } from '../../support/certificates.ts'

const MAX_BODY_BYTES = 16 * 1024 * 1024

/** The least handler that serves a network: what a node does, without its checks. */
function networkHandler(network: HttpNetwork): HttpHandler {
  return {
    request: async (request: HttpRequest) => {
      const handlers = network.serving(request.headers[REGION_HEADER] ?? '')
      if (handlers === undefined) return { status: 421 }
      const body = await handlers.onRequest(await request.body(MAX_BODY_BYTES), PROCESS_CALLER)
      return { status: 200, headers: { 'content-type': MESSAGE_CONTENT_TYPE }, body }
    },
    upgrade: async (request) => {
      const [region = '', service] = request.path.slice(CHANNEL_PATH_PREFIX.length + 1).split('/')
      const handlers = network.serving(region)
      if (handlers === undefined) return { kind: 'refuse', response: { status: 421 } }
      return {
        kind: 'open',
        maxMessageBytes: MAX_CHANNEL_MESSAGE_BYTES,
        open: (socket) => {
          const channel = network.acceptChannel(socket)
          handlers.onChannel(channel, service as ChannelService, PROCESS_CALLER)
        },
      }
    },
  }
}

/** Two processes in one: `b` has a server, `a` calls it. */
export interface HttpRegions {
  readonly network: Network
  readonly a: HttpNetwork
  readonly b: HttpNetwork
  readonly server: RunningHttpServer
}

/** Starts both; they end with the test. `via`: where `a` looks for `b`, by default its server. */
export async function openHttpRegions(
  options: {
    readonly tls?: SelfSigned
    readonly via?: (server: RunningHttpServer) => Promise<string> | string
    readonly calls?: Partial<HttpNetworkOptions>
  } = {},
): Promise<HttpRegions> {
  const { tls, via, calls } = options
  const runtime = systemRuntime
  const b = createHttpNetwork({ nodes: {}, local: ['b'], runtime })
  const server = await startHttpServer({
    host: '127.0.0.1',
    port: 0,
    handler: networkHandler(b),
    runtime,
    ...(tls === undefined ? {} : { tls }),
  })
  const a = createHttpNetwork({
    nodes: { b: [{ url: via === undefined ? server.url : await via(server) }] },
    local: ['a'],
    runtime,
    ...(tls === undefined ? {} : { ca: tls.certificate }),
    ...calls,
  })
  onTestFinished(async () => {
    await Promise.all([a.close(), b.close(), server.close({ drainTimeoutMs: 100 })])
  })
  const of = (region: string): HttpNetwork => (region === 'b' ? b : a)
  const network: Network = {
    transport: (from) => of(from).transport(from),
    listen: (region, handlers) => of(region).listen(region, handlers),
  }
  return { network, a, b, server }
}
