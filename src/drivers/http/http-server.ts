/**
 * Driver: the HTTP and WebSocket server of a process. Every resource that a peer could hold is
 * bounded here, in number, size and time, so that handlers see well-formed requests only.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { Server as NetServer, type AddressInfo, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import type { HttpHandler } from '../../core/ports/http.ts'
import type { Runtime } from '../../core/ports/runtime.ts'
import { exchange, type ExchangeContext } from './http-exchange.ts'
import { upgrade } from './upgrade.ts'

/** What is served where. */
export interface HttpServerOptions {
  /** A name or address to bind. */
  readonly host: string
  /** 0: any that is free. */
  readonly port: number
  readonly handler: HttpHandler
  /** PEM texts; TLS 1.2 and above. `ca`: what completes the chain. */
  readonly tls?: { readonly certificate: string; readonly key: string; readonly ca?: string }
  readonly runtime: Runtime
  /** Connections beyond are answered with 503 and closed at once. Default 10,000. */
  readonly maxConnections?: number
  /** In which the head of a request, or a TLS handshake, must be complete. Default 10,000. */
  readonly headerTimeoutMs?: number
  /** In which a body must end or bring 16 KiB, again and again. Default 10,000. */
  readonly bodyTimeoutMs?: number
  /**
   * How long a connection is kept without a request. Default 65,000: longer than clients and
   * proxies keep theirs, so that the side that sends is the side that closes.
   */
  readonly idleTimeoutMs?: number
  /** Told of what a handler threw; its text is never sent. */
  readonly onError?: (error: unknown) => void
}

/** A server that runs. */
export interface RunningHttpServer {
  readonly host: string
  readonly port: number
  /** `http://host:port` or `https://host:port`. */
  readonly url: string
  /** Open connections, those of WebSockets included. */
  connections(): number
  /** From now on every answer is the last of its connection; new ones are still accepted. */
  retire(): void
  /**
   * Stops accepting, closes idle connections and WebSockets (1001), answers what is in progress
   * with `connection: close`, and cuts what is left after `drainTimeoutMs` (default 5,000).
   */
  close(options?: { readonly drainTimeoutMs?: number }): Promise<void>
}

const DEFAULT_MAX_CONNECTIONS = 10_000
const DEFAULT_HEADER_TIMEOUT_MS = 10_000
const DEFAULT_BODY_TIMEOUT_MS = 10_000
const DEFAULT_IDLE_TIMEOUT_MS = 65_000
const DEFAULT_DRAIN_TIMEOUT_MS = 5000
const MAX_HEADER_BYTES = 16_384
/** How often Node looks for heads that are late. */
const CHECK_INTERVAL_MS = 500
/** Connections beyond the limit that are told so; still more are cut without a word. */
const MAX_REFUSED_CONNECTIONS = 256
/** How long a refused connection may take to read that it is. */
const REFUSAL_TIMEOUT_MS = 1000
/** Requests that one connection may have under way; no client of ours sends a second one. */
const MAX_PIPELINED_REQUESTS = 32
const GOING_AWAY = 1001

const STATUS_BY_CLIENT_ERROR: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Payload Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
}

/** Starts to listen. Rejects with the system's error where the address cannot be bound. */
export async function startHttpServer(options: HttpServerOptions): Promise<RunningHttpServer> {
  const server = new NodeHttpServer(options)
  await server.listen()
  return server
}

/** A connection that carries HTTP. */
interface Connection {
  /** Whether it carries a WebSocket, or is about to. */
  isUpgraded: boolean
  /** Those under way, in the order of their requests. */
  readonly answers: ServerResponse[]
}

class NodeHttpServer implements RunningHttpServer {
  readonly host: string
  readonly #options: HttpServerOptions
  readonly #server: Server
  /** Connections that carry HTTP. */
  readonly #connections = new Map<Duplex, Connection>()
  /** All connections, in the middle of their TLS handshake too. */
  readonly #sockets = new Set<Socket>()
  readonly #webSockets = new Set<WebSocket>()
  #port = 0
  #isRetiring = false
  #isDraining = false
  #closing: Promise<void> | undefined

