/** `httpDeployment`: nodes that are reached over HTTP, to `connect` to. */
import { MeridianError } from '../../core/errors.ts'
import { DEFAULT_DEADLINE_MS } from '../../core/limits.ts'
import type { KeyWrapper } from '../../core/ports/key-wrapper.ts'
import { REQUEST_PATH } from '../../core/wire-http.ts'
import { webAeadSuite } from '../../crypto/web-suite.ts'
import type { SchemaLock } from '../../schema/lock.ts'
import type { Deployment } from '../connect.ts'
import { requireHedge, type HedgeOptions } from '../hedge.ts'
import type { Tracer } from '../tracing.ts'
import { createHttpTransport, requireEndpoints, type Fetch } from './http-transport.ts'
import { TokenSource, type Token } from './token-source.ts'
import { webRuntime } from './web-runtime.ts'

/** Options of `httpDeployment`. */
export interface HttpDeploymentOptions {
  /**
   * The URL of each region's node, or of each of its nodes, `https:` or `http:`; a path before the
   * node's own may follow. The next node is asked where one cannot be reached.
   */
  readonly nodes: Readonly<Record<string, string | readonly string[]>>
  /**
   * The token of this service. A function is asked at the first request, and once more when a node
   * answers `UNAUTHENTICATED`: give it a way to a fresh one.
   */
  readonly token?: Token
  /** The content of `meridian.lock.json`; needed once the schema has changed for the first time. */
  readonly lock?: SchemaLock
  /** Signs session tokens, 32 bytes; without it sessions cannot be exported. */
  readonly sessionKey?: Uint8Array
  /** Unwraps data keys; without it encrypted columns cannot be used. */
  readonly keyWrapper?: KeyWrapper
  /** Sends a read a second time when its answer takes long. Off when left out. */
  readonly hedge?: HedgeOptions
  /** Used instead of the global `fetch`. */
  readonly fetch?: Fetch
  /** Makes an OpenTelemetry span of each call, which the nodes' spans hang from. */
  readonly tracer?: Tracer
  /** Deadline of calls that name none, in milliseconds; 10,000 when left out. */
  readonly deadlineMs?: number
}

/**
 * A deployment whose nodes are reached over HTTP, from wherever there is `fetch`: browsers, workers,
 * Deno, Bun, Node. Nothing is sent before the first call.
 *
 * @throws MeridianError `INVALID_ARGUMENT` for what is no URL of a node, or no time
 */
export function httpDeployment(options: HttpDeploymentOptions): Deployment {
  const endpoints = new Map(
    Object.entries(options.nodes).map(([region, urls]) => [region, endpointsOf(region, urls)]),
  )
  const transport = createHttpTransport({
    endpoints,
    tokens: new TokenSource(options.token),
    // Browsers and workers refuse a `fetch` that is called as the method of another object.
    fetch: options.fetch ?? ((url, init) => fetch(url, init)),
  })
  return {
    transport(region) {
      requireEndpoints(endpoints, region)
      return transport
    },
    runtime: webRuntime,
    lock: options.lock,
    sessionKey: options.sessionKey,
    keyWrapper: () => options.keyWrapper,
    cipherSuite: webAeadSuite,
    deadlineMs: options.deadlineMs ?? DEFAULT_DEADLINE_MS,
    hedge: requireHedge(options.hedge),
    tracer: options.tracer,
  }
}

/** Where the nodes of a region take messages. */
function endpointsOf(region: string, urls: string | readonly string[]): readonly string[] {
  const endpoints = [urls].flat().map((url) => endpointOf(region, url))
  return endpoints.length > 0 ? endpoints : [endpointOf(region, '')]
}

/** Where a node takes messages. Nothing of the URL is repeated in an error: it may hold a secret. */
function endpointOf(region: string, text: string): string {
  const url = parseUrl(text)
  const isPlain = url !== undefined && url.username + url.password + url.search + url.hash === ''
  if (isPlain && (url.protocol === 'https:' || url.protocol === 'http:')) {
    return url.href.replace(/\/$/, '') + REQUEST_PATH
  }
  throw new MeridianError('INVALID_ARGUMENT', `\`nodes\` has no URL of a node for ${region}.`, {
    fix: 'Give it as `https://host:port`, without credentials, query or fragment.',
    details: { region },
  })
}

function parseUrl(text: string): URL | undefined {
  try {
    return new URL(text)
  } catch {
    return undefined
  }
}
