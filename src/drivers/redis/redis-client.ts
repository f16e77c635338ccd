/**
 * How clients of Redis are made: for one server, for a master that Sentinels know, for a Cluster;
 * for commands and for messages.
 */
import { Cluster, Redis, type ClusterOptions, type RedisOptions } from 'ioredis'
import type { Runtime } from '../../core/ports/runtime.ts'

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

/** What a client is made of. */
export interface RedisClientOptions {
  readonly endpoint: RedisEndpoint
  readonly runtime: Runtime
  readonly connectTimeoutMs?: number
}

const DEFAULT_CONNECT_TIMEOUT_MS = 2_000
/** A connection on which an answer is due and nothing comes for so long is given up. */
const SILENT_SOCKET_MS = 5_000
const FIRST_RETRY_MS = 50
const MAX_RETRY_MS = 2_000

/** A client that reconnects for ever. */
export function createClient(options: RedisClientOptions): Redis | Cluster {
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
  return createSingle(options, endpoint.address ?? '', retry)
}

/**
 * A client of one server, the master where Sentinels know it, that connects when it is told to, and
 * once. Of a Cluster it is one server after another with each `attempt`: what one publishes all
 * pass on.
 */
export function createSubscriberClient(options: RedisClientOptions, attempt: number): Redis {
  const { address = '', cluster = [address] } = options.endpoint
  const server = cluster[attempt % cluster.length] ?? address
  return createSingle(options, server, () => null, { lazyConnect: true })
}

function createSingle(
  options: RedisClientOptions,
  address: string,
  retryStrategy: (times: number) => number | null,
  more: { readonly lazyConnect?: boolean } = {},
): Redis {
  const { sentinels, tls } = options.endpoint
  const common = clientOptions(options)
  const single: RedisOptions & { replyMapping: 'legacy' } = {
    ...common,
    ...more,
    enableOfflineQueue: false,
    retryStrategy,
  }
  if (sentinels === undefined) return new Redis({ ...single, ...hostAndPort(address) })
  return new Redis({
    ...single,
    ...(tls === undefined ? {} : { enableTLSForSentinelMode: true }),
    ...(common.tls === undefined ? {} : { sentinelTLS: common.tls }),
    sentinels: sentinels.addresses.map(hostAndPort),
    name: sentinels.name,
    sentinelRetryStrategy: retryStrategy,
  })
}

/** What connections of all kinds share. */
type CommonOptions = NonNullable<ClusterOptions['redisOptions']> & { replyMapping: 'legacy' }

function clientOptions({
  endpoint,
  connectTimeoutMs = DEFAULT_CONNECT_TIMEOUT_MS,
}: RedisClientOptions): CommonOptions {
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
export function retryMs(times: number, { random }: Runtime): number {
  const ceilingMs = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(times - 1, 10))
  return Math.ceil(ceilingMs * (0.5 + random.fraction() / 2))
}

function hostAndPort(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':')
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
  return { host, port: Number(address.slice(colon + 1)) }
}

/** What it was told to connect to, as people read it. */
export function addressOf({ address, sentinels, cluster }: RedisEndpoint): string {
  if (sentinels !== undefined) return `${sentinels.addresses.join(', ')} (${sentinels.name})`
  return cluster?.join(', ') ?? address ?? ''
}

export function textOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error)
}
