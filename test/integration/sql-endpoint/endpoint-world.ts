/** The SQL endpoint of a market's regions behind HTTP servers of their own, with tokens by name. */
import { createClient, type Client } from '@libsql/client'
import { MeridianError } from '../../../src/core/errors.ts'
import type { HttpHandler, HttpResponse } from '../../../src/core/ports/http.ts'
import { FULL_PRINCIPAL, type Caller, type Principal } from '../../../src/core/principal.ts'
import { SQL_PATH_PREFIX } from '../../../src/core/wire-http.ts'
import { startHttpServer } from '../../../src/drivers/http/http-server.ts'
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'
import {
  createSqlEndpoint,
  type SqlEndpointOptions,
} from '../../../src/node/sql-endpoint/sql-endpoint.ts'
import { openMarket, REGIONS, type OpenMarket } from '../../support/market.ts'
import type { TestOptions } from '../../../src/testing/index.ts'
import type { Market } from '../../support/market.ts'

/** What stands in every row that no reader of `acme` may see. */
export const CANARY = 'canary-41d8'

export interface ClientOptions {
  readonly token?: string
  readonly region?: string
  readonly scheme?: 'http' | 'ws'
  readonly intMode?: 'number' | 'bigint'
}

export interface EndpointWorld extends AsyncDisposable {
  readonly market: OpenMarket
  /** Names a token and what it allows. */
  token(name: string, principal: Partial<Principal>): string
  /** Base URL of a tenant's rows in a region ('' for the global scope). */
  url(tenant: string, region?: string, scheme?: 'http' | 'ws'): string
  /** Sends a request to the endpoint of us-east without a socket; resolves with its body's text. */
  post(tenant: string, path: string, body: string): Promise<{ status: number; text: string }>
  /** An unmodified client of libSQL; it is closed with the world. */
  client(tenant: string, options?: ClientOptions): Client
}

export interface WorldOptions {
  readonly market?: Omit<TestOptions<Market>, 'schema'>
  readonly limits?: Partial<SqlEndpointOptions['limits']>
}

/** Opens a market and, for each region, its endpoint. The token `all` may do everything. */
export async function openEndpoint(options: WorldOptions = {}): Promise<EndpointWorld> {
  const market = await openMarket(options.market)
  const callers = new Map<string, Caller>()
  const closing: (() => Promise<void> | void)[] = []
  const urls = new Map<string, string>()
  const handlers = new Map<string, HttpHandler>()
  const token = (name: string, principal: Partial<Principal>): string => {
    const full = { ...FULL_PRINCIPAL, ...principal }
    callers.set(name, { kind: 'client', subject: name, principal: full })
    return name
  }
  token('all', {})
  const callerOf = (name: string | null | undefined): Caller => {
    const caller = callers.get(name ?? '')
    if (caller !== undefined) return caller
    throw new MeridianError('UNAUTHENTICATED', 'The token is unknown.')
  }
  for (const name of REGIONS) {
    const endpoint = createSqlEndpoint({
      regions: [name],
      region: (region) => market.meridian.deployment.node(region).sql,
      runtime: systemRuntime,
      limits: { queryTimeoutMs: 10_000, maxBodyBytes: 1_000_000, ...options.limits },
    })
    const handler: HttpHandler = {
      async request(request) {
        try {
          const caller = callerOf(request.headers['authorization']?.replace('Bearer ', ''))
          return await endpoint.request(request, request.path.slice(SQL_PATH_PREFIX.length), caller)
        } catch (error) {
          return { status: 401, body: (error as Error).message }
        }
      },
      async upgrade(request, protocols) {
        const path = request.path.slice(SQL_PATH_PREFIX.length)
        return endpoint.upgrade(request, path, protocols, async (jwt) => callerOf(jwt))
      },
    }
    handlers.set(name, handler)
    const server = await startHttpServer({
      host: '127.0.0.1',
      port: 0,
      handler,
      runtime: systemRuntime,
    })
    urls.set(name, server.url)
    closing.push(async () => {
      await endpoint.close()
      await server.close({ drainTimeoutMs: 1000 })
    })
  }
  const url: EndpointWorld['url'] = (tenant, region = 'us-east', scheme = 'http') => {
    const base = (urls.get(region) ?? '').replace('http', scheme)
    return `${base}${SQL_PATH_PREFIX}/${tenant === '' ? '' : `${encodeURIComponent(tenant)}/`}`
  }
  return {
    market,
    token,
    url,
    async post(tenant, path, body) {
      const handler = handlers.get('us-east') as HttpHandler
      const answer = await handler.request({
        method: 'POST',
        path: `${SQL_PATH_PREFIX}/${tenant}/${path}`,
        query: new URLSearchParams(),
        headers: { authorization: 'Bearer all' },
        remoteAddress: '127.0.0.1',
        signal: new AbortController().signal,
        body: async () => new TextEncoder().encode(body),
      })
      return { status: answer.status, text: await textOf(answer.body) }
    },
    client(tenant, { token: name = 'all', region, scheme, intMode = 'number' } = {}) {
      const client = createClient({
        url: url(tenant, region, scheme),
        authToken: name,
        tls: false,
        intMode,
      })
      closing.unshift(() => client.close())
      return client
    },
    async [Symbol.asyncDispose]() {
      for (const close of closing) await close()
      await market[Symbol.asyncDispose]()
    },
  }
}

async function textOf(body: HttpResponse['body']): Promise<string> {
  if (body === undefined || typeof body === 'string') return body ?? ''
  const pieces = body instanceof Uint8Array ? [body] : body
  let text = ''
  for await (const piece of pieces) {
    text += typeof piece === 'string' ? piece : new TextDecoder('latin1').decode(piece)
  }
  return text
}
