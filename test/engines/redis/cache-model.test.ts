/**
 * The protocol's scripts in Redis over random steps: keys are evicted, heads lost, all of it is
 * flushed, and the server comes back as it was a while ago, as after a failover.
 */
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { L1Faults } from '../../../src/cache/l1-cache.ts'
import type { CacheFaults } from '../../../src/drivers/cache/faults.ts'
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'
import { CacheModel } from '../../support/cache-model.ts'
import { cacheSteps } from '../../support/cache-steps.ts'
import { engines } from '../../support/engines.ts'
import { L1_HAPPENINGS, L1Stack } from '../../support/l1-steps.ts'
import { openTestCache, ownName } from '../../support/redis-cache.ts'

const RUNS = 40
const FAULTY_RUNS = 600
const FAULTS = 5
const L1_STEPS = cacheSteps({ kinds: FAULTS + L1_HAPPENINGS, weight: 20 })
/** It falls back to the moment that was saved last, so many steps before at most. */
const SAVE_EVERY = 12

type Saved = readonly { readonly key: string; readonly bytes: Buffer; readonly ttlMs: number }[]

/** The keys of one deployment in a Redis that others use, too. */
class Keys {
  readonly #redis: Redis
  readonly #pattern: string

  constructor(redis: Redis, name: string) {
    this.#redis = redis
    this.#pattern = `{${name}:*`
  }

  async list(): Promise<string[]> {
    return (await this.#redis.keys(this.#pattern)).toSorted()
  }

  async drop(keys: readonly string[]): Promise<void> {
    if (keys.length > 0) await this.#redis.del(...keys)
  }

  async save(): Promise<Saved> {
    const saved = await Promise.all(
      (await this.list()).map(async (key) => {
        const [bytes, ttlMs] = await Promise.all([
          this.#redis.dumpBuffer(key),
          this.#redis.pttl(key),
        ])
        return { key, bytes, ttlMs: Math.max(0, ttlMs) }
      }),
    )
    return saved
  }

  async restore(saved: Saved): Promise<void> {
    await this.drop(await this.list())
    for (const { key, bytes, ttlMs } of saved) await this.#redis.restore(key, ttlMs, bytes)
  }
}

let redis: Redis

beforeAll(() => {
  redis = new Redis(`redis://${engines().redis.address}`)
})
afterAll(() => redis.disconnect())

async function run(
  faults: CacheFaults,
  numRuns: number,
  seed?: number,
  l1?: L1Faults,
): Promise<{ failed: boolean; error: unknown; seen: number; rolledBack: number }> {
  const name = ownName()
  const cache = await openTestCache({ address: engines().redis.address }, { name, faults })
  const keys = new Keys(redis, name)
  let seen = 0
  let rolledBack = 0
  const details = await fc.check(
    fc.asyncProperty(l1 === undefined ? cacheSteps(FAULTS) : L1_STEPS, async (steps) => {
      await keys.drop(await keys.list())
      let saved: Saved | undefined
      const stack = l1 === undefined ? undefined : new L1Stack(cache, systemRuntime.clock, l1)
      const model: CacheModel = new CacheModel(stack?.cache ?? cache, async (which) => {
        if (which >= FAULTS) {
          await stack?.happen(which - FAULTS, model)
          return
        }
        const all = await keys.list()
        if (which === 0) await keys.drop(all)
        else if (which === 1) await keys.drop(all.filter((key) => key.endsWith('head')))
        else if (which === 2)
          await keys.drop(all.filter((key, i) => !key.endsWith('head') && i % 2 === 0))
        else if (which === 3) await model.beginAtEnd()
        else if (saved !== undefined) {
          await keys.restore(saved)
          rolledBack++
        }
      })
      await model.begin()
      for (const [i, step] of steps.entries()) {
        if (i % SAVE_EVERY === 0) saved = await keys.save()
        await model.take(step)
      }
      seen += model.seen
    }),
    { numRuns, endOnFailure: true, ...(seed === undefined ? {} : { seed }) },
  )
  return { failed: details.failed, error: details.errorInstance, seen, rolledBack }
}

describe('entries in Redis hold what the store held, whatever is lost meanwhile', () => {
  test('under random changes, fills, evictions, flushes and fallbacks', async () => {
    const { failed, error, seen, rolledBack } = await run({}, RUNS)
    expect(error).toBeFalsy()
    expect(failed).toBe(false)
    expect(seen).toBeGreaterThan(RUNS)
    expect(rolledBack).toBeGreaterThan(0)
  })

  test('with an L1 before it, which is told late or not at all', async () => {
    const { failed, error, seen } = await run({}, RUNS, undefined, {})
    expect(error).toBeFalsy()
    expect(failed).toBe(false)
    expect(seen).toBeGreaterThan(RUNS)
  })

  test.for([
    ['entries stay when the subscription drops', { keepsOnDrop: true }],
    ['entries are kept below what was told', { fillsWithoutFloor: true }],
    ['messages count over a gap', { ignoresGaps: true }],
  ] as const)('must fail with an L1: %s', async ([, l1]) => {
    const { failed } = await run({}, FAULTY_RUNS, 1, l1)
    expect(failed).toBe(true)
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
