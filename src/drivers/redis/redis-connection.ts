/**
 * A connection to a Redis that may come and go: one server, a master that Sentinels know, or a
 * Cluster. Opening never fails and never waits; calls fail at once while there is no connection, and
 * after a short time when there is no answer. It reconnects for ever.
 */
import type { Cluster, Redis } from 'ioredis'
import { MeridianError } from '../../core/errors.ts'
import type { Log } from '../../core/ports/log.ts'
import type { Runtime } from '../../core/ports/runtime.ts'
import { addressOf, createClient, textOf, type RedisClientOptions } from './redis-client.ts'
import type { Scripts } from './scripts.ts'

/** What a connection is made of. */
export interface RedisConnectionOptions extends RedisClientOptions {
  readonly scripts: Scripts
  readonly log: Log
  /** Milliseconds that a call may take. Default 100. */
  readonly commandTimeoutMs?: number
}

/** How a connection stands. */
export interface RedisStatus {
  /** What it was told to connect to. */
  readonly address: string
  readonly connected: boolean
  /** Why there is no connection; null while there is one. */
  readonly error: string | null
}

/** Bytes or text, as Redis takes them. */
export type RedisArgument = string | Buffer

const DEFAULT_COMMAND_TIMEOUT_MS = 100

/** Other servers close a connection on which they do not understand what is said. */
const CLOSED_EARLY =
  'the connection was closed before it was ready: look whether it is Redis that listens there, with the TLS of `caches`'

type Call = (keyCount: number, ...args: RedisArgument[]) => Promise<unknown>

/** What the scripts are called by in a client, each with its answer as bytes. */
type ScriptCommands = { readonly [S in keyof Scripts as `meridian_${S}Buffer`]: Call }

export class RedisConnection {
  readonly isCluster: boolean
  readonly #client: Redis | Cluster
  readonly #runtime: Runtime
  readonly #log: Log
  readonly #address: string
  readonly #commandTimeoutMs: number
  #isConnected = false
  /** An error has said why the attempt that is under way fails. */
  #isExplained = false
  #error: string | null = 'not connected yet'
  #isClosed = false

  constructor(options: RedisConnectionOptions) {
    const { endpoint, runtime } = options
    this.#runtime = runtime
    this.#log = options.log
    this.#commandTimeoutMs = options.commandTimeoutMs ?? DEFAULT_COMMAND_TIMEOUT_MS
    this.#address = addressOf(endpoint)
    this.isCluster = endpoint.cluster !== undefined
    this.#client = createClient(options)
    for (const name of ['begin', 'read', 'fill', 'apply', 'clear'] as const) {
      this.#client.defineCommand(`meridian_${name}`, { lua: options.scripts[name] })
    }
    this.#client.on('ready', () => this.#connected())
    for (const event of ['error', 'node error']) {
      this.#client.on(event, (error: unknown) => {
        this.#isExplained = true
        this.#failed(error)
      })
    }
    for (const event of ['close', 'end']) this.#client.on(event, () => this.#disconnected())
  }

  status(): RedisStatus {
    return { address: this.#address, connected: this.#isConnected, error: this.#error }
  }

  /** Runs a script. @throws MeridianError `CACHE_UNAVAILABLE`, `CLOSED` */
  script(
    name: keyof Scripts,
    keys: readonly RedisArgument[],
    args: readonly RedisArgument[],
  ): Promise<unknown> {
    const client = this.#client as unknown as ScriptCommands
    return this.#call(() => client[`meridian_${name}Buffer`](keys.length, ...keys, ...args))
  }

  /** Sets a key that is not there, for a time. Returns whether it did. */
  async setNew(key: string, value: string, ttlMs: number): Promise<boolean> {
    return (await this.#call(() => this.#client.set(key, value, 'PX', ttlMs, 'NX'))) === 'OK'
  }

  close(): void {
    this.#isClosed = true
    this.#client.disconnect()
  }

  /** The client's own time limit would also end its handshakes: a slow start would never end. */
  #call<T>(send: () => Promise<T>): Promise<T> {
    if (this.#isClosed) throw new MeridianError('CLOSED', 'The cache is closed.')
    return new Promise((resolve, reject) => {
      const cancel = this.#runtime.timers.after(this.#commandTimeoutMs, () => {
        reject(this.#unavailable(`has not answered within ${this.#commandTimeoutMs} ms`))
      })
      send()
        .then(resolve, (error: unknown) => reject(this.#unavailable(this.#reason(error), error)))
        .finally(cancel)
    })
  }

  #reason(error: unknown): string {
    const reason = this.#isConnected ? textOf(error) : (this.#error ?? textOf(error))
    return `cannot be used: ${reason}`
  }

  #unavailable(what: string, cause?: unknown): MeridianError {
    return new MeridianError('CACHE_UNAVAILABLE', `Redis at ${this.#address} ${what}.`, {
      fix: 'Reads go to the store until it answers again.',
      details: { address: this.#address },
      cause,
    })
  }

  #connected(): void {
    this.#isConnected = true
    this.#error = null
    this.#log.write('info', 'cache connected', { address: this.#address })
  }

  #disconnected(): void {
    if (this.#isConnected) this.#failed(new Error('the connection was closed'))
    else if (!this.#isExplained) this.#failed(new Error(CLOSED_EARLY))
    this.#isConnected = false
    this.#isExplained = false
  }

  /** Says a reason once, not with every attempt to reconnect. */
  #failed(error: unknown): void {
    const reason = textOf(error)
    if (this.#isClosed || reason === this.#error) return
    this.#error = reason
    this.#log.write('warn', 'cache connection failed', { address: this.#address, reason })
  }
}
