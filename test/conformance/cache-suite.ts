/** What every driver of the Cache port must do. */
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Cache, CacheChange, CacheEntry } from '../../src/core/ports/cache.ts'
import { failureOf } from './support/failure.ts'

const TTL_MS = 60_000
const SHORT_MS = 50
const LIFE = 'incarnation-1'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

const entry = (position: number, value: string | null = `v${position}`): CacheEntry => ({
  position,
  value: value === null ? null : encoder.encode(value),
  expiresAtMs: null,
})

const change = (key: string, position: number, value?: string | null): CacheChange => ({
  ...entry(position, value ?? null),
  key,
  ...(value === undefined ? { value: encoder.encode(`v${position}`) } : {}),
})

/** A cache, and how its time passes. */
export interface CacheSetup {
  readonly cache: Cache
  readonly advance: (ms: number) => Promise<void>
}

/** What a key reads as: its text, `null` where it is known to be absent, `undefined` for a miss. */
async function textOf(cache: Cache, key: string): Promise<string | null | undefined> {
  const { entries } = await cache.read([key])
  const value = entries[0]?.value
  return value instanceof Uint8Array ? decoder.decode(value) : value
}

function bytesOf(entry: CacheEntry | undefined): number[] | null {
  const value = entry?.value ?? null
  return value === null ? null : [...value]
}

async function fill(cache: Cache, key: string, filled: CacheEntry): Promise<boolean> {
  const lease = await cache.acquireLease(key, TTL_MS)
  if (lease === undefined) throw new Error(`The lease of ${key} is taken.`)
  return cache.fill(key, lease, filled, TTL_MS)
}

