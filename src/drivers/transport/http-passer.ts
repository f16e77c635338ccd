/**
 * Passes requests and WebSockets to another node as they came, like a reverse proxy: the same bytes
 * under the same `authorization`, so that the other node judges its caller by itself.
 */
import { Agent, type IncomingMessage } from 'node:http'
import { Agent as TlsAgent } from 'node:https'
import type { HttpRequest, HttpResponse, UpgradeDecision } from '../../core/ports/http.ts'
import type { Timers } from '../../core/ports/runtime.ts'
import { MAX_DEADLINE_MS } from '../../core/limits.ts'
import { HEALTH_PATH } from '../../core/wire-http.ts'
import { sendRequest } from './http-post.ts'
import { couple, openPassedSocket } from './ws-pass.ts'

/** A request that is passed on. */
export interface Passed {
  /** Where the other node is. */
  readonly node: string
  readonly request: HttpRequest
  /** Headers that are set or replaced. */
  readonly headers: Readonly<Record<string, string>>
  readonly signal: AbortSignal
}

/** How it is made. */
export interface HttpPasserOptions {
  /** PEM: the authority of the nodes' certificates, where it is no public one. */
  readonly ca?: string | undefined
  readonly timers: Timers
}

const CONNECT_TIMEOUT_MS = 5000
const PROBE_TIMEOUT_MS = 3000
/** Below the idle time of the node that is asked: the side that sends is the side that closes. */
const IDLE_TIMEOUT_MS = 30_000
/** As many as a node takes at once. */
const MAX_CONNECTIONS = 1024
/** How long a caller may take to accept the WebSocket that was opened for it. */
const ACCEPT_TIMEOUT_MS = 10_000
/** Of one connection, or of the form in which the body came: it goes on in another one. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'content-encoding',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

export class HttpPasser {
  readonly #options: HttpPasserOptions
  readonly #plainAgent: Agent
  readonly #tlsAgent: TlsAgent
  readonly #closed = new AbortController()

  constructor(options: HttpPasserOptions) {
    this.#options = options
    const settings = {
      keepAlive: true,
      noDelay: true,
      maxSockets: MAX_CONNECTIONS,
      timeout: IDLE_TIMEOUT_MS,
    }
    this.#plainAgent = new Agent(settings)
    const { ca } = options
    const trusted = ca === undefined ? {} : { ca }
    this.#tlsAgent = new TlsAgent({ ...settings, minVersion: 'TLSv1.2', ...trusted })
  }

  /**
   * Resolves with the head of the answer; its body follows as it comes.
   *
   * @throws PostFailure
   */
  request(passed: Passed, body: Uint8Array): Promise<HttpResponse> {
    const { node, request, headers, signal } = passed
    const url = urlAt(node, request)
    return sendRequest(
      {
        method: request.method,
        url,
        agent: this.#agentOf(url),
        headers: { ...endToEnd(request.headers), ...headers },
        body,
        timeoutMs: MAX_DEADLINE_MS,
        connectTimeoutMs: CONNECT_TIMEOUT_MS,
        timers: this.#options.timers,
        signal: AbortSignal.any([signal, this.#closed.signal]),
      },
      async (incoming) => ({
        status: incoming.statusCode ?? 502,
        headers: endToEnd(firstOf(incoming)),
        body: incoming as AsyncIterable<Uint8Array>,
      }),
    )
  }

  /**
   * Opens the WebSocket that a caller asks for at the other node, and couples both.
   *
   * @throws PostFailure
   */
  async upgrade(passed: Passed, protocols: readonly string[]): Promise<UpgradeDecision> {
    const { node, request, headers } = passed
    const { ca, timers } = this.#options
    const url = urlAt(node, request)
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
    const opened = await openPassedSocket({
      url,
      protocols,
      headers: { ...withoutHandshake(endToEnd(request.headers)), ...headers },
      ca,
      timeoutMs: CONNECT_TIMEOUT_MS,
      timers,
      signal: AbortSignal.any([passed.signal, this.#closed.signal]),
    })
    if (opened.kind === 'refused') return { kind: 'refuse', response: opened.response }
    const { socket: far, protocol, maxMessageBytes } = opened
    const stopTimer = timers.after(ACCEPT_TIMEOUT_MS, () => far.close())
    return {
      kind: 'open',
      ...(protocol === '' ? {} : { protocol }),
      maxMessageBytes,
      open: (near) => {
        stopTimer()
        const end = (): void => near.close()
        this.#closed.signal.addEventListener('abort', end, { once: true })
        couple(near, far, timers, () => this.#closed.signal.removeEventListener('abort', end))
      },
    }
  }

  /** Whether a node answers at all. */
  async reaches(node: string): Promise<boolean> {
    const url = new URL(node.replace(/\/+$/, '') + HEALTH_PATH)
    const request = {
      method: 'GET',
      url,
      agent: this.#agentOf(url),
      headers: {},
      body: new Uint8Array(0),
      timeoutMs: PROBE_TIMEOUT_MS,
      connectTimeoutMs: PROBE_TIMEOUT_MS,
      timers: this.#options.timers,
      signal: this.#closed.signal,
    }
    try {
      return await sendRequest(request, async (incoming) => {
        incoming.resume()
        return incoming.statusCode === 200
      })
    } catch {
      return false
    }
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    this.#closed.abort()
    this.#plainAgent.destroy()
    this.#tlsAgent.destroy()
  }

  #agentOf(url: URL): Agent {
    return url.protocol === 'https:' ? this.#tlsAgent : this.#plainAgent
  }
}

/** The path is encoded anew: what was read of it is decoded. */
function urlAt(node: string, { path, query }: HttpRequest): URL {
  const encoded = path.split('/').map(encodeURIComponent).join('/')
  const search = query.toString()
  return new URL(`${node.replace(/\/+$/, '')}${encoded}${search === '' ? '' : `?${search}`}`)
}

function endToEnd(headers: HttpRequest['headers']): Record<string, string> {
  const kept: Record<string, string> = {}
  // What `connection` names is of that connection, too.
  const named = (headers['connection'] ?? '').toLowerCase().split(/[\s,]+/)
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && !HOP_BY_HOP.has(name) && !named.includes(name)) kept[name] = value
  }
  return kept
}

function withoutHandshake(headers: Record<string, string>): Record<string, string> {
  const kept = Object.entries(headers).filter(([name]) => !name.startsWith('sec-websocket-'))
  return Object.fromEntries(kept)
}

function firstOf(incoming: IncomingMessage): HttpRequest['headers'] {
  const entries = Object.entries(incoming.headersDistinct)
  return Object.fromEntries(entries.map(([name, values]) => [name, values?.[0]]))
}
