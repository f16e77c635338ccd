/** The suite of the Cache port on Redis: one server, a master behind Sentinels, a Cluster; TLS. */
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  startRedisCluster,
  startSentinel,
  type RedisCluster,
} from '../../../src/cluster/engines/redis-groups.ts'
import { startRedis, type RedisEngine } from '../../../src/cluster/engines/redis.ts'
import { describeCacheSuite, type CacheSetup } from '../../conformance/cache-suite.ts'
import { engines } from '../../support/engines.ts'
import { openTestCache, withL1 } from '../../support/redis-cache.ts'
import type { RedisEndpoint } from '../../../src/drivers/redis/redis-client.ts'

async function setup(config: RedisEndpoint): Promise<CacheSetup> {
  return { cache: await openTestCache(config), advance: (ms) => pause(ms) }
}

async function setupL1(config: RedisEndpoint): Promise<CacheSetup> {
  const cache = await withL1(await openTestCache(config), { maxAgeMs: 1_000 })
  return { cache, advance: (ms) => pause(ms) }
}

describeCacheSuite('Redis below an L1', () => setupL1({ address: engines().redis.address }))

describeCacheSuite('Redis', () => setup({ address: engines().redis.address }))

const PASSWORD = 'a word to pass'

describe('behind Sentinels', () => {
  let redis: RedisEngine
  let sentinel: RedisEngine

  beforeAll(async () => {
    redis = await startRedis({ password: PASSWORD })
    sentinel = await startSentinel({ primary: redis.address, password: PASSWORD, name: 'main' })
  })
  afterAll(async () => {
    await Promise.all([sentinel.close(), redis.close()])
  })

  const config = (): RedisEndpoint => ({
    sentinels: { addresses: [sentinel.address], name: 'main' },
    password: PASSWORD,
    user: 'default',
  })
  describeCacheSuite('Redis with Sentinel', () => setup(config()))
  describeCacheSuite('Redis with Sentinel below an L1', () => setupL1(config()))
})

describe('in a Cluster', () => {
  let cluster: RedisCluster

  beforeAll(async () => {
    cluster = await startRedisCluster({ password: PASSWORD })
  })
  afterAll(() => cluster.close())

  describeCacheSuite('Redis Cluster', () =>
    setup({ cluster: cluster.addresses, password: PASSWORD }),
  )

  describeCacheSuite('Redis Cluster below an L1', () =>
    setupL1({ cluster: cluster.addresses, password: PASSWORD }),
  )

  test('every server has a share of the cache', async () => {
    const cache = await openTestCache({ cluster: cluster.addresses, password: PASSWORD })
    await cache.begin('i', 0)
    const sizes = await Promise.all(cluster.servers.map((server) => server.ask('DBSIZE')))
    expect(sizes.every((size) => Number(/\d+/.exec(size)?.[0]) > 0)).toBe(true)
  })
})
