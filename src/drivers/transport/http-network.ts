/**
 * Driver: the network of regions in several processes. A request is a POST over a kept connection,
 * a channel a WebSocket; regions of this process are reached without either.
 *
 * The serving side is a handler of the HTTP server, which finds here what a region serves. Its
 * answers carry `MESSAGE_CONTENT_TYPE` whatever their status; status 421 (RFC 9110, 15.5.20)
 * without one says that the region is not served there and nothing was done. Of several nodes of a
 * region the next one is asked where one cannot be reached.
 */
import { Agent } from 'node:http'
import { Agent as TlsAgent } from 'node:https'
import { MeridianError } from '../../core/errors.ts'
import { NodeChoice } from '../../core/node-choice.ts'
import type { MessageSocket } from '../../core/ports/http.ts'
import type { Runtime } from '../../core/ports/runtime.ts'
import type {
  Channel,
  ChannelService,
  Network,
  Transport,
  TransportHandlers,
} from '../../core/ports/transport.ts'
import {
  CHANNEL_PATH_PREFIX,
  MESSAGE_CONTENT_TYPE,
  REGION_HEADER,
  REQUEST_PATH,
} from '../../core/wire-http.ts'
import { post, PostFailure, type PostAnswer } from './http-post.ts'
import { createInProcessNetwork, type InProcessNetwork } from './in-process-network.ts'
import { openSocket } from './open-channel.ts'
import { cancelled, noAnswer, unreachable } from './transport-errors.ts'
import { WsChannel } from './ws-channel.ts'

/** Who is where. */
export interface HttpNetworkOptions {
  /** The nodes of each region. */
  readonly nodes: Readonly<Record<string, readonly { readonly url: string }[]>>
  /** The URL of this process among them: it is not asked. */
  readonly own?: string
  /** The regions of this process. */
  readonly local: readonly string[]
  /** The `authorization` header for calls from a region to another, asked for every call. */
  readonly authorization?: (to: string, from: string) => Promise<string | undefined>
  /** PEM: the authority of the nodes' certificates, where it is no public one. */
  readonly ca?: string
  readonly runtime: Runtime
  /** How long a request to another process waits for its answer. Default 30,000. */
  readonly requestTimeoutMs?: number
}

/** A network, with what its serving side needs. */
export interface HttpNetwork extends Network {
  /** What answers for a region of this process, while somebody listens there. */
  serving(region: string): TransportHandlers | undefined
  /** Makes a channel of a WebSocket that another node opened. */
  acceptChannel(socket: MessageSocket): Channel
  /** Ends requests and channels. */
  close(): Promise<void>
}

const DEFAULT_REQUEST_TIMEOUT_MS = 30_000
const CONNECT_TIMEOUT_MS = 5000
/**
 * Below the idle time of servers (65 s of ours, 60 s of common proxies): a connection that the
 * other side is about to close would make the outcome of the next request unknown.
 */
const IDLE_TIMEOUT_MS = 30_000
const MAX_CONNECTIONS_PER_NODE = 256
const MAX_ANSWER_BYTES = 256 * 1024 * 1024
const MISDIRECTED_REQUEST = 421
const UNAVAILABLE = 503

/** Makes the network; nothing is connected before the first call. */
export function createHttpNetwork(options: HttpNetworkOptions): HttpNetwork {
  return new NodeNetwork(options)
}

class NodeNetwork implements HttpNetwork {
  readonly #options: HttpNetworkOptions
  readonly #local: InProcessNetwork
  readonly #served = new Map<string, TransportHandlers>()
  /** URLs of the other processes, by region. */
  readonly #others: NodeChoice<string>
  /** Open channels; those that were accepted with the region that serves them. */
  readonly #channels = new Map<WsChannel, string | undefined>()
  readonly #plainAgent: Agent
  readonly #tlsAgent: Agent
  readonly #closed = new AbortController()

