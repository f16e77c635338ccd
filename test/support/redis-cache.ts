/** Caches in a Redis of the tests, each under a name of its own. */
import { randomBytes } from 'node:crypto'
import { expect, onTestFinished } from 'vitest'
import { createL1Cache, type L1Cache, type L1CacheOptions } from '../../src/cache/l1-cache.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import {
  openRedisCache,
  type RedisCache,
  type RedisCacheOptions,
} from '../../src/drivers/redis/redis-cache.ts'
import { memoryLog } from './memory-log.ts'
import { until } from './until.ts'

/** A machine that does ten things at once answers late: only faults should run into this. */
const PATIENT_MS = 20_000

/** A name that nobody else has: for the deployment, and so for the keys. */
export function ownName(): string {
  return `test-${randomBytes(6).toString('hex')}`
}

/** Opens a cache and waits until it is connected; closed when the test ends. */
export async function openTestCache(
  config: RedisCacheOptions['config'],
  options: Partial<RedisCacheOptions> = {},
): Promise<RedisCache> {
  const cache = openRedisCache({
    name: ownName(),
    region: 'eu-west',
    config,
    runtime: systemRuntime,
    log: memoryLog(),
    commandTimeoutMs: PATIENT_MS,
    ...options,
  })
  onTestFinished(() => cache.close())
  await connected(cache)
  return cache
}

/** Puts an L1 before a cache, and waits until it is told of changes: it answers what it has read once. */
export async function withL1(
  shared: RedisCache,
  options: Partial<L1CacheOptions> = {},
): Promise<L1Cache> {
  const { clock } = systemRuntime
  const cache = createL1Cache({ shared, feed: shared.feed, clock, ...options })
  onTestFinished(() => cache.close())
  await until(() => expect(cache.status().subscribed).toBe(true), 60_000)
  return cache
}

export async function connected(cache: RedisCache): Promise<void> {
  await until(() => {
    const { connected: isConnected, error } = cache.status()
    if (!isConnected) throw new Error(`not connected: ${error}`)
  }, 60_000)
}
