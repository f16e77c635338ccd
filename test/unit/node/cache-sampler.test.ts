import { expect, test } from 'vitest'
import { encodeRow } from '../../../src/cache/row-codec.ts'
import { rowKey } from '../../../src/cache/row-key.ts'
import type { Cache } from '../../../src/core/ports/cache.ts'
import { createMemoryCache } from '../../../src/drivers/cache/memory-cache.ts'
import { CachedReads, type CachedRows } from '../../../src/node/cached-reads.ts'
import { ManualRuntime, turns } from '../../support/manual-runtime.ts'
import { memoryLog, type MemoryLog } from '../../support/memory-log.ts'
import { openPinnedRegion, request, SOURCE } from '../../support/pinned-region.ts'
import { imageOf, shop, shopTable } from '../../support/shop.ts'

const alerts = shopTable('alerts')
const NAME = rowKey(alerts, 'a', [1]) as string

interface Sampled {
  readonly cache: Cache
  readonly cached: CachedReads
  readonly runtime: ManualRuntime
  readonly log: MemoryLog
  readonly read: () => Promise<CachedRows | undefined>
}

/** A region with one row, whose cache compares every answer. */
async function open(): Promise<Sampled> {
  const runtime = new ManualRuntime()
  const region = await openPinnedRegion()
  region.wall.nowMs = runtime.clock.nowMs()
  const rows = [imageOf('alerts', { id: 1, level: 7 })]
  const issuedAtMs = region.wall.nowMs
  await region.engine.commit(request([{ kind: 'upsert', table: alerts.id, rows }], { issuedAtMs }))
  const cache = createMemoryCache({ clock: runtime.clock, maxEntries: 10 })
  await cache.begin(SOURCE, 1)
  const log = memoryLog()
  const { store } = region
  const cached = new CachedReads({
    ...{ cache, store, schema: shop, source: SOURCE, runtime, log },
    sampleEvery: 1,
  })
  const read = (): Promise<CachedRows | undefined> =>
    cached.get({
      table: alerts,
      tenant: 'a',
      keys: [[1]],
      level: 'session',
      required: {},
      kinds: { own: true, imported: 'none', logs: false },
      nowMs: runtime.clock.nowMs(),
    })
  return { cache, cached, runtime, log, read }
}

test("an answer that is the store's is compared and found the same", async () => {
  const { cached, read, log } = await open()
  await read()
  await turns()
  expect((await read())?.fromCache).toBe(true)
  await turns()
  expect(cached.status().samples).toEqual({ compared: 1, mismatches: 0, undecided: 0 })
  expect(log.lines).toEqual([])
})

test('one that is not is counted and told, and the cache begins anew', async () => {
  const { cache, cached, read, log } = await open()
  await read()
  await turns()
  const lease = (await cache.acquireLease(NAME, 1000)) ?? ''
  const image = imageOf('alerts', { id: 1, level: 8 })
  const value = encodeRow(shop, { image, version: 'wrong' })
  expect(await cache.fill(NAME, lease, { position: 1, value, expiresAtMs: null }, 1000)).toBe(true)
  await read()
  await turns()
  expect(cached.status().samples).toMatchObject({ compared: 1, mismatches: 1 })
  expect(log.lines).toMatchObject([{ level: 'error', event: 'cache differs from store' }])
  expect((await cache.read([NAME])).applied).toBeUndefined()
  expect((await read())?.rows[0]?.image[2]).toBe(7)
})

test('a row that left the cache meanwhile is not decided', async () => {
  const { cache, cached, read } = await open()
  await read()
  await turns()
  const sampled = read()
  await sampled
  await cache.clear()
  await turns()
  expect(cached.status().samples).toEqual({ compared: 0, mismatches: 0, undecided: 1 })
})
