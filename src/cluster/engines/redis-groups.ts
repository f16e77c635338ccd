/** Several Redis that act together: a Sentinel with its primary and replicas, and a cluster. */
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { MeridianError } from '../../core/errors.ts'
import { startWithPorts, type EngineOptions } from './engine.ts'
import type { ServerTls } from './etcd.ts'
import { freePorts } from './free-ports.ts'
import { makeRedisProcess, portLines, startRedis, type RedisEngine } from './redis.ts'

export interface SentinelOptions extends EngineOptions {
  readonly port?: number | undefined
  /** Name of the group of servers. Default `meridian`. */
  readonly name?: string | undefined
  /** `host:port` of the primary. */
  readonly primary: string
  /** The servers' password. */
  readonly password?: string | undefined
  readonly tls?: ServerTls | undefined
  /** Sentinels that must agree that the primary is gone. Default 1. */
  readonly quorum?: number | undefined
  /** How long the primary must be silent. Default 2000. */
  readonly downAfterMs?: number | undefined
}

export interface RedisClusterOptions {
  /** Servers that own slots. Default 3. */
  readonly primaries?: number | undefined
  readonly password?: string | undefined
  readonly directory?: string | undefined
}

/** A running cluster. */
export interface RedisCluster {
  readonly servers: readonly RedisEngine[]
  /** `host:port` of each. */
  readonly addresses: readonly string[]
  close(): Promise<void>
}

const SLOTS = 16_384
const SETTLE_TIMEOUT_MS = 120_000
const SETTLE_PERIOD_MS = 50

/** Starts a Sentinel. @throws MeridianError `CONFIG_INVALID`, `CACHE_UNAVAILABLE` */
export async function startSentinel(options: SentinelOptions): Promise<RedisEngine> {
  const { name = 'meridian', primary, password, quorum = 1, downAfterMs = 2_000 } = options
  const [host, primaryPort] = primary.split(':')
  const lines = [
    `sentinel monitor ${name} ${host} ${primaryPort} ${quorum}`,
    `sentinel down-after-milliseconds ${name} ${downAfterMs}`,
    `sentinel failover-timeout ${name} ${downAfterMs * 5}`,
    ...(password === undefined ? [] : [`sentinel auth-pass ${name} ${JSON.stringify(password)}`]),
  ]
  return startWithPorts(
    options.port !== undefined,
    async () => {
      const [port = 0] = options.port === undefined ? await freePorts(1) : [options.port]
      const all = [...portLines(port, options.tls), ...lines]
      const args = ['--sentinel']
      return makeRedisProcess({
        kind: 'sentinel',
        port,
        options,
        password: undefined,
        lines: all,
        args,
      })
    },
    options.signal,
  )
}

/** Starts a cluster whose servers share all slots. @throws MeridianError `CONFIG_INVALID`, `CACHE_UNAVAILABLE` */
export async function startRedisCluster(options: RedisClusterOptions = {}): Promise<RedisCluster> {
  const { primaries = 3, password, directory } = options
  const buses = await freePorts(primaries)
  const starts = await Promise.allSettled(
    buses.map((clusterPort, i) =>
      startRedis({
        password,
        clusterPort,
        directory: directory === undefined ? undefined : join(directory, `redis-${i}`),
      }),
    ),
  )
  const servers = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []))
  const close = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.close()))
  }
  try {
    for (const start of starts) if (start.status === 'rejected') throw start.reason
    await form(servers, buses)
  } catch (error) {
    await close()
    throw error
  }
  return { servers, addresses: servers.map(({ address }) => address), close }
}

/** Gives each server its share of the slots, and makes them known to each other. */
async function form(servers: readonly RedisEngine[], buses: readonly number[]): Promise<void> {
  const [first] = servers
  for (const [i, server] of servers.entries()) {
    const from = Math.floor((SLOTS * i) / servers.length)
    const to = Math.floor((SLOTS * (i + 1)) / servers.length) - 1
    await server.ask('CLUSTER', 'ADDSLOTSRANGE', `${from}`, `${to}`)
    // Two that begin with the same epoch would have to settle it by a vote.
    await server.ask('CLUSTER', 'SET-CONFIG-EPOCH', `${i + 1}`)
    if (i > 0) await first?.ask('CLUSTER', 'MEET', '127.0.0.1', `${server.port}`, `${buses[i]}`)
  }
  const deadlineMs = performance.now() + SETTLE_TIMEOUT_MS
  for (;;) {
    const infos = await Promise.all(servers.map((server) => server.ask('CLUSTER', 'INFO')))
    const isFormed = infos.every(
      (info) =>
        info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${servers.length}`),
    )
    if (isFormed) return
    if (performance.now() > deadlineMs) {
      throw new MeridianError('CACHE_UNAVAILABLE', 'The Redis cluster does not form.')
    }
    await pause(SETTLE_PERIOD_MS)
  }
}
