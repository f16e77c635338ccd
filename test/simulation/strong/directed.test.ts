/** Schedules that a seed would hardly find. */
import { describe, expect, it } from 'vitest'
import { SOUND } from '../world/disk.ts'
import { RELIABLE } from '../world/network.ts'
import type { Plan } from './plan.ts'
import { simulate } from './simulation.ts'

/** Nothing fails but what the schedule says. */
function calm(plan: Plan): Plan {
  return {
    ...plan,
    ...{ links: RELIABLE, disk: SOUND, events: new Map(), lateRegion: undefined },
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