  constructor(options: HttpNetworkOptions) {
    this.#options = options
    this.#others = new NodeChoice(otherNodes(options))
    this.#local = createInProcessNetwork({
      oneWayDelayMs: () => 0,
      timers: options.runtime.timers,
    })
    const settings = {
      keepAlive: true,
      noDelay: true,
      maxSockets: MAX_CONNECTIONS_PER_NODE,
      timeout: IDLE_TIMEOUT_MS,
    }
    this.#plainAgent = new Agent(settings)
    this.#tlsAgent = new TlsAgent({
      ...settings,
      minVersion: 'TLSv1.2',
      ...(options.ca === undefined ? {} : { ca: options.ca }),
    })
  }

  transport(from: string): Transport {
    const local = this.#local.transport(from)
    return {
      request: (to, message, signal) =>
        this.#isLocal(to)
          ? local.request(to, message, signal)
          : this.#request(from, to, message, signal),
      connect: (to, service) =>
        this.#isLocal(to) ? local.connect(to, service) : this.#connect(from, to, service),
    }
  }

  listen(region: string, handlers: TransportHandlers): () => void {
    const stopLocal = this.#local.listen(region, handlers)
    const waiting = new Set<() => void>()
    const served: TransportHandlers = {
      onRequest: async (message, caller) =>
        unlessStopped(handlers.onRequest(message, caller), waiting, () =>
          noAnswer(caller.subject, region),
        ),
      onChannel: (channel, service, caller) => {
        if (channel instanceof WsChannel && this.#channels.has(channel)) {
          this.#channels.set(channel, region)
        }
        handlers.onChannel(channel, service, caller)
      },
    }
    this.#served.set(region, served)
    return () => {
      stopLocal()
      if (this.#served.get(region) !== served) return
      this.#served.delete(region)
      for (const stop of waiting) stop()
      for (const [channel, servedRegion] of this.#channels) {
        if (servedRegion === region) channel.close()
      }
    }
  }

  serving(region: string): TransportHandlers | undefined {
    return this.#served.get(region)
  }

  acceptChannel(socket: MessageSocket): Channel {
    return this.#keep(socket)
  }

  async close(): Promise<void> {
    this.#closed.abort()
    for (const channel of this.#channels.keys()) channel.close()
    this.#plainAgent.destroy()
    this.#tlsAgent.destroy()
  }

  #isClosed(): boolean {
    return this.#closed.signal.aborted
  }

  /** Whether it is asked without a connection. One that has other nodes may be held by them. */
  #isLocal(region: string): boolean {
    if (!this.#options.local.includes(region)) return false
    return this.#served.has(region) || this.#others.inTurn(region).length === 0
  }

  #keep(socket: MessageSocket): WsChannel {
    const channel = new WsChannel(socket, (ended) => this.#channels.delete(ended))
    this.#channels.set(channel, undefined)
    return channel
  }

  async #request(
    from: string,
    to: string,
    message: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    if (isAborted(signal)) throw cancelled(signal, 'safe')
    return this.#ask(from, to, (node) => this.#post(node, from, to, message, signal))
  }

  /** @throws MeridianError `REGION_UNREACHABLE` where there is nobody to ask, too */
  #ask<Answer>(from: string, to: string, ask: (node: string) => Promise<Answer>): Promise<Answer> {
    if (this.#others.inTurn(to).length === 0) throw unreachable(from, to, 'safe')
    return this.#others.ask(to, ask)
  }

  async #post(
    node: string,
    from: string,
    to: string,
    message: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    const { runtime, requestTimeoutMs } = this.#options
    const url = new URL(node + REQUEST_PATH)
    const headers = await this.#headers(from, to)
    // As over every network: a call that was given up after it began has an unknown outcome.
    if (isAborted(signal)) throw cancelled(signal, 'unknown-outcome')
    if (this.#isClosed()) throw unreachable(from, to, 'safe')
    const request = {
      url,
      agent: url.protocol === 'https:' ? this.#tlsAgent : this.#plainAgent,
      headers: { ...headers, 'content-type': MESSAGE_CONTENT_TYPE, [REGION_HEADER]: to },
      body: message,
      timeoutMs: requestTimeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      maxAnswerBytes: MAX_ANSWER_BYTES,
      timers: runtime.timers,
      signal,
    }
    try {
      const answer = await post(request)
      if (isByAnother(answer)) this.#others.avoid(to, node)
      else this.#others.prefer(to, node)
      return answerOf(from, to, answer)
    } catch (error) {
      if (!(error instanceof PostFailure)) throw error
      if (error.isAborted && signal !== undefined) throw cancelled(signal, 'unknown-outcome')
      throw unreachable(from, to, error.isSent ? 'unknown-outcome' : 'safe', error.cause)
    }
  }

  async #connect(from: string, to: string, service: ChannelService): Promise<Channel> {
    return this.#ask(from, to, (node) => this.#open(node, from, to, service))
  }

  async #open(node: string, from: string, to: string, service: ChannelService): Promise<Channel> {
    const { runtime, ca } = this.#options
    const url = new URL(`${node}${CHANNEL_PATH_PREFIX}/${encodeURIComponent(to)}/${service}`)
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
    const headers = await this.#headers(from, to)
    if (this.#isClosed()) throw unreachable(from, to, 'safe')
    const socket = await openSocket({
      url: url.href,
      headers,
      ca,
      from,
      to,
      timeoutMs: CONNECT_TIMEOUT_MS,
      timers: runtime.timers,
      signal: this.#closed.signal,
    })
    const channel = this.#keep(socket)
    if (this.#isClosed()) channel.close()
    return channel
  }

  async #headers(from: string, to: string): Promise<Record<string, string>> {
    const authorization = await this.#options.authorization?.(to, from)
    return authorization === undefined ? {} : { authorization }
  }
}

function otherNodes({ nodes, own }: HttpNetworkOptions): ReadonlyMap<string, readonly string[]> {
  return new Map(
    Object.entries(nodes).map(([region, ofRegion]) => [
      region,
      ofRegion.filter(({ url }) => url !== own).map(({ url }) => url.replace(/\/+$/, '')),
    ]),
  )
}

/** Whether it would have come sooner from another node, or might come from one. */
function isByAnother({ status, isPassed }: PostAnswer): boolean {
  return isPassed || status === UNAVAILABLE
}

function isAborted(signal: AbortSignal | undefined): signal is AbortSignal {
  return signal?.aborted === true
}

function answerOf(from: string, to: string, answer: PostAnswer): Uint8Array {
  if (answer.contentType === MESSAGE_CONTENT_TYPE) return answer.body
  if (answer.status === MISDIRECTED_REQUEST) throw unreachable(from, to, 'safe')
  throw noAnswer(from, to, undefined, answer.status)
}

/** The work's outcome, unless it is stopped before: what stops it is in `waiting` until then. */
function unlessStopped<T>(
  work: Promise<T>,
  waiting: Set<() => void>,
  reason: () => MeridianError,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(reason())
    waiting.add(stop)
    work.then(resolve, reject).finally(() => waiting.delete(stop))
  })
}
