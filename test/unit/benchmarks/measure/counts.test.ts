import { expect, test } from 'vitest'
import type { CallReport, LoopOptions } from '../../../../benchmarks/measure/loop.ts'
import { runLoop } from '../../../../benchmarks/measure/run-loop.ts'
import { seededRandom } from '../../../../src/core/seeded-random.ts'
import { failureName } from '../../../../benchmarks/measure/tally.ts'
import { MeridianError } from '../../../../src/core/errors.ts'
import { SimulatedTime } from './simulated-time.ts'

const LOADS: readonly LoopOptions['load'][] = [
  { loop: 'open', rateOpsPerSecond: 200 },
  { loop: 'closed', concurrency: 5 },
]

/** Everything that a call can do, drawn anew each time. */
function anything(time: SimulatedTime, seed: number): LoopOptions['operation'] {
  const random = seededRandom(seed)
  const ends: readonly (() => Promise<CallReport | undefined>)[] = [
    async () => undefined,
    async () => ({ level: 'strong', attempts: 3, needed: 2 }),
    async () => ({ level: { maxStalenessMs: 50 }, stalenessMs: 40 }),
    async () => ({ level: 'session', stalenessMs: null, latencyMs: 3 }),
    async () => ({ latencyMs: Number.NaN }),
    async () => ({ stalenessMs: Infinity }),
    async () => Promise.reject(new MeridianError('OVERLOADED', 'Full.')),
    async () => Promise.reject(new TypeError('Wrong.')),
    async () => Promise.reject('text'),
    () => {
      throw new RangeError('At once.')
    },
  ]
  return async (index) => {
    if (random.below(3) > 0) await time.arrival(random.below(40))
    if (index % 50 === 0) time.compute(30)
    if (index % 97 === 96) return new Promise(() => undefined)
    return random.pick(ends)()
  }
}

test.each(LOADS.flatMap((load) => [1, 2, 3, 4].map((seed) => ({ load, seed }))))(
  'whatever calls do, every attempted one has succeeded or failed: %j',
  async ({ load, seed }) => {
    const time = new SimulatedTime()
    const found = await time.run(
      runLoop({
        operation: anything(time, seed),
        load,
        warmupMs: 200,
        durationMs: 2000,
        drainMs: 100,
        maxOutstanding: 20,
        seed,
        time,
      }),
    )
    const sum = (counts: Readonly<Record<string, number>>): number =>
      Object.values(counts).reduce((total, count) => total + count, 0)
    expect(found.attempted).toBeGreaterThan(0)
    expect(found.succeeded + found.failed).toBe(found.attempted)
    expect(found.n).toBe(found.succeeded)
    expect(sum(found.errors)).toBe(found.failed)
    expect(sum(found.levels)).toBeLessThanOrEqual(found.succeeded)
    if (load.loop === 'open') expect(found.attempted).toBe(400)
    expect(found.errors['NO_ANSWER']).toBeGreaterThan(0)
  },
)

test('requests beyond those that a call needs are retries', async () => {
  const time = new SimulatedTime()
  const reports: readonly (CallReport | undefined)[] = [
    undefined,
    {},
    { attempts: 1 },
    { attempts: 4 },
    { attempts: 2, needed: 2 },
    { attempts: 5, needed: 2 },
    { needed: 2 },
  ]
  const operation = async (index: number): Promise<CallReport | undefined> => {
    await time.arrival(1)
    return reports[index % reports.length]
  }
  const load = { loop: 'open', rateOpsPerSecond: 100 } as const
  const found = await time.run(runLoop({ operation, load, warmupMs: 0, durationMs: 700, time }))
  expect(found).toMatchObject({ attempted: 70, retried: 10 * (3 + 3) })
})

test('failures are told by code, else by name', () => {
  expect(failureName(new MeridianError('LOG_FULL', 'Full.'))).toBe('LOG_FULL')
  expect(failureName(new TypeError('Wrong.'))).toBe('TypeError')
  expect(failureName(Object.assign(new Error('No.'), { code: 'ECONNREFUSED' }))).toBe(
    'ECONNREFUSED',
  )
  expect(failureName(Object.assign(new TypeError('No.'), { code: 'X' }))).toBe('TypeError')
  expect(failureName(new Error('No.'))).toBe('Error')
  expect(failureName('text')).toBe('unknown')
})

test('staleness is told at p95, of the calls that know it', async () => {
  const time = new SimulatedTime()
  const operation = async (index: number): Promise<CallReport> => {
    await time.arrival(1)
    return index % 2 === 0
      ? { level: { maxStalenessMs: 500 }, stalenessMs: index / 2 }
      : { level: 'strong' }
  }
  const load = { loop: 'open', rateOpsPerSecond: 400 } as const
  const found = await time.run(runLoop({ operation, load, warmupMs: 0, durationMs: 1000, time }))
  expect(found.stalenessP95Ms).toBeCloseTo(189, 0)
  expect(found.levels).toEqual({ 'at most 500 ms stale': 200, strong: 200 })
})
