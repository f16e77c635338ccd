import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { StreamFaults } from '../../../replication/stream/faults.ts'
import {
  runScenario,
  steps,
  type ScenarioOptions,
  type Step,
} from '../../support/stream-scenario.ts'

const RUNS_OF_A_FAULT = 10

describe('replication stream', () => {
  test('whatever is cut, killed or crashed, each permitted change arrives once and no other', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (script) => {
        await expect(runScenario(script)).resolves.toBeUndefined()
      }),
      { numRuns: 15, endOnFailure: true },
    )
  })
})

describe('the checker of the replication stream', () => {
  const pinned = (rows: (Step & { kind: 'pinned' })['rows']): Step => ({ kind: 'pinned', rows })
  const work: readonly Step[] = [
    pinned([['tenant-anywhere-us', 'a', false]]),
    pinned([
      ['tenant-anywhere-eu', 'a', false],
      ['tenant-not-in-ap', 'b', false],
    ]),
    { kind: 'eventual', tenant: 'tenant-anywhere-us', at: 2, id: 'c' },
    { kind: 'wait', ms: 20 },
  ]
  const crashes: readonly Step[] = Array.from({ length: 4 }, (_, i): Step[] => [
    { kind: 'crash', region: 'ap', when: 'after' },
    pinned([['tenant-anywhere-us', 'abc'[i % 3] as string, false]]),
    { kind: 'wait', ms: 15 },
    { kind: 'start', region: 'ap' },
    { kind: 'wait', ms: 15 },
  ]).flat()
  const script = [...work, ...crashes]
  /** A region is told of what it may not have, its source prunes, and it dies, again and again. */
  const prunes: readonly Step[] = Array.from({ length: 4 }, (): Step[] => [
    pinned([['tenant-only-in-us', 'a', false]]),
    { kind: 'wait', ms: 60 },
    { kind: 'prune', region: 'us' },
    // The source, too: until then it has in memory what it has pruned.
    { kind: 'kill', region: 'ap' },
    { kind: 'kill', region: 'us' },
    { kind: 'start', region: 'us' },
    { kind: 'start', region: 'ap' },
    pinned([['tenant-anywhere-us', 'b', false]]),
  ]).flat()

  test('is green on the same scenario without a fault', async () => {
    await expect(runScenario(script)).resolves.toBeUndefined()
  })

  test.each<[string, StreamFaults, RegExp]>([
    ['imports are echoed', { echoImports: true }, /has an echo|has .* not|converged/],
    ['transactions are counted before the filter', { countBeforeFilter: true }, /broken trans/],
    ['positions are committed apart from rows', { positionApart: true }, /of us, not|differs/],
    ['residency is not asked', { skipResidency: true }, /of eu, not/],
  ])('goes red when %s', async (_, faults, message) => {
    expect(await firstFailure(script, { faults, settleMs: 1500 })).toMatch(message)
  })

  // Long enough that a slow machine keeps no advance before the process dies.
  const unkept = { settleMs: 3000, keepWithinMs: 600_000 }

  test('is green while sources prune and advances are lost with their process', async () => {
    await expect(runScenario(prunes, { keepWithinMs: 600_000 })).resolves.toBeUndefined()
  })

  test('goes red when a position is confirmed that a crash undoes', async () => {
    const faults = { acknowledgeUnkept: true }
    expect(await firstFailure(prunes, { ...unkept, faults })).toMatch(/LOG_COMPACTED|are pruned/)
  })
})

/** A crash must hit the moment between two commits, which on a slow machine one run may miss. */
async function firstFailure(script: readonly Step[], options: ScenarioOptions): Promise<string> {
  for (let run = 0; run < RUNS_OF_A_FAULT; run++) {
    try {
      await runScenario(script, options)
    } catch (error) {
      return String(error)
    }
  }
  return 'green in every run'
}
