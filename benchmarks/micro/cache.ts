/**
 * What a point read through the region's cache costs: `orders.get` answered out of the memory of the
 * process (L1), against the bare client's GET of as many bytes, and against the store in a file, in
 * turns within the same run. Then the levels themselves: one entry from Redis, and from the L1.
 *
 *   npx tsx benchmarks/micro/cache.ts HOST:PORT [reads of each, default 5,000]
 */
import { randomBytes } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { createL1Cache } from '../../src/cache/l1-cache.ts'
import { defaultConfig } from '../../src/config/parse-config.ts'
import { openRedisCache } from '../../src/drivers/redis/redis-cache.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import { testMeridian } from '../../src/testing/index.ts'
import { orderRows, percentile, printQuantiles, schema } from './point-reads-shared.ts'

const [address = '127.0.0.1:6379', count = '5000'] = process.argv.slice(2)
const READS = Number(count)
const WARM_UP = 1_000
/** All of them are in the cache before anything is measured. */
const HOT_ROWS = 100
const REGION = 'us-east'

const name = `bench-${randomBytes(6).toString('hex')}`
const config = { ...defaultConfig([REGION]), name, caches: { [REGION]: { address } } }
const meridian = await testMeridian({ schema, config })
const db = await meridian.connect(REGION)
await db.tenants.create({ id: 'acme', home: REGION })
const { orders } = db.tenant('acme')
await orders.insertMany(orderRows.slice(0, HOT_ROWS))
await meridian.settle()

const hot = (i: number): string => `order-${i % HOT_ROWS}`
const redis = new Redis(`redis://${address}`)
const bytes = randomBytes(160)
for (let i = 0; i < HOT_ROWS; i++) await redis.set(`${name}:${hot(i)}`, bytes)

const redisMs: number[] = []
const cachedMs: number[] = []
const storeMs: number[] = []
for (let i = 0; i < WARM_UP + READS; i++) {
  const id = hot(i)
  const startMs = performance.now()
  const held = await redis.getBuffer(`${name}:${id}`)
  const redisAtMs = performance.now()
  const { receipt } = await orders.get(id).withReceipt()
  const cachedAtMs = performance.now()
  await orders.get(id, { consistency: 'strong' })
  const endMs = performance.now()
  if (held?.length !== bytes.length) throw new Error(`no ${id}`)
  if (i < WARM_UP) continue
  redisMs.push(redisAtMs - startMs)
  storeMs.push(endMs - cachedAtMs)
  if (receipt.source === 'cache') cachedMs.push(cachedAtMs - redisAtMs)
}

printQuantiles({ 'ioredis GET': redisMs, 'cached get': cachedMs, 'store (file)': storeMs })
const ratio = percentile(cachedMs, 0.95) / percentile(redisMs, 0.95)
console.log(`from the cache ${cachedMs.length} of ${READS}; ratio at p95 ${ratio.toFixed(2)}`)

await measureLevels()

await redis.del(...(await redis.keys(`${name}:*`)), ...(await redis.keys(`{${name}:*`)))
redis.disconnect()
await meridian.close()

/** One entry of a cache of its own, from Redis and from the L1 before it. */
async function measureLevels(): Promise<void> {
  const shared = openRedisCache({
    name,
    region: 'levels',
    config: { address },
    runtime: systemRuntime,
    log: { write: () => {} },
  })
  const l1 = createL1Cache({ shared, feed: shared.feed, clock: systemRuntime.clock })
  while (!l1.status().subscribed || !shared.status().connected) await pause(10)
  await l1.begin('store.1', 0)
  const lease = (await shared.acquireLease('k', 10_000)) ?? ''
  await shared.fill('k', lease, { position: 0, value: bytes, expiresAtMs: null }, 3_600_000)
  const sharedMs: number[] = []
  const l1Ms: number[] = []
  await l1.read(['k'])
  for (let i = 0; i < WARM_UP + READS; i++) {
    const startMs = performance.now()
    await shared.read(['k'])
    const sharedAtMs = performance.now()
    await l1.read(['k'])
    const endMs = performance.now()
    if (i < WARM_UP) continue
    sharedMs.push(sharedAtMs - startMs)
    l1Ms.push(endMs - sharedAtMs)
  }
  console.log(`from the L1 ${l1.status().hits} of ${WARM_UP + READS}`)
  printQuantiles({ 'entry, Redis': sharedMs, 'entry, L1': l1Ms })
  await l1.close()
}
