/** The cache protocol over random steps with an L1 before it: its entries hold what the store held. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { L1Faults } from '../../src/cache/l1-cache.ts'
import { createMemoryCache } from '../../src/drivers/cache/memory-cache.ts'
import { CacheModel } from '../support/cache-model.ts'
import { cacheSteps } from '../support/cache-steps.ts'
import { L1_HAPPENINGS, L1Stack } from '../support/l1-steps.ts'
import { ManualRuntime } from '../support/manual-runtime.ts'

const RUNS = 500
/** A planted fault is looked for longer. */
const FAULTY_RUNS = 5_000

async function run(
  faults: L1Faults,
  numRuns: number,
  seed?: number,
): Promise<{ failed: boolean; error: unknown; seen: number; hits: number }> {
  let seen = 0
  let hits = 0
  const details = await fc.check(
    fc.asyncProperty(cacheSteps({ kinds: L1_HAPPENINGS, weight: 20 }), async (steps) => {
      const { clock } = new ManualRuntime()
      const stack = new L1Stack(createMemoryCache({ clock, maxEntries: 5 }), clock, faults)
      const model: CacheModel = new CacheModel(stack.cache, (which) => stack.happen(which, model))
      await model.begin()
      for (const step of steps) await model.take(step)
      seen += model.seen
      hits += stack.l1.status().hits
    }),
    { numRuns, endOnFailure: true, ...(seed === undefined ? {} : { seed }) },
  )
  return { failed: details.failed, error: details.errorInstance, seen, hits }
}

describe('entries of an L1 hold what the store held, whatever it is not told', () => {
  test('under late, cut and lost messages, drops, and answers that come late', async () => {
    const { failed, error, seen, hits } = await run({}, RUNS)
    expect(error).toBeFalsy()
    expect(failed).toBe(false)
    expect(seen).toBeGreaterThan(RUNS)
    expect(hits).toBeGreaterThan(RUNS / 4)
  })

  test.for([
    ['entries stay when the subscription drops', { keepsOnDrop: true }],
    ['entries are kept below what was told', { fillsWithoutFloor: true }],
    ['messages count over a gap', { ignoresGaps: true }],
  ] as const)('must fail: %s', async ([, faults]) => {
    const { failed } = await run(faults, FAULTY_RUNS, 1)
    expect(failed).toBe(true)
  })
})
