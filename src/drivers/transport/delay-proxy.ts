/**
 * Driver: a TCP proxy that stands for a long link. It delays bytes each way, and can be cut: for
 * demonstrations and tests with processes, whose network nobody simulates.
 */
import {
  createConnection,
  createServer,
  type AddressInfo,
  type Server,
  type Socket,
} from 'node:net'
import type { Clock, Timers } from '../../core/ports/runtime.ts'
import { systemRuntime } from '../runtime/system-runtime.ts'
import { Carrier } from './carrier.ts'
import { DelayedPipe } from './delayed-pipe.ts'

/** `forth`: from whoever connects to the target. */
export type Direction = 'forth' | 'back'

/** What stands between whom. */
export interface DelayProxyOptions {
  /** Read for every connection: it may become another. */
  readonly target: { readonly host: string; readonly port: number }
  /**
   * Asked for every chunk as it enters, and with 0 bytes for what else passes: the end of a
   * connection. A chunk never overtakes the one before it.
   */
  readonly oneWayDelayMs: (direction: Direction, bytes: number) => number
  /** Told of every chunk as it enters. */
  readonly onBytes?: ((direction: Direction, bytes: number) => void) | undefined
  /**
   * A connection costs a round trip before its first bytes leave, as TCP's handshake does. (To
   * whoever connects it seems to stand at once.) Default false.
   */
  readonly hasHandshake?: boolean
  /** Default: the system's. */
  readonly timers?: Timers
  /** Default: the system's. */
  readonly clock?: Pick<Clock, 'monotonicMs'>
  /** Where it listens, an address of the loopback interface. Default: 127.0.0.1. */
  readonly host?: string
  /** Default: any that is free. */
  readonly port?: number
}

/**
 * How a link breaks. `cut`: connections are reset and new ones refused. `blackhole`: nothing
 * passes and nobody is told; what was sent arrives after the link heals, as TCP's repetitions do.
 */
export type PartitionMode = 'cut' | 'blackhole'

/** A proxy that runs, on the loopback interface. */
export interface DelayProxy {
  readonly host: string
  readonly port: number
  /** `http://host:port`, for targets that speak HTTP. */
  readonly url: string
  partition(options?: { readonly mode?: PartitionMode }): void
  heal(): Promise<void>
  close(): Promise<void>
}

const DEFAULT_HOST = '127.0.0.1'
/** Bytes of one direction that are under way, beyond which its source is read no further. */
const MAX_UNDER_WAY_BYTES = 16 * 1024 * 1024
/** While the proxy refuses, somebody else may get its port for a moment. */
const LISTEN_RETRY_MS = 50
const MAX_LISTEN_ATTEMPTS = 200

/** Starts to listen. */
export async function startDelayProxy(options: DelayProxyOptions): Promise<DelayProxy> {
  const proxy = new TcpDelayProxy(options)
  await proxy.listen(options.port ?? 0)
  return proxy
}

class TcpDelayProxy implements DelayProxy {
  readonly host: string
  readonly #options: DelayProxyOptions
  readonly #timers: Timers
  readonly #carrier: Carrier
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined
  #port = 0
  #isHealing: Promise<void> | undefined
  /** What waits for the link to heal; `undefined` while it is whole. */
  #stranded: (() => void)[] | undefined
  #isClosed = false

  constructor(options: DelayProxyOptions) {
    this.host = options.host ?? DEFAULT_HOST
    this.#options = options
    this.#timers = options.timers ?? systemRuntime.timers
    this.#carrier = new Carrier(this.#timers)
  }

  get port(): number {
    return this.#port
  }

  get url(): string {
    return `http://${this.host}:${this.#port}`
  }

  async listen(port: number): Promise<void> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
      this.#keep(near)
      this.#pass(() => this.#join(near))
    })
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, this.host, resolve)
    })
    this.#port = (server.address() as AddressInfo).port
    this.#server = server
  }

  partition(options: { readonly mode?: PartitionMode } = {}): void {
    if (options.mode === 'blackhole') {
      this.#stranded ??= []
      return
    }
    this.#server?.close()
    this.#server = undefined
    this.#resetAll()
  }

  heal(): Promise<void> {
    const stranded = this.#stranded ?? []
    this.#stranded = undefined
    for (const deliver of stranded) deliver()
    this.#isHealing ??= this.#listenAgain().finally(() => {
      this.#isHealing = undefined
    })
    return this.#isHealing
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#isHealing
    const server = this.#server
    this.#server = undefined
    this.#resetAll()
    if (server === undefined) return
    await new Promise<void>((resolve) => {
      server.close(() => resolve())
    })
  }

  async #listenAgain(): Promise<void> {
    for (let attempt = 1; this.#server === undefined && !this.#isClosed; attempt++) {
      try {
        await this.listen(this.#port)
      } catch (error) {
        if (attempt === MAX_LISTEN_ATTEMPTS) throw error
        await new Promise<void>((resolve) => {
          this.#timers.after(LISTEN_RETRY_MS, resolve)
        })
      }
    }
  }

  #resetAll(): void {
    this.#stranded = undefined
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    // A close follows every error.
    socket.on('error', () => undefined)
    socket.once('close', () => this.#sockets.delete(socket))
  }

  /** Runs what the link does, now or when it is whole again. */
  #pass(deliver: () => void): void {
    if (this.#stranded === undefined) deliver()
    else this.#stranded.push(deliver)
  }

  #join(near: Socket): void {
    if (near.destroyed) return
    const { host, port } = this.#options.target
    const far = createConnection({ host, port, allowHalfOpen: true, noDelay: true })
    this.#keep(far)
    const forthFromMs = this.#handshakeEndMs()
    this.#carry('forth', near, far, (bytes) => {
      const waitMs = forthFromMs === undefined ? 0 : Math.max(0, forthFromMs - this.#nowMs())
      return waitMs + this.#options.oneWayDelayMs('forth', bytes)
    })
    this.#carry('back', far, near, (bytes) => this.#options.oneWayDelayMs('back', bytes))
  }

  /** When a connection that begins now would stand; `undefined` where that costs nothing. */
  #handshakeEndMs(): number | undefined {
    const { hasHandshake = false, oneWayDelayMs } = this.#options
    if (!hasHandshake) return undefined
    return this.#nowMs() + oneWayDelayMs('forth', 0) + oneWayDelayMs('back', 0)
  }

  #nowMs(): number {
    return (this.#options.clock ?? systemRuntime.clock).monotonicMs()
  }

  /** One direction: bytes, the end and the breaking of a connection, in their order. */
  #carry(
    direction: Direction,
    source: Socket,
    target: Socket,
    delayMs: (bytes: number) => number,
  ): void {
    const { onBytes } = this.#options
    const pipe = new DelayedPipe(this.#carrier, () => delayMs(0))
    const send = (bytes: number, deliver: () => void): void =>
      pipe.send(() => this.#pass(deliver), delayMs(bytes))
    let underWayBytes = 0
    source.on('data', (chunk) => {
      onBytes?.(direction, chunk.length)
      underWayBytes += chunk.length
      if (underWayBytes > MAX_UNDER_WAY_BYTES) source.pause()
      send(chunk.length, () => {
        target.write(chunk, () => {
          underWayBytes -= chunk.length
          if (underWayBytes <= MAX_UNDER_WAY_BYTES) source.resume()
        })
      })
    })
    source.once('end', () => send(0, () => target.end()))
    source.once('close', (hasFailed) => {
      if (hasFailed || !source.readableEnded) send(0, () => target.resetAndDestroy())
    })
  }
}
