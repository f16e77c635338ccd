/** What an L1 answers by itself, when it does not, and what it keeps. */
import { describe, expect, test } from 'vitest'
import { createL1Cache, type L1Cache, type L1CacheOptions } from '../../../src/cache/l1-cache.ts'
import type { CacheChange } from '../../../src/core/ports/cache.ts'
import { createMemoryCache } from '../../../src/drivers/cache/memory-cache.ts'
import { failureOf } from '../../conformance/support/failure.ts'
import { ManualRuntime } from '../../support/manual-runtime.ts'
import { ToldCache, type ToldCacheOptions } from '../../support/told-cache.ts'

const LIFE = 'store.1'
const TTL_MS = 3_600_000

interface World {
  readonly runtime: ManualRuntime
  readonly shared: ToldCache
  readonly l1: L1Cache
  readonly fill: (key: string, position: number, bytes?: number) => Promise<void>
  /** What is read, and whether the shared cache was asked for it. */
  readonly read: (
    key: string,
  ) => Promise<{ position: number | undefined; applied: unknown; asked: boolean }>
}

function open(options: Partial<L1CacheOptions> = {}, told: ToldCacheOptions = {}): World {
  const runtime = new ManualRuntime()
  const { clock } = runtime
  const memory = createMemoryCache({ clock, maxEntries: 1000 })
  const shared = new ToldCache(memory, { atOnce: true, ...told })
  const l1 = createL1Cache({ shared, feed: shared.feed, clock, ...options })
  return {
    runtime,
    shared,
    l1,
    async fill(key, position, bytes = 1) {
      const lease = (await shared.acquireLease(key, TTL_MS)) ?? ''
      const entry = { position, value: new Uint8Array(bytes), expiresAtMs: null }
      expect(await shared.fill(key, lease, entry, TTL_MS)).toBe(true)
    },
    async read(key) {
      const before = shared.reads
      const { entries, applied } = await l1.read([key])
      return { position: entries[0]?.position, applied, asked: shared.reads > before }
    },
  }
}

/** Told of changes, and begun. */
async function openBegun(
  options?: Partial<L1CacheOptions>,
  told?: ToldCacheOptions,
): Promise<World> {
  const world = open(options, told)
  world.shared.up()
  await world.l1.begin(LIFE, 0)
  return world
}

const change = (key: string, position: number): CacheChange => ({
  key,
  position,
  value: new Uint8Array([position]),
  expiresAtMs: null,
})

describe('what it answers', () => {
  test('what was read once, without asking the shared cache', async () => {
    const { l1, fill, read } = await openBegun()
    await fill('k', 1)
    expect(await read('k')).toEqual({ position: 1, applied: 0, asked: true })
    expect(await read('k')).toEqual({ position: 1, applied: 0, asked: false })
    expect(l1.status()).toMatchObject({ inUse: true, hits: 1, entries: 1 })
  })

  test('several keys only where all are here', async () => {
    const { shared, l1, fill, read } = await openBegun()
    await fill('a', 1)
    await fill('b', 1)
    await read('a')
    const before = shared.reads
    expect((await l1.read(['a', 'b'])).entries).toHaveLength(2)
    expect(shared.reads).toBe(before + 1)
    expect((await l1.read(['b', 'a'])).entries).toHaveLength(2)
    expect(shared.reads).toBe(before + 1)
  })

  test('what this process applies renews it; what others apply drops it', async () => {
    const { shared, l1, fill, read } = await openBegun()
    await fill('k', 1)
    await read('k')
    await l1.apply([change('k', 2)], 0, 2)
    expect(await read('k')).toEqual({ position: 2, applied: 2, asked: false })
    await shared.apply([change('other', 3)], 2, 3)
    expect(await read('k')).toEqual({ position: 2, applied: 3, asked: false })
    await shared.apply([change('k', 4)], 3, 4)
    expect(await read('k')).toEqual({ position: 4, applied: 4, asked: true })
  })

  test('nothing while the shared cache fails: who asks must learn that', async () => {
    const { shared, fill, read, l1 } = await openBegun()
    await fill('k', 1)
    await read('k')
    const failure = shared.failNext(new Error('no answer'))
    expect(await failureOf(l1.read(['none']))).toBe(failure)
    expect(l1.status().inUse).toBe(false)
    expect(await read('k')).toMatchObject({ asked: true })
    expect(await read('k')).toMatchObject({ asked: false })
  })

  test('nothing that is older than its time', async () => {
    const { runtime, fill, read } = await openBegun({ maxAgeMs: 500 })
    await fill('k', 1)
    await read('k')
    await runtime.advance(499)
    expect(await read('k')).toMatchObject({ asked: false })
    await runtime.advance(1)
    expect(await read('k')).toMatchObject({ asked: true })
  })
})

