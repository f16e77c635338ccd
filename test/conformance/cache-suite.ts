/** What every driver of the Cache port must do. */
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Cache, CacheEntry } from '../../src/core/ports/cache.ts'
import { failureOf } from './support/failure.ts'

const TTL_MS = 60_000

const entry = (version: string, value: string | null = version): CacheEntry => ({
  version,
  value: value === null ? null : new TextEncoder().encode(value),
  asOfMs: 1000,
})

/** A cache, and how its time passes. */
export interface CacheSetup {
  readonly cache: Cache
  readonly advance: (ms: number) => Promise<void>
}

/** `open`: a new, empty cache. The suite closes it. */
export function describeCacheSuite(name: string, open: () => Promise<CacheSetup>): void {
  const openCache = async (): Promise<CacheSetup> => {
    const setup = await open()
    onTestFinished(() => setup.cache.close())
    return setup
  }

  describe(`${name}: entries and leases`, () => {
    test('a miss is undefined; a filled entry and a known absence come back', async () => {
      const { cache } = await openCache()
      expect(await cache.get('k')).toBeUndefined()
      for (const [key, filled] of [
        ['k', entry('1')],
        ['absent', entry('1', null)],
      ] as const) {
        const lease = await cache.acquireLease(key, TTL_MS)
        expect(await cache.fill(key, lease ?? '', filled, TTL_MS)).toBe(true)
        expect(await cache.get(key)).toEqual(filled)
      }
    })

    test('one caller a miss gets the lease', async () => {
      const { cache } = await openCache()
      const leases = await Promise.all(
        Array.from({ length: 5 }, () => cache.acquireLease('k', TTL_MS)),
      )
      expect(leases.filter((lease) => lease !== undefined)).toHaveLength(1)
      expect(await cache.acquireLease('other', TTL_MS)).toBeDefined()
    })

    test('a lease that has run out fills nothing, and the next caller gets one', async () => {
      const { cache, advance } = await openCache()
      const first = await cache.acquireLease('k', 50)
      await advance(60)
      const second = await cache.acquireLease('k', TTL_MS)
      expect(second).toBeDefined()
      expect(await cache.fill('k', first ?? '', entry('1'), TTL_MS)).toBe(false)
      expect(await cache.fill('k', second ?? '', entry('1'), TTL_MS)).toBe(true)
    })

    test('a lease fills once', async () => {
      const { cache } = await openCache()
      const lease = (await cache.acquireLease('k', TTL_MS)) ?? ''
      expect(await cache.fill('k', lease, entry('1'), TTL_MS)).toBe(true)
      expect(await cache.fill('k', lease, entry('2'), TTL_MS)).toBe(false)
    })

    test('a put ends the lease: what was read before it is not filled after it', async () => {
      const { cache } = await openCache()
      const lease = (await cache.acquireLease('k', TTL_MS)) ?? ''
      expect(await cache.put('k', entry('2', null), TTL_MS)).toBe(true)
      expect(await cache.fill('k', lease, entry('1'), TTL_MS)).toBe(false)
      expect(await cache.get('k')).toEqual(entry('2', null))
    })

    test('an older version never replaces a newer one', async () => {
      const { cache } = await openCache()
      expect(await cache.put('k', entry('00000005'), TTL_MS)).toBe(true)
      expect(await cache.put('k', entry('00000004'), TTL_MS)).toBe(false)
      expect(await cache.put('k', entry('00000005', 'same'), TTL_MS)).toBe(false)
      const lease = (await cache.acquireLease('k', TTL_MS)) ?? ''
      expect(await cache.fill('k', lease, entry('00000003'), TTL_MS)).toBe(false)
      expect(await cache.get('k')).toEqual(entry('00000005'))
      expect(await cache.put('k', entry('00000010'), TTL_MS)).toBe(true)
      expect(await cache.get('k')).toEqual(entry('00000010'))
    })

    test('an entry is a miss once its time is over', async () => {
      const { cache, advance } = await openCache()
      await cache.put('short', entry('1'), 50)
      await cache.put('long', entry('1'), TTL_MS)
      await advance(60)
      expect(await cache.get('short')).toBeUndefined()
      expect(await cache.get('long')).toEqual(entry('1'))
    })

    test('clear drops entries and leases', async () => {
      const { cache } = await openCache()
      await cache.put('k', entry('1'), TTL_MS)
      const lease = (await cache.acquireLease('leased', TTL_MS)) ?? ''
      await cache.clear()
      expect(await cache.get('k')).toBeUndefined()
      expect(await cache.fill('leased', lease, entry('1'), TTL_MS)).toBe(false)
    })

    test('closed, it refuses calls', async () => {
      const { cache } = await open()
      await cache.close()
      expect(await failureOf(cache.get('k'))).toMatchObject({ code: 'CLOSED' })
    })
  })
}