  constructor(options: HttpServerOptions) {
    this.#options = options
    this.host = options.host
    this.#server = createNodeServer(options)
    this.#server.maxConnections = this.#maxConnections() + MAX_REFUSED_CONNECTIONS
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('error', () => undefined)
      socket.once('close', () => this.#sockets.delete(socket))
    })
    const event = options.tls === undefined ? 'connection' : 'secureConnection'
    this.#server.on(event, (socket: Socket) => this.#accept(socket))
    this.#serve()
  }

  get port(): number {
    return this.#port
  }

  get url(): string {
    const host = this.host.includes(':') ? `[${this.host}]` : this.host
    return `${this.#options.tls === undefined ? 'http' : 'https'}://${host}:${this.#port}`
  }

  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host: this.host, port: this.#options.port }, () => {
        this.#server.off('error', reject)
        this.#server.on('error', (error) => this.#options.onError?.(error))
        this.#port = (this.#server.address() as AddressInfo).port
        resolve()
      })
    })
  }

  connections(): number {
    return this.#connections.size
  }

  retire(): void {
    this.#isRetiring = true
  }

  close(options: { readonly drainTimeoutMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#drain(options.drainTimeoutMs ?? DEFAULT_DRAIN_TIMEOUT_MS)
    return this.#closing
  }

  #maxConnections(): number {
    return this.#options.maxConnections ?? DEFAULT_MAX_CONNECTIONS
  }

  #serve(): void {
    const { handler, runtime, bodyTimeoutMs, onError } = this.#options
    const context: ExchangeContext = {
      handler,
      timers: runtime.timers,
      bodyTimeoutMs: bodyTimeoutMs ?? DEFAULT_BODY_TIMEOUT_MS,
      onError: (error) => onError?.(error),
      isDraining: () => this.#isDraining,
      isRetiring: () => this.#isRetiring,
    }
    const onOpen = (socket: WebSocket): void => {
      this.#webSockets.add(socket)
      socket.once('close', () => this.#webSockets.delete(socket))
    }
    const serve =
      (expectsContinue: boolean) =>
      (incoming: IncomingMessage, outgoing: ServerResponse): void => {
        if (!this.#noteRequest(incoming.socket, outgoing)) return
        void exchange(incoming, outgoing, context, expectsContinue)
      }
    this.#server.on('request', serve(false))
    this.#server.on('checkContinue', serve(true))
    this.#server.on('upgrade', (incoming, socket, head) => {
      const connection = this.#connections.get(socket)
      if (connection === undefined) return
      connection.isUpgraded = true
      void upgrade(incoming, socket, head, { ...context, onOpen })
    })
    this.#server.on('clientError', (error, socket) => this.#refuseMalformed(error, socket))
  }

  /** Notes a connection, or refuses it where there are too many. */
  #accept(socket: Socket): void {
    if (this.#connections.size < this.#maxConnections()) {
      this.#connections.set(socket, { isUpgraded: false, answers: [] })
      socket.once('close', () => this.#connections.delete(socket))
      return
    }
    socket.end(refusal('503 Service Unavailable', 'retry-after: 1\r\n'))
    const stopTimer = this.#options.runtime.timers.after(REFUSAL_TIMEOUT_MS, () => socket.destroy())
    socket.once('close', stopTimer)
  }

  /** Whether the request is served: what a refused connection sends is not. */
  #noteRequest(socket: Duplex, outgoing: ServerResponse): boolean {
    const connection = this.#connections.get(socket)
    if (connection === undefined) return false
    const { answers } = connection
    if (answers.length >= MAX_PIPELINED_REQUESTS) {
      socket.destroy()
      return false
    }
    answers.push(outgoing)
    outgoing.once('close', () => {
      answers.splice(answers.indexOf(outgoing), 1)
      this.#closeIdle()
    })
    return true
  }

  /** What is no HTTP, or came too late, in full: there is no request to answer. */
  #refuseMalformed(error: NodeJS.ErrnoException, socket: Duplex): void {
    const [first, second] = this.#connections.get(socket)?.answers ?? []
    // The answer must not be taken for that of a request that came before the malformed bytes.
    const isMistakable = first !== undefined && (first.req.complete || first.headersSent)
    if (!socket.writable || error.code === 'ECONNRESET' || isMistakable || second !== undefined) {
      socket.destroy()
      return
    }
    const status = STATUS_BY_CLIENT_ERROR[error.code ?? ''] ?? '400 Bad Request'
    socket.end(refusal(status), () => socket.destroy())
  }

  /** A connection that was kept for more is of no use to a server that closes. */
  #closeIdle(): void {
    if (!this.#isDraining) return
    for (const [socket, { isUpgraded, answers }] of this.#connections) {
      if (!isUpgraded && answers.length === 0) socket.destroy()
    }
  }

  #drain(timeoutMs: number): Promise<void> {
    this.#isDraining = true
    return new Promise((resolve) => {
      const stopTimer = this.#options.runtime.timers.after(timeoutMs, () => {
        for (const socket of this.#sockets) socket.destroy()
      })
      // Not the close of an HTTP server, which would cut answers that are written and not yet sent;
      // that one ends Node's own timer afterwards.
      NetServer.prototype.close.call(this.#server, () => {
        stopTimer()
        this.#server.close()
        resolve()
      })
      this.#closeIdle()
      for (const socket of this.#webSockets) socket.close(GOING_AWAY)
    })
  }
}

function createNodeServer(options: HttpServerOptions): Server {
  const { tls } = options
  const headersTimeout = options.headerTimeoutMs ?? DEFAULT_HEADER_TIMEOUT_MS
  const settings = {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout,
    // Bodies have a limit of their own, by progress.
    requestTimeout: 0,
    connectionsCheckingInterval: Math.min(CHECK_INTERVAL_MS, headersTimeout),
    keepAliveTimeout: options.idleTimeoutMs ?? DEFAULT_IDLE_TIMEOUT_MS,
    noDelay: true,
  }
  if (tls === undefined) return createServer(settings)
  return createTlsServer({
    ...settings,
    cert: tls.certificate,
    key: tls.key,
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    minVersion: 'TLSv1.2',
    handshakeTimeout: headersTimeout,
  })
}

function refusal(status: string, headers = ''): string {
  return `HTTP/1.1 ${status}\r\n${headers}connection: close\r\ncontent-length: 0\r\n\r\n`
}
