import { expect, test } from 'vitest'
import { createL1Cache } from '../../src/cache/l1-cache.ts'
import type { Cache } from '../../src/core/ports/cache.ts'
import type { Clock } from '../../src/core/ports/runtime.ts'
import { createMemoryCache } from '../../src/drivers/cache/memory-cache.ts'
import { ToldCache } from '../support/told-cache.ts'
import { describeCacheSuite } from './cache-suite.ts'

function movableClock(): Clock & { advance(ms: number): Promise<void> } {
  let nowMs = 1_000_000
  const read = (): number => nowMs
  return {
    nowMs: read,
    monotonicMs: read,
    bootMs: read,
    advance: async (ms) => {
      nowMs += ms
    },
  }
}

describeCacheSuite('memory cache', async () => {
  const clock = movableClock()
  return {
    cache: createMemoryCache({ clock, maxEntries: 1000 }),
    advance: (ms) => clock.advance(ms),
  }
})

describeCacheSuite('memory cache below an L1', async () => {
  const clock = movableClock()
  const shared = new ToldCache(createMemoryCache({ clock, maxEntries: 1000 }), { atOnce: true })
  const cache = createL1Cache({ shared, feed: shared.feed, clock, maxAgeMs: 1_000 })
  shared.up()
  return { cache, advance: (ms) => clock.advance(ms) }
})

async function put(cache: Cache, key: string, bytes = 0): Promise<void> {
  const lease = (await cache.acquireLease(key, 1000)) ?? ''
  const entry = { position: 1, value: new Uint8Array(bytes), expiresAtMs: null }
  expect(await cache.fill(key, lease, entry, 1000)).toBe(true)
}

const KEYS = ['a', 'b', 'c', 'd']

async function keptOf(cache: Cache): Promise<boolean[]> {
  return (await cache.read(KEYS)).entries.map((entry) => entry !== undefined)
}

test('memory cache: the least recently used keys go first', async () => {
  const cache = createMemoryCache({ clock: movableClock(), maxEntries: 3 })
  await cache.begin('i', 0)
  for (const key of ['a', 'b', 'c']) await put(cache, key)
  await cache.read(['a'])
  await put(cache, 'd')
  expect(await keptOf(cache)).toEqual([true, false, true, true])
})

test('memory cache: bytes are bounded, too, also where a change makes an entry longer', async () => {
  const cache = createMemoryCache({ clock: movableClock(), maxEntries: 100, maxBytes: 5000 })
  await cache.begin('i', 0)
  for (const key of ['a', 'b', 'c', 'd']) await put(cache, key, 1000)
  expect(await keptOf(cache)).toEqual([true, true, true, true])
  const longer = { key: 'd', position: 2, value: new Uint8Array(3000), expiresAtMs: null }
  await cache.apply([longer], 0, 2)
  expect(await keptOf(cache)).toEqual([false, false, true, true])
})

test('memory cache: leases without entries do not grow it', async () => {
  const cache = createMemoryCache({ clock: movableClock(), maxEntries: 3 })
  await cache.begin('i', 0)
  await put(cache, 'a')
  for (let i = 0; i < 10; i++) await cache.acquireLease(`${i}`, 1000)
  expect(await keptOf(cache)).toEqual([false, false, false, false])
})
