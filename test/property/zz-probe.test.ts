import fc from 'fast-check'
import { test } from 'vitest'
import { createMemoryCache } from '../../src/drivers/cache/memory-cache.ts'
import { CacheModel } from '../support/cache-model.ts'
import { cacheSteps } from '../support/cache-steps.ts'
import { L1_HAPPENINGS, L1Stack } from '../support/l1-steps.ts'
import { ManualRuntime } from '../support/manual-runtime.ts'
test('x', async () => {
  let len = 0, hits = 0, drops = 0, seen = 0
  for (const seed of [1,2,3]) {
  const d = await fc.check(fc.asyncProperty(cacheSteps({ kinds: L1_HAPPENINGS, weight: 20 }), async (steps) => {
      const { clock } = new ManualRuntime()
      const stack = new L1Stack(createMemoryCache({ clock, maxEntries: 5 }), clock, {fillsWithoutFloor: true})
      const model: CacheModel = new CacheModel(stack.cache, (which) => stack.happen(which, model))
      await model.begin()
      for (const step of steps) await model.take(step)
      len += steps.length; hits += stack.l1.status().hits; drops += stack.l1.status().drops; seen += model.seen
  }), { numRuns: 5000, endOnFailure: true, seed })
  console.log(d.failed, d.numRuns, len, hits, drops, seen)
  }
})
