/**
 * Sessions over a cache that lags, forgets and is filled late: they read what they wrote, never go
 * back, see rows of one moment, and none that has expired.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { L1Faults } from '../../src/cache/l1-cache.ts'
import type { CachedReadFaults } from '../../src/node/cached-reads.ts'
import type { ReadLevel } from '../../src/protocol/messages.ts'
import { CachedWorld, type CachedStep } from '../support/cached-world.ts'

const RUNS = 150
const FAULTY_RUNS = 400

const session = fc.nat(2)
const key = fc.nat(2)
const level: fc.Arbitrary<ReadLevel> = fc.oneof(
  { weight: 6, arbitrary: fc.constant('session' as const) },
  { weight: 1, arbitrary: fc.constant('stale' as const) },
  { weight: 2, arbitrary: fc.constant({ maxStalenessMs: 500 }) },
)

const step: fc.Arbitrary<CachedStep> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      session,
      key,
      ttlMs: fc.option(fc.integer({ min: 1, max: 400 })),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), session, key }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('read' as const),
      session,
      keys: fc.oneof(
        key.map((one) => [one]),
        fc.uniqueArray(key, { minLength: 1 }),
      ),
      level,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('apply' as const),
      count: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('pass' as const),
      ms: fc.integer({ min: 1, max: 300 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'cut' } as const) },
  { weight: 1, arbitrary: fc.constant({ kind: 'lose' } as const) },
)

async function run(
  faults: CachedReadFaults,
  numRuns: number,
  seed?: number,
  l1?: L1Faults,
): Promise<{ failed: boolean; error: unknown; hits: number }> {
  let hits = 0
  const details = await fc.check(
    fc.asyncProperty(fc.array(step, { maxLength: 50, size: 'max' }), async (steps) => {
      const world = await CachedWorld.open(faults, l1)
      try {
        for (const one of steps) await world.take(one)
        hits += world.cached.status().hits
      } finally {
        await world.cached.close()
        await world.region.store.close()
      }
    }),
    { numRuns, endOnFailure: true, ...(seed === undefined ? {} : { seed }) },
  )
  return { failed: details.failed, error: details.errorInstance, hits }
}

describe('reads through a cache', () => {
  test('keep the sessions, rows of one moment, and expiry at the instant', async () => {
    const { failed, error, hits } = await run({}, RUNS)
    expect(error).toBeFalsy()
    expect(failed).toBe(false)
    expect(hits).toBeGreaterThan(RUNS)
  })

  test('keep all that with an L1 that is told late, or cut off', async () => {
    const { failed, error, hits } = await run({}, RUNS, undefined, {})
    expect(error).toBeFalsy()
    expect(failed).toBe(false)
    expect(hits).toBeGreaterThan(RUNS)
  })

  test('must fail: an L1 keeps its entries over a drop', async () => {
    const { failed } = await run({}, 2 * FAULTY_RUNS, 1, { keepsOnDrop: true })
    expect(failed).toBe(true)
  })

  test.for([
    ['entries are served whatever the session has seen', { withoutSessionCheck: true }],
    ['reads through the cache say nothing to the session', { nothingSeen: true }],
    ['expired rows are served', { withoutExpiry: true }],
    ['entries of several moments are served together', { tornReads: true }],
  ] as const)('must fail: %s', async ([, faults]) => {
    const { failed } = await run(faults, FAULTY_RUNS, 1)
    expect(failed).toBe(true)
  })
})
