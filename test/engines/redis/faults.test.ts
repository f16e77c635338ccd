/**
 * What goes wrong with a real Redis: reads go on from the store with little delay, sessions stay
 * whole, nothing is thrown at anybody, and the cache is used again when Redis is.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startRedisCluster, startSentinel } from '../../../src/cluster/engines/redis-groups.ts'
import { startRedis, type RedisEngine } from '../../../src/cluster/engines/redis.ts'
import { defaultConfig } from '../../../src/config/parse-config.ts'
import type { RedisConfig } from '../../../src/config/engine-sections.ts'
import type { RegionCacheStatus } from '../../../src/node/region-cache.ts'
import { testMeridian, type TestMeridian } from '../../../src/testing/index.ts'
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'
import { openRedisCache, type RedisCache } from '../../../src/drivers/redis/redis-cache.ts'
import type { RedisEndpoint } from '../../../src/drivers/redis/redis-client.ts'
import { failureOf } from '../../conformance/support/failure.ts'
import { freePorts } from '../../support/free-ports.ts'
import { market, US, type Market } from '../../support/market.ts'
import { memoryLog, type MemoryLog } from '../../support/memory-log.ts'
import { connected, openTestCache, ownName } from '../../support/redis-cache.ts'
import { until } from '../../support/until.ts'

const LONG_MS = 150_000
const SESSIONS = 3
const SILENCE_MS = 5_000

function closedAfterwards<T extends { close(): Promise<void> }>(engine: T): T {
  onTestFinished(() => engine.close())
  return engine
}

/** A cache that may not be connected, with its log. */
function openAnyway(config: RedisEndpoint): { cache: RedisCache; log: MemoryLog } {
  const log = memoryLog()
  const cache = openRedisCache({
    name: ownName(),
    region: 'eu-west',
    config,
    runtime: systemRuntime,
    log,
  })
  return { cache: closedAfterwards(cache), log }
}

async function expectRefused(cache: RedisCache, reason: RegExp): Promise<void> {
  await until(() => expect(cache.status().error).toMatch(reason), LONG_MS)
  expect(cache.status().connected).toBe(false)
  const { address } = cache.status()
  for (const call of [cache.read(['k']), cache.begin('i', 0), cache.acquireLease('k', 1000)]) {
    const error = await failureOf(call)
    expect(error).toMatchObject({ code: 'CACHE_UNAVAILABLE', details: { address } })
    expect((error as Error).message).toContain(address)
  }
}