/** `open`: a new, empty cache that has not begun. The suite closes it. */
export function describeCacheSuite(name: string, open: () => Promise<CacheSetup>): void {
  const openNew = async (): Promise<CacheSetup> => {
    const setup = await open()
    onTestFinished(() => setup.cache.close())
    return setup
  }
  const openBegun = async (position = 0): Promise<CacheSetup> => {
    const setup = await openNew()
    expect(await setup.cache.begin(LIFE, position)).toBe(position)
    return setup
  }

  describe(`${name}: entries and leases`, () => {
    test('a miss is undefined; filled entries and known absences come back as they were', async () => {
      const { cache } = await openBegun(5)
      expect(await cache.read(['k', 'other'])).toEqual({
        entries: [undefined, undefined],
        applied: 5,
      })
      const bytes = Uint8Array.from({ length: 256 }, (_, i) => i)
      const filled: [string, CacheEntry][] = [
        ['bytes', { position: 6, value: bytes, expiresAtMs: null }],
        ['empty', { position: 6, value: new Uint8Array(0), expiresAtMs: 1_700_000_000_000 }],
        ['absent', { position: 2 ** 53 - 1, value: null, expiresAtMs: null }],
        ['ключ "{}" \u0000 🔑', entry(7)],
      ]
      for (const [key, one] of filled) expect(await fill(cache, key, one)).toBe(true)
      const { entries, applied } = await cache.read(filled.map(([key]) => key))
      expect(applied).toBe(5)
      entries.forEach((found, i) => {
        const [, expected] = filled[i] as [string, CacheEntry]
        expect({ ...found, value: bytesOf(found) }).toEqual({
          ...expected,
          value: bytesOf(expected),
        })
      })
    })

    test('one caller a miss gets the lease', async () => {
      const { cache } = await openBegun()
      const leases = await Promise.all(
        Array.from({ length: 5 }, () => cache.acquireLease('k', TTL_MS)),
      )
      expect(leases.filter((lease) => lease !== undefined)).toHaveLength(1)
      expect(await cache.acquireLease('other', TTL_MS)).toBeDefined()
    })

    test('a lease that has run out fills nothing, and the next caller gets one', async () => {
      const { cache, advance } = await openBegun()
      const first = await cache.acquireLease('k', SHORT_MS)
      await advance(SHORT_MS + 10)
      const second = await cache.acquireLease('k', TTL_MS)
      expect(second).toBeDefined()
      expect(await cache.fill('k', first ?? '', entry(1), TTL_MS)).toBe(false)
      expect(await cache.fill('k', second ?? '', entry(1), TTL_MS)).toBe(true)
    })

    test('a lease fills once, and its own key only', async () => {
      const { cache } = await openBegun()
      const lease = (await cache.acquireLease('k', TTL_MS)) ?? ''
      expect(await cache.fill('other', lease, entry(1), TTL_MS)).toBe(false)
      expect(await cache.fill('k', lease, entry(1), TTL_MS)).toBe(true)
      expect(await cache.fill('k', lease, entry(2), TTL_MS)).toBe(false)
    })

    test('an entry is a miss once its time is over, also after a change renewed it', async () => {
      const { cache, advance } = await openBegun()
      const lease = (await cache.acquireLease('short', TTL_MS)) ?? ''
      expect(await cache.fill('short', lease, entry(1), 3000)).toBe(true)
      await fill(cache, 'long', entry(1))
      await cache.apply([change('short', 2)], 0, 2)
      expect(await textOf(cache, 'short')).toBe('v2')
      await advance(3010)
      expect(await textOf(cache, 'short')).toBeUndefined()
      expect(await textOf(cache, 'long')).toBe('v1')
    })

    test('an older entry never replaces a newer one', async () => {
      const { cache } = await openBegun()
      expect(await fill(cache, 'k', entry(10))).toBe(true)
      expect(await fill(cache, 'k', entry(9))).toBe(false)
      expect(await textOf(cache, 'k')).toBe('v10')
      expect(await fill(cache, 'k', entry(100))).toBe(true)
      expect(await textOf(cache, 'k')).toBe('v100')
    })
  })

  describe(`${name}: changes`, () => {
    test('a change renews an entry that is there and adds none', async () => {
      const { cache } = await openBegun()
      await fill(cache, 'k', entry(1))
      await fill(cache, 'gone', entry(1))
      await fill(cache, 'long', entry(1))
      const changes = [change('k', 2), change('new', 3), change('gone', 4, null)]
      const tooLong: CacheChange = { key: 'long', position: 5, value: undefined, expiresAtMs: null }
      expect(await cache.apply([...changes, tooLong], 0, 6)).toBe(6)
      expect(await textOf(cache, 'k')).toBe('v2')
      expect(await textOf(cache, 'new')).toBeUndefined()
      expect(await textOf(cache, 'gone')).toBeNull()
      expect(await textOf(cache, 'long')).toBeUndefined()
      expect(await cache.read([])).toEqual({ entries: [], applied: 6 })
    })

    test('a change ends the lease: what was read before it is not filled after it', async () => {
      const { cache } = await openBegun()
      const lease = (await cache.acquireLease('k', TTL_MS)) ?? ''
      await cache.apply([change('k', 1)], 0, 1)
      expect(await cache.fill('k', lease, entry(5), TTL_MS)).toBe(false)
      expect(await cache.acquireLease('k', TTL_MS)).toBeDefined()
    })

    test('what was read before a change is not filled after it, by no lease', async () => {
      const { cache } = await openBegun()
      await cache.apply([change('k', 7)], 0, 7)
      expect(await fill(cache, 'k', entry(6))).toBe(false)
      expect(await textOf(cache, 'k')).toBeUndefined()
      expect(await fill(cache, 'k', entry(7))).toBe(true)
      expect(await textOf(cache, 'k')).toBe('v7')
    })

    test('an entry that is newer than a change keeps its value', async () => {
      const { cache } = await openBegun()
      await fill(cache, 'k', entry(9))
      await cache.apply([change('k', 8), change('k', 9, 'never')], 0, 9)
      expect(await textOf(cache, 'k')).toBe('v9')
    })

    test('repeating changes is harmless, and lowers nothing', async () => {
      const { cache } = await openBegun()
      await fill(cache, 'k', entry(1))
      await cache.apply([change('k', 5)], 0, 5)
      await cache.apply([change('k', 6)], 5, 6)
      expect(await cache.apply([change('k', 5)], 0, 5)).toBe(6)
      expect(await textOf(cache, 'k')).toBe('v6')
      expect(await fill(cache, 'k', entry(5))).toBe(false)
    })

    test('many changes at once, some of one key: the last counts', async () => {
      const { cache } = await openBegun()
      const keys = Array.from({ length: 450 }, (_, i) => `key-${i}`)
      for (const key of keys.slice(0, 20)) await fill(cache, key, entry(0))
      const changes = [...keys, ...keys].map((key, i) => change(key, i + 1))
      expect(await cache.apply(changes, 0, 900)).toBe(900)
      expect(await textOf(cache, 'key-0')).toBe('v451')
      expect(await textOf(cache, 'key-19')).toBe('v470')
      expect(await fill(cache, 'key-449', entry(899))).toBe(false)
    })

    test('changes behind a gap are refused, and say where to go on', async () => {
      const { cache } = await openBegun(10)
      await fill(cache, 'k', entry(10))
      expect(await cache.apply([change('k', 12)], 11, 12)).toBe(10)
      expect(await textOf(cache, 'k')).toBe('v10')
      expect(await cache.apply([change('k', 12)], 10, 12)).toBe(12)
      expect(await textOf(cache, 'k')).toBe('v12')
    })
  })

  describe(`${name}: lives`, () => {
    test('a cache that has not begun knows nothing and takes nothing', async () => {
      const { cache } = await openNew()
      expect(await cache.read(['k'])).toEqual({ entries: [undefined], applied: undefined })
      expect(await fill(cache, 'k', entry(1))).toBe(false)
      expect(await cache.apply([change('k', 1)], 0, 1)).toBeUndefined()
    })

    test('begun again with the same incarnation, it goes on where it was', async () => {
      const { cache } = await openBegun(3)
      await fill(cache, 'k', entry(4))
      await cache.apply([], 3, 4)
      expect(await cache.begin(LIFE, 100)).toBe(4)
      expect(await textOf(cache, 'k')).toBe('v4')
    })

    test('begun with another incarnation, it has lost all of the former', async () => {
      const { cache } = await openBegun(3)
      await fill(cache, 'k', entry(400))
      expect(await cache.begin('incarnation-2', 7)).toBe(7)
      expect(await cache.read(['k'])).toEqual({ entries: [undefined], applied: 7 })
      expect(await fill(cache, 'k', entry(6))).toBe(false)
      expect(await fill(cache, 'k', entry(7))).toBe(true)
    })

    test('cleared, it knows nothing; begun again, nothing of before counts', async () => {
      const { cache } = await openBegun(3)
      await fill(cache, 'k', entry(9))
      const lease = (await cache.acquireLease('leased', TTL_MS)) ?? ''
      await cache.clear()
      expect(await cache.read(['k'])).toEqual({ entries: [undefined], applied: undefined })
      expect(await cache.apply([change('k', 4)], 3, 4)).toBeUndefined()
      expect(await cache.begin(LIFE, 6)).toBe(6)
      expect(await cache.read(['k'])).toEqual({ entries: [undefined], applied: 6 })
      expect(await cache.fill('leased', lease, entry(5), TTL_MS)).toBe(false)
    })

    test('closed, it refuses calls', async () => {
      const { cache } = await open()
      await cache.begin(LIFE, 0)
      await cache.close()
      expect(await failureOf(cache.read(['k']))).toMatchObject({ code: 'CLOSED' })
      expect(await failureOf(cache.apply([], 0, 1))).toMatchObject({ code: 'CLOSED' })
    })
  })
}
