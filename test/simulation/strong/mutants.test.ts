/** Each rule is broken on purpose: the checks must see it, within fewer seeds than CI runs anyway. */
import { describe, expect, it } from 'vitest'
import { describeFailure, runSeeds } from './batch.ts'
import { MUTANTS } from './mutants.ts'

const MOST_SEEDS = 100
const CLEAN_SEEDS = 2

describe.each(Object.entries(MUTANTS))('%s', (_name, { mutants, adapt }) => {
  it('must fail', async () => {
    const { failed } = await runSeeds({
      ...{ from: 1, seeds: MOST_SEEDS, mutants, adapt, maxFailed: 1 },
    })
    expect(failed.length).toBe(1)
  })
})

describe('the same schedules without a mutant', () => {
  const schedules = new Map(Object.values(MUTANTS).map(({ adapt }) => [adapt.name, adapt]))

  it.each([...schedules])('are clean: %s', async (_name, adapt) => {
    const { failed } = await runSeeds({ from: 1, seeds: CLEAN_SEEDS, adapt })
    expect(failed.map((run) => describeFailure(run, 10))).toEqual([])
  })
})
