/** The cache protocol over random steps: nothing is served as newer than it is. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { CacheFaults } from '../../src/drivers/cache/faults.ts'
import { createMemoryCache } from '../../src/drivers/cache/memory-cache.ts'
import { CacheModel } from '../support/cache-model.ts'
import { cacheSteps } from '../support/cache-steps.ts'
import { ManualRuntime } from '../support/manual-runtime.ts'

const RUNS = 500
/** A planted fault is looked for longer. */
const FAULTY_RUNS = 3_000

/** What came of all runs; fast-check's report, not thrown. */
async function run(
  faults: CacheFaults,
  numRuns: number,
  seed?: number,
): Promise<{ failed: boolean; error: unknown; seen: number; filled: number }> {
  let seen = 0
  let filled = 0
  const details = await fc.check(
    fc.asyncProperty(cacheSteps(3), async (steps) => {
      const { clock } = new ManualRuntime()
      // So few that entries are evicted all the time.
      const cache = createMemoryCache({ clock, maxEntries: 3, faults })
      const model = new CacheModel(cache, async (which) => {
        if (which === 0) await cache.clear()
        else if (which === 1) await cache.begin('another life', 0)
        else await model.beginAtEnd()
      })
      await model.begin()
      for (const step of steps) await model.take(step)
      seen += model.seen
      filled += model.filled
    }),
    { numRuns, endOnFailure: true, ...(seed === undefined ? {} : { seed }) },
  )
  return { failed: details.failed, error: details.errorInstance, seen, filled }
}

describe('entries hold what the store held, whatever is lost meanwhile', () => {
  test('under random changes, fills, leases, evictions and losses', async () => {
    const { failed, error, seen, filled } = await run({}, RUNS)
    expect(error).toBeFalsy()
    expect(failed).toBe(false)
    expect(seen).toBeGreaterThan(RUNS)
    expect(filled).toBeGreaterThan(RUNS / 2)
  })

  test.for([
    ['a fill that does not meet the floor', { fillBelowFloor: true }],
    ['a change that deletes and raises no floor', { deleteInsteadOfFloor: true }],
    ['floors that begin at 0 again', { floorsFromZero: true }],
    ['changes that are applied over a gap', { applyOverGap: true }],
    ['entries of before a loss that count still', { keepFormerLife: true }],
  ] as const)('must fail: %s', async ([, faults]) => {
    const { failed } = await run(faults, FAULTY_RUNS, 1)
    expect(failed).toBe(true)
  })
})
