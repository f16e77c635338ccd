/** Redis alone: what a cache in the region costs at least. ioredis, one connection a region. */
import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import { MeridianError } from '../../src/core/errors.ts'
import type { Peer, PeerOperation } from './peer.ts'

/** Which Redis. */
export interface RedisPeerOptions {
  /** `host:port` of the server of each region. */
  readonly addresses: ReadonlyMap<string, string>
  /** Of each value. Default 256. */
  readonly valueBytes?: number | undefined
}

/** Redis, asked in each region. */
export interface RedisPeer extends Peer {
  /** All keys that it writes begin with it. */
  readonly prefix: string
  get(region: string): PeerOperation
  set(region: string): PeerOperation
}

const DEFAULT_VALUE_BYTES = 256
/** Of each region; all of them are there before the first GET. */
const KEYS = 100
const CONNECT_TIMEOUT_MS = 5_000
const COMMAND_TIMEOUT_MS = 10_000

interface Server {
  readonly address: string
  readonly redis: Redis
  readonly keys: readonly string[]
}

/** What a server says of itself. */
interface ServerFacts {
  readonly version: string
  readonly durability: string
}

/** Opens it. @throws MeridianError `CACHE_UNAVAILABLE` where a server does not answer */
export async function openRedisPeer(options: RedisPeerOptions): Promise<RedisPeer> {
  const prefix = `meridian-bench-${randomBytes(6).toString('hex')}:`
  const value = randomBytes(options.valueBytes ?? DEFAULT_VALUE_BYTES)
  const servers = new Map(
    Array.from(options.addresses, ([region, address]): [string, Server] => [
      region,
      { address, redis: makeClient(address), keys: keysOf(`${prefix}${region}:`) },
    ]),
  )
  try {
    const found = new Map<string, ServerFacts>()
    for (const [region, server] of servers) found.set(region, await begin(server, value))
    return new OpenRedisPeer({ prefix, value, servers, facts: found })
  } catch (error) {
    await closeAll(servers).catch(() => undefined)
    throw error
  }
}

interface OpenedServers {
  readonly prefix: string
  readonly value: Buffer
  readonly servers: ReadonlyMap<string, Server>
  readonly facts: ReadonlyMap<string, ServerFacts>
}

class OpenRedisPeer implements RedisPeer {
  readonly name = 'redis'
  readonly version: string
  readonly prefix: string
  readonly operations: readonly PeerOperation[]
  readonly #opened: OpenedServers

  constructor(opened: OpenedServers) {
    this.#opened = opened
    this.version = [...opened.facts.values()][0]?.version ?? ''
    this.prefix = opened.prefix
    const regions = [...opened.servers.keys()]
    this.operations = regions.flatMap((region) => [this.get(region), this.set(region)])
  }

  get(region: string): PeerOperation {
    const server = this.#server(region)
    return {
      ...this.#facts('get', region),
      operation: async (index) => {
        const found = await ask(server, 'GET', () => server.redis.getBuffer(keyAt(server, index)))
        if (found === null) throw failure(server, 'GET', 'the key is not there')
        return undefined
      },
    }
  }

  set(region: string): PeerOperation {
    const server = this.#server(region)
    const { value } = this.#opened
    return {
      ...this.#facts('set', region),
      operation: async (index) => {
        await ask(server, 'SET', () => server.redis.set(keyAt(server, index), value))
        return undefined
      },
    }
  }

  close(): Promise<void> {
    return closeAll(this.#opened.servers)
  }

  #facts(op: string, origin: string): Omit<PeerOperation, 'operation'> {
    const durability = this.#opened.facts.get(origin)?.durability ?? ''
    return { op, origin, home: null, durability, networkMs: 0 }
  }

  #server(region: string): Server {
    const server = this.#opened.servers.get(region)
    if (server !== undefined) return server
    throw new MeridianError('REGION_UNKNOWN', `There is no Redis in ${region}.`, {
      details: { region },
    })
  }
}

function keysOf(prefix: string): readonly string[] {
  return Array.from({ length: KEYS }, (_, i) => `${prefix}${i}`)
}

function keyAt({ keys }: Server, index: number): string {
  return keys[index % keys.length] ?? ''
}

function makeClient(address: string): Redis {
  const colon = address.lastIndexOf(':')
  const client = new Redis({
    host: address.slice(0, colon),
    port: Number(address.slice(colon + 1)),
    lazyConnect: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
    commandTimeout: COMMAND_TIMEOUT_MS,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    // A server that is away is told of, not waited for.
    retryStrategy: () => null,
  })
  // Every call tells of it, too.
  client.on('error', () => undefined)
  return client
}

/** Connects, fills the keys, and tells what answers. */
async function begin(server: Server, value: Buffer): Promise<ServerFacts> {
  const { redis, keys } = server
  await ask(server, 'connect', () => redis.connect())
  await ask(server, 'MSET', () => redis.mset(new Map(keys.map((key) => [key, value]))))
  const info = await ask(server, 'INFO', () => redis.info())
  return {
    version: /^redis_version:(\S+)/m.exec(info)?.[1] ?? 'unknown',
    durability: /^aof_enabled:1/m.test(info) ? 'memory, then an append-only file' : 'memory',
  }
}

async function closeAll(servers: ReadonlyMap<string, Server>): Promise<void> {
  const results = await Promise.allSettled(
    Array.from(servers.values(), async (server) => {
      try {
        if (server.redis.status !== 'ready') return
        await ask(server, 'DEL', () => server.redis.del(...server.keys))
      } finally {
        server.redis.disconnect()
      }
    }),
  )
  const failed = results.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

async function ask<T>(server: Server, what: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    throw failure(server, what, error instanceof Error ? error.message : String(error), error)
  }
}

function failure(
  { address }: Server,
  what: string,
  reason: string,
  cause?: unknown,
): MeridianError {
  return new MeridianError(
    'CACHE_UNAVAILABLE',
    `Redis at ${address} failed (${what}): ${reason}.`,
    {
      details: { engine: 'redis', address },
      cause,
    },
  )
}
