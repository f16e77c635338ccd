/** Schedules that a seed would hardly find. */
import { describe, expect, it } from 'vitest'
import { SOUND } from '../world/disk.ts'
import { RELIABLE } from '../world/network.ts'
import type { StrongFaults } from '../../../replication/strong/faults.ts'
import { WORKS, type Mix } from './client.ts'
import type { Plan } from './plan.ts'
import { simulate } from './simulation.ts'

/** Nothing fails but what the schedule says. */
function calm(plan: Plan): Plan {
  return {
    ...plan,
    ...{ links: RELIABLE, disk: SOUND, events: new Map(), lateRegion: undefined },
    ...{ neighbours: 0, upgradesAtMs: [], maxSkewMs: undefined },
    ...{ thinkMs: 150, clients: 6, timeoutMs: 800, safetyMs: 26_000, maxRetainedRecords: 4 },
  }
}

describe('regions that the log has left behind', () => {
  it('wait for the one that is whole, and do not quote each other without end', async () => {
    const report = await simulate({
      seed: 1,
      adapt: calm,
      direct: ({ scheduler }, [first, ...others]) => {
        for (const { region } of others) region.crash()
        scheduler.after(8_000, () => {
          first?.region.crash()
          for (const { region } of others) region.start()
        })
        scheduler.after(24_000, () => first?.region.start())
      },
    })
    expect(report.violations).toEqual([])
    expect(report.counters.get('reseed.whole')).toBe(2)
    // They asked each other in vain meanwhile.
    expect(report.counters.get('reseed.asked')).toBeGreaterThan(20)
  })
})

describe('a region that comes back too late', () => {
  /** It is seeded while the others write on, on a log of which they need little. */
  function comesBack(seed: number, engine: StrongFaults): ReturnType<typeof simulate> {
    return simulate({
      ...{ seed, mutants: { engine } },
      adapt: (plan) => ({
        ...calm(plan),
        mix: Object.fromEntries(WORKS.map((work) => [work, work === 'range-list' ? 1 : 0])) as Mix,
        ...{ thinkMs: 250, timeoutMs: 3_000, readers: 0, safetyMs: 17_000, maxRetainedRecords: 60 },
        limits: { outcomeWindowRecords: 100_000 },
        // The end of the snapshot is old when it comes.
        delays: new Map([...plan.delays, ['eu>ap', 200], ['us>ap', 200]]),
      }),
      direct: ({ scheduler }, [, , last]) => {
        last?.region.crash()
        scheduler.after(11_000, () => last?.region.start())
      },
    })
  }

  it.each([2])('holds the log where it will go on: one seeding is enough (%i)', async (seed) => {
    const { violations, counters } = await comesBack(seed, {})
    expect(violations).toEqual([])
    expect(counters.get('reseed.whole')).toBe(1)
  })

  it('must fail: a log that is not held is trimmed under it again (rule 9)', async () => {
    let [seedings, seeds] = [0, 0]
    // Not each time: a trim must come between the end of the snapshot and its arrival.
    for (; seedings === seeds && seeds < 30; seeds++) {
      const { counters } = await comesBack(seeds + 1, { skipRetentionHold: true })
      seedings += counters.get('reseed.whole')
    }
    expect(seedings).toBeGreaterThan(seeds)
  })
})

describe('a clock', () => {
  const EPSILON_MS = 500
  /** What a reading may be wrong by, and what a clock gains until it is noticed. */
  const SLACK_MS = 900

  async function withClocks(
    rates: readonly number[],
    jumpMs: number,
    engine: StrongFaults = {},
  ): Promise<Awaited<ReturnType<typeof simulate>>> {
    return simulate({
      seed: 3,
      mutants: { engine },
      adapt: (plan) => ({
        ...calm(plan),
        ...{ maxSkewMs: EPSILON_MS, mostAheadMs: EPSILON_MS + SLACK_MS },
        ...{ clients: 3, readers: 0, safetyMs: jumpMs === 0 ? 22_000 : 12_000 },
        clocks: rates.map((rate) => ({ rate, errorMs: 0 })),
      }),
      direct: ({ scheduler }, [, second]) => {
        scheduler.after(3_000, () => second?.clock.jump(jumpMs))
        scheduler.after(8_000, () => second?.clock.set())
      },
    })
  }

  it.each([3_600_000, -3_600_000])(
    'that jumps by %i ms stamps nothing until it is right again (rule 15)',
    async (jumpMs) => {
      const report = await withClocks([1, 1, 1], jumpMs)
      expect(report.violations).toEqual([])
      expect(report.counters.get('answer.CLOCK_SKEW.safe')).toBeGreaterThan(0)
    },
  )

  it('that runs 10 % fast stamps nothing once it is too far ahead', async () => {
    const report = await withClocks([1, 1, 1.1], 0)
    expect(report.violations).toEqual([])
    expect(report.counters.get('answer.CLOCK_SKEW.safe')).toBeGreaterThan(0)
  })

  it('must fail: the check of clocks left out, the log goes ahead with either', async () => {
    const off = { clockUnchecked: true }
    for (const report of [
      await withClocks([1, 1, 1], 3_600_000, off),
      await withClocks([1, 1, 1.1], 0, off),
    ]) {
      expect(report.violations.join()).toContain('ms ahead')
    }
  })
})
