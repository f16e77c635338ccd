import { expect, test } from 'vitest'
import { GuardedCache } from '../../../src/cache/guarded-cache.ts'
import { MeridianError } from '../../../src/core/errors.ts'
import type { Cache } from '../../../src/core/ports/cache.ts'
import { createMemoryCache } from '../../../src/drivers/cache/memory-cache.ts'
import { ManualRuntime } from '../../support/manual-runtime.ts'

/** A cache that fails while `isDown`, and counts who asks. */
function flaky(runtime: ManualRuntime): {
  cache: Cache
  state: { isDown: boolean; reads: number }
} {
  const cache = createMemoryCache({ clock: runtime.clock, maxEntries: 10 })
  const state = { isDown: false, reads: 0 }
  const read: Cache['read'] = async (keys) => {
    state.reads++
    if (state.isDown) throw new MeridianError('CACHE_UNAVAILABLE', 'It is down.')
    return cache.read(keys)
  }
  return { cache: Object.assign(Object.create(cache) as Cache, { read }), state }
}

test('a call that fails is a miss, and three in a row keep the others from asking', async () => {
  const runtime = new ManualRuntime()
  const { cache, state } = flaky(runtime)
  const guarded = new GuardedCache(cache, runtime)
  state.isDown = true
  for (let i = 0; i < 10; i++) expect(await guarded.read(['k'])).toBeUndefined()
  expect(state.reads).toBe(3)
  expect(guarded.status()).toEqual({ inUse: false, failures: 3 })
  expect(await guarded.acquireLease('k', 1000)).toBeUndefined()
})

test('it is probed with growing pauses, and used again once it answers', async () => {
  const runtime = new ManualRuntime()
  const { cache, state } = flaky(runtime)
  const guarded = new GuardedCache(cache, runtime)
  state.isDown = true
  for (let i = 0; i < 3; i++) await guarded.read(['k'])
  await runtime.advance(60_000)
  expect(state.reads).toBeGreaterThan(20)
  expect(state.reads).toBeLessThan(60)
  state.isDown = false
  await runtime.advance(2_000)
  expect(guarded.status().inUse).toBe(true)
  expect(await guarded.read(['k'])).toEqual({ entries: [undefined], applied: undefined })
})

test('failures with answers between them do not count together', async () => {
  const runtime = new ManualRuntime()
  const { cache, state } = flaky(runtime)
  const guarded = new GuardedCache(cache, runtime)
  for (let i = 0; i < 9; i++) {
    state.isDown = i % 3 !== 0
    await guarded.read(['k'])
  }
  expect(guarded.status()).toEqual({ inUse: true, failures: 6 })
})

test('closed, it asks nobody and probes no more', async () => {
  const runtime = new ManualRuntime()
  const { cache, state } = flaky(runtime)
  const guarded = new GuardedCache(cache, runtime)
  state.isDown = true
  for (let i = 0; i < 3; i++) await guarded.read(['k'])
  guarded.close()
  await runtime.advance(60_000)
  expect(state.reads).toBe(3)
})