describe('a connection names the address and what is wrong, and comes back by itself', () => {
  test('down at the start, there later', async () => {
    const [port = 0] = await freePorts(1)
    const { cache, log } = openAnyway({ address: `127.0.0.1:${port}` })
    await expectRefused(cache, /ECONNREFUSED/)
    closedAfterwards(await startRedis({ port }))
    await connected(cache)
    await until(async () => expect(await cache.begin('i', 3)).toBe(3))
    // Not with every attempt to connect.
    const told = log.lines.filter(({ event }) => event === 'cache connection failed')
    expect(told.length).toBeLessThan(5)
  })

  test('a wrong password, and none', async () => {
    const redis = closedAfterwards(await startRedis({ password: 'right' }))
    const { address } = redis
    await expectRefused(openAnyway({ address, password: 'wrong' }).cache, /WRONGPASS/)
    await expectRefused(openAnyway({ address }).cache, /NOAUTH/)
    await openTestCache({ address, password: 'right' })
  })

  test('something else on the port', async () => {
    const server = createServer((_, response) => response.end('hello'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const { port } = server.address() as AddressInfo
    await expectRefused(openAnyway({ address: `127.0.0.1:${port}` }).cache, /^(?!not connected)/)
  })

  test('silent: a call ends in time', async () => {
    const redis = closedAfterwards(await startRedis())
    const cache = await openTestCache({ address: redis.address }, { commandTimeoutMs: 1_000 })
    await cache.begin('i', 0)
    redis.signal('SIGSTOP')
    const startMs = performance.now()
    expect(await failureOf(cache.read(['k']))).toMatchObject({ code: 'CACHE_UNAVAILABLE' })
    expect(performance.now() - startMs).toBeLessThan(5_000)
    redis.signal('SIGCONT')
    await until(async () => expect((await cache.read(['k'])).applied).toBe(0))
  })
})

type Client = Awaited<ReturnType<TestMeridian<Market>['connect']>>

/** A region that reads through this Redis, with a row for each of its clients. */
async function openOn(redis: RedisConfig): Promise<{
  readonly meridian: TestMeridian<Market>
  readonly clients: readonly Client[]
  readonly status: () => RegionCacheStatus
}> {
  const config = { ...defaultConfig([US]), name: ownName(), caches: { [US]: redis } }
  const meridian = closedAfterwards(await testMeridian({ schema: market, config }))
  const clients = await Promise.all(Array.from({ length: SESSIONS }, () => meridian.connect(US)))
  await clients[0]?.tenants.create({ id: 'acme', home: US })
  for (const [i, client] of clients.entries()) {
    await client.tenant('acme').orders.insert({ id: `o${i}`, label: 'x', amount: 0 })
  }
  const status = (): RegionCacheStatus => {
    const { cache } = meridian.deployment.node(US).status()
    if (cache === null) throw new Error('The region has no cache.')
    return cache
  }
  return { meridian, clients, status }
}

/**
 * Each client counts up its own row and reads all rows: it never sees one fall, nor its own below
 * what it wrote. Ends with `during`. Returns how long the slowest read took.
 */
async function underLoad(
  clients: readonly Client[],
  during: () => Promise<void>,
): Promise<{ slowestMs: number; reads: number }> {
  let isOver = false
  let slowestMs = 0
  let reads = 0
  const session = async (client: Client, own: number): Promise<void> => {
    const orders = client.tenant('acme').orders
    const atLeast = clients.map(() => 0)
    for (let turn = 1; !isOver; turn++) {
      if (turn % 5 === 0) {
        const amount = (atLeast[own] as number) + 1
        await orders.update(`o${own}`, { amount })
        atLeast[own] = amount
      }
      for (const row of clients.keys()) {
        const startMs = performance.now()
        const amount = (await orders.get(`o${row}`))?.amount ?? -1
        slowestMs = Math.max(slowestMs, performance.now() - startMs)
        reads++
        expect(amount, `o${row} as ${own} reads it`).toBeGreaterThanOrEqual(atLeast[row] as number)
        atLeast[row] = amount
      }
    }
  }
  const sessions = Promise.all(clients.map(session))
  try {
    await Promise.race([during(), sessions])
  } finally {
    isOver = true
  }
  await sessions
  return { slowestMs, reads }
}

/** Resolves once reads come out of the cache again, and it follows the store. */
async function healed(status: () => RegionCacheStatus): Promise<void> {
  const { hits, memory } = status()
  await until(() => {
    const now = status()
    expect(now).toMatchObject({ inUse: true, error: null })
    expect(now.hits).toBeGreaterThan(hits + 20)
    expect(now.memory.inUse).toBe(true)
    expect(now.memory.hits).toBeGreaterThan(memory.hits)
  }, LONG_MS)
}

describe('under load, sessions stay whole and the cache heals', () => {
  test.for<readonly [string, (redis: RedisEngine) => Promise<void>]>([
    ['flushed', async (redis) => void (await redis.ask('FLUSHALL'))],
    [
      'killed and started again, empty',
      async (redis) => {
        await redis.kill()
        await pause(1_000)
        await redis.restart()
      },
    ],
    [
      'who listens is cut off, again and again',
      async (redis) => {
        for (let times = 0; times < 20; times++) {
          await redis.ask('CLIENT', 'KILL', 'TYPE', 'pubsub')
          await pause(100)
        }
      },
    ],
    [
      'silent for 5 s',
      async (redis) => {
        redis.signal('SIGSTOP')
        await pause(SILENCE_MS)
        redis.signal('SIGCONT')
      },
    ],
  ])('%s', async ([, fault]) => {
    const redis = closedAfterwards(await startRedis())
    const { clients, status, meridian } = await openOn({ address: redis.address })
    const { slowestMs, reads } = await underLoad(clients, async () => {
      await healed(status)
      for (let times = 0; times < 2; times++) {
        await fault(redis)
        await healed(status)
      }
    })
    expect(reads).toBeGreaterThan(100)
    // Nobody waits out the silence: a few calls run into their time-out, the others do not ask.
    expect(slowestMs).toBeLessThan(SILENCE_MS)
    expect(status().samples.mismatches).toBe(0)
    await meridian.settle()
  })

  test('the master fails over to a replica that may lack the last changes', async () => {
    const master = closedAfterwards(await startRedis())
    const replica = closedAfterwards(await startRedis({ replicaOf: master.address }))
    await until(async () =>
      expect(await replica.ask('INFO', 'replication')).toContain('link_status:up'),
    )
    const sentinel = closedAfterwards(
      await startSentinel({ primary: master.address, name: 'main', downAfterMs: 1_000 }),
    )
    await until(async () => expect(await sentinel.ask('INFO', 'sentinel')).toContain('slaves=1'))
    const sentinels = { addresses: [sentinel.address], name: 'main' }
    const { clients, status } = await openOn({ sentinels })
    await underLoad(clients, async () => {
      await healed(status)
      // What it has not sent yet, the replica never gets.
      master.signal('SIGSTOP')
      await master.kill()
      await until(
        async () => expect(await replica.ask('INFO', 'replication')).toContain('role:master'),
        LONG_MS,
      )
      await healed(status)
    })
    expect(status().samples.mismatches).toBe(0)
  })

  test('a server of a Cluster is silent, then loses all it had', async () => {
    const cluster = closedAfterwards(await startRedisCluster())
    const { clients, status } = await openOn({ cluster: cluster.addresses })
    const [server] = cluster.servers as [RedisEngine]
    await underLoad(clients, async () => {
      await healed(status)
      server.signal('SIGSTOP')
      await pause(1_000)
      server.signal('SIGCONT')
      await healed(status)
      await server.ask('FLUSHALL')
      await healed(status)
    })
    expect(status().samples.mismatches).toBe(0)
  })
})
