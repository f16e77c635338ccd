import { expect, test } from 'vitest'
import type { Clock } from '../../src/core/ports/runtime.ts'
import { createMemoryCache } from '../../src/drivers/cache/memory-cache.ts'
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
    cache: createMemoryCache({ clock, maxEntries: 100 }),
    advance: (ms) => clock.advance(ms),
  }
})

test('memory cache: the least recently used keys go first', async () => {
  const cache = createMemoryCache({ clock: movableClock(), maxEntries: 3 })
  const put = (key: string): Promise<boolean> =>
    cache.put(key, { version: '1', value: null, asOfMs: 0 }, 1000)
  await put('a')
  await put('b')
  await put('c')
  await cache.get('a')
  await put('d')
  const kept = await Promise.all(['a', 'b', 'c', 'd'].map((key) => cache.get(key)))
  expect(kept.map((entry) => entry !== undefined)).toEqual([true, false, true, true])
})

test('memory cache: leases without entries do not grow it', async () => {
  const cache = createMemoryCache({ clock: movableClock(), maxEntries: 3 })
  await cache.put('kept', { version: '1', value: null, asOfMs: 0 }, 1000)
  for (let i = 0; i < 10; i++) await cache.acquireLease(`${i}`, 1000)
  expect(await cache.get('kept')).toBeUndefined()
})
