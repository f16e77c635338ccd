/** What the files of the swarm share: each runs half of CI's seeds, in parts. */
import { describe, expect, it } from 'vitest'
import { describeFailure, runSeeds } from './batch.ts'

const PARTS = 5
const SEEDS_EACH = 50
const FAULTS = [
  'crash',
  'pause',
  'isolate',
  'one-way',
  'log-away',
  'clock-jump',
  'clock-hour',
  'slow-spell',
]
/** What a part must have met: without it, it would be clean and say nothing. */
const MET = [
  'outcome.unknown',
  'log.append-again',
  'log.trimmed',
  'log.compacted',
  'reseed.whole',
  'disk.in-doubt',
  'disk.synced-write-lost',
  'answer.IDEMPOTENCY_EXPIRED.never',
  'run.two-regions',
  'neighbour.written',
  'changes.told',
  'answer.CLOCK_SKEW.safe',
  'answer.SCHEMA_INCOMPATIBLE.safe',
  'log.raised',
  'ranges.committed',
  'ranges.CONFLICT',
]

/** Declares the tests of one half, 0 or 1. */
export function describeHalf(half: number): void {
  const parts = Array.from({ length: PARTS }, (_, i) => 1 + (half * PARTS + i) * SEEDS_EACH)
  describe('three regions', () => {
    it.each(parts)('keep every promise through faults, and go on after them, from seed %i', clean)
  })
}

async function clean(from: number): Promise<void> {
  const report = await runSeeds({ from, seeds: SEEDS_EACH, maxFailed: 3 })
  for (const run of report.failed) console.error(describeFailure(run, 30))
  expect(report.failed.map(({ seed }) => seed)).toEqual([])
  expect(report.seeds).toBe(SEEDS_EACH)
  const { counters } = report
  for (const kind of FAULTS) expect(counters.get(`fault.${kind}`), kind).toBeGreaterThan(10)
  for (const name of MET) expect(counters.get(name), name).toBeGreaterThan(0)
  expect(report.operations).toBeGreaterThan(40 * SEEDS_EACH)
}
