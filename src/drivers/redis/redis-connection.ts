/**
 * A connection to a Redis that may come and go: one server, a master that Sentinels know, or a
 * Cluster. Opening never fails and never waits; calls fail at once while there is no connection, and
 * after a short time when there is no answer. It reconnects for ever.
 */
import { Cluster, Redis, type ClusterOptions, type RedisOptions } from 'ioredis'
import { MeridianError } from '../../core/errors.ts'
import type { Log } from '../../core/ports/log.ts'
import type { Runtime } from '../../core/ports/runtime.ts'
import type { Scripts } from './scripts.ts'

/** Where Redis is; exactly one of `address`, `sentinels`, `cluster`. Secrets and files are read. */
export interface RedisEndpoint {
  /** `host:port`. */
  readonly address?: string | undefined
  readonly sentinels?: { readonly addresses: readonly string[]; readonly name: string } | undefined
  readonly cluster?: readonly string[] | undefined
  readonly user?: string | undefined
  readonly password?: string | undefined
  /** PEM texts; an empty object means the system's authorities. */
  readonly tls?: RedisTls | undefined
}

export interface RedisTls {
  readonly ca?: string | undefined
  readonly certificate?: string | undefined
  readonly key?: string | undefined
}

/** What a connection is made of. */
export interface RedisConnectionOptions {
  readonly endpoint: RedisEndpoint
  readonly scripts: Scripts
  readonly runtime: Runtime
  readonly log: Log
  /** Milliseconds that a call may take. Default 100. */
  readonly commandTimeoutMs?: number
  readonly connectTimeoutMs?: number
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
const DEFAULT_CONNECT_TIMEOUT_MS = 2_000
/** A connection on which an answer is due and nothing comes for so long is given up. */
const SILENT_SOCKET_MS = 5_000
const FIRST_RETRY_MS = 50
const MAX_RETRY_MS = 2_000

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
    for (const name of ['begin', 'read', 'fill', 'apply'] as const) {
      this.#client.defineCommand(`meridian_${name}`, { lua: options.scripts[name] })
    }
    this.#client.on('ready', () => this.#connected())
    this.#client.on('error', (error: unknown) => this.#failed(error))
    this.#client.on('node error', (error: unknown) => this.#failed(error))
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

  async remove(key: string): Promise<void> {
    await this.#call(() => this.#client.del(key))
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
    this.#isConnected = false
  }

  /** Says a reason once, not with every attempt to reconnect. */
  #failed(error: unknown): void {
    const reason = textOf(error)
    if (this.#isClosed || reason === this.#error) return
    this.#error = reason
    this.#log.write('warn', 'cache connection failed', { address: this.#address, reason })
  }
}

function createClient(options: RedisConnectionOptions): Redis | Cluster {
  const { endpoint } = options
  const retry = (times: number): number => retryMs(times, options.runtime)
  const common = clientOptions(options)
  if (endpoint.cluster !== undefined) {
    const cluster: ClusterOptions & { redisOptions: CommonOptions } = {
      clusterRetryStrategy: retry,
      clusterNodeRetryStrategy: retry,
      enableOfflineQueue: false,
      slotsRefreshInterval: 5_000,
      redisOptions: common,
      // Names of nodes are resolved by the socket, so that certificates are checked against them.
      ...(endpoint.tls === undefined ? {} : { dnsLookup: (host, found) => found(null, host) }),
    }
    return new Cluster(endpoint.cluster.map(hostAndPort), cluster)
  }
  const single: RedisOptions & { replyMapping: 'legacy' } = {
    ...common,
    enableOfflineQueue: false,
    retryStrategy: retry,
  }
  if (endpoint.sentinels === undefined) {
    return new Redis({ ...single, ...hostAndPort(endpoint.address ?? '') })
  }
  const { addresses, name } = endpoint.sentinels
  const overTls = endpoint.tls === undefined ? {} : { enableTLSForSentinelMode: true }
  return new Redis({
    ...single,
    ...overTls,
    ...(common.tls === undefined ? {} : { sentinelTLS: common.tls }),
    sentinels: addresses.map(hostAndPort),
    name,
    sentinelRetryStrategy: retry,
  })
}

/** What connections of all kinds share. */
type CommonOptions = NonNullable<ClusterOptions['redisOptions']> & { replyMapping: 'legacy' }

function clientOptions({
  endpoint,
  connectTimeoutMs = DEFAULT_CONNECT_TIMEOUT_MS,
}: RedisConnectionOptions): CommonOptions {
  const { user, password, tls } = endpoint
  return {
    protocol: 2,
    replyMapping: 'legacy',
    connectTimeout: connectTimeoutMs,
    socketTimeout: SILENT_SOCKET_MS,
    maxRetriesPerRequest: 1,
    // A read that was sent to a master that is gone is a miss, not a question to the next one.
    autoResendUnfulfilledCommands: false,
    disableClientInfo: true,
    // A master that was made a replica under the connection: look for the new one.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
    ...(user === undefined ? {} : { username: user }),
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined ? {} : { tls: { ca: tls.ca, cert: tls.certificate, key: tls.key } }),
  }
}

/** Doubles up to its bound; half of it is chance, so that nodes do not come back as one. */
function retryMs(times: number, { random }: Runtime): number {
  const ceilingMs = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(times - 1, 10))
  return Math.ceil(ceilingMs * (0.5 + random.fraction() / 2))
}

function hostAndPort(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':')
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
  return { host, port: Number(address.slice(colon + 1)) }
}

function addressOf({ address, sentinels, cluster }: RedisEndpoint): string {
  if (sentinels !== undefined) return `${sentinels.addresses.join(', ')} (${sentinels.name})`
  return cluster?.join(', ') ?? address ?? ''
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error)
}