describe('what it cannot be sure of', () => {
  test('nothing is kept before it is subscribed, nor after a drop until it is read again', async () => {
    const { shared, l1, fill, read } = open()
    await l1.begin(LIFE, 0)
    await fill('k', 1)
    for (let i = 0; i < 2; i++) expect(await read('k')).toMatchObject({ asked: true })
    shared.up()
    expect(await read('k')).toMatchObject({ asked: true })
    expect(await read('k')).toMatchObject({ asked: false })
    shared.down()
    expect(l1.status()).toMatchObject({ inUse: false, entries: 0, subscribed: false })
    for (let i = 0; i < 2; i++) expect(await read('k')).toMatchObject({ asked: true })
    shared.up()
    expect(await read('k')).toMatchObject({ asked: true })
    expect(await read('k')).toMatchObject({ asked: false })
  })

  test('an answer that was under way over a drop is not kept', async () => {
    const { shared, l1, fill, read } = await openBegun()
    await fill('k', 1)
    shared.holding(() => void l1.read(['k']))
    shared.down()
    shared.up()
    await shared.release()
    expect(l1.status().entries).toBe(0)
    expect(await read('k')).toMatchObject({ asked: true })
  })

  test.for([
    [{}, 0],
    [{ keepsFormerAnswers: true }, 1],
  ] as const)('an answer of a former incarnation is not kept (%j)', async ([faults, kept]) => {
    const { shared, l1, fill } = await openBegun({ faults })
    await fill('k', 500)
    shared.holding(() => void l1.read(['k']))
    await l1.begin('store.2', 7)
    await shared.release()
    expect(l1.status().entries).toBe(kept)
  })

  test('a batch counts as a whole: without a piece of it nothing is kept', async () => {
    const { shared, l1, fill, read } = await openBegun({}, { atOnce: false, changesPerPiece: 1 })
    await fill('a', 1)
    await fill('b', 1)
    shared.deliver()
    await read('a')
    await read('b')
    await shared.apply([change('a', 2), change('b', 3), change('c', 4)], 0, 4)
    shared.deliver(1)
    expect(await read('b')).toEqual({ position: 1, applied: 0, asked: false })
    // Within the batch, nothing of before it is kept.
    shared.lose()
    shared.deliver()
    expect(l1.status().entries).toBe(0)
    expect(await read('b')).toEqual({ position: 3, applied: 4, asked: true })
  })

  test('the last message may be lost: what is overdue ends it', async () => {
    const { runtime, shared, l1, fill, read } = await openBegun({}, { atOnce: false })
    await fill('k', 1)
    shared.deliver()
    await read('k')
    await shared.apply([change('k', 2)], 0, 2)
    shared.lose()
    // As the role does every second.
    await l1.begin(LIFE, 0)
    expect(await read('k')).toEqual({ position: 1, applied: 0, asked: false })
    await runtime.advance(1_001)
    expect(await read('k')).toEqual({ position: 2, applied: 2, asked: true })
    expect(shared.renewals).toBe(1)
  })

  test('cleared elsewhere, or another life or incarnation elsewhere: it has nothing', async () => {
    const { shared, l1, fill, read } = await openBegun()
    const warm = async (position: number): Promise<void> => {
      await fill('k', position)
      await read('k')
      expect(l1.status().entries).toBe(1)
    }
    await warm(1)
    await shared.clear()
    expect(l1.status().entries).toBe(0)
    await l1.begin(LIFE, 5)
    await warm(5)
    await shared.begin('store.2', 0)
    expect(l1.status().entries).toBe(0)
  })
})

describe('what it keeps', () => {
  test('no more bytes and entries than it may, and nothing that takes most of them', async () => {
    const { l1, fill, read } = await openBegun({ maxBytes: 32_000, maxEntries: 20 })
    for (let i = 0; i < 15; i++) {
      await fill(`k${i}`, 1, 1_500)
      await read(`k${i}`)
    }
    expect(l1.status()).toMatchObject({ entries: 15 })
    for (let i = 15; i < 40; i++) {
      await fill(`k${i}`, 1, 1_500)
      await read(`k${i}`)
    }
    const { bytes, entries } = l1.status()
    expect(bytes).toBeLessThanOrEqual(32_000)
    expect(entries).toBe(17)
    for (let i = 40; i < 80; i++) {
      await fill(`k${i}`, 1, 1)
      await read(`k${i}`)
    }
    expect(l1.status().entries).toBe(20)
    await fill('long', 1, 3_000)
    expect(await read('long')).toMatchObject({ position: 1 })
    expect(await read('long')).toMatchObject({ asked: true })
  })

  test('not the whole of what came over the network for a part of it', async () => {
    const { shared, l1, read } = await openBegun()
    const network = new Uint8Array(65_536).fill(7)
    const lease = (await shared.acquireLease('k', TTL_MS)) ?? ''
    const entry = { position: 1, value: network.subarray(10, 20), expiresAtMs: null }
    await shared.fill('k', lease, entry, TTL_MS)
    await read('k')
    const [kept] = (await l1.read(['k'])).entries
    expect([...(kept?.value ?? [])]).toEqual([...network.subarray(10, 20)])
    expect(kept?.value?.buffer.byteLength).toBe(10)
  })
})
