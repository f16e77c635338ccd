import { describe, expect, it } from 'vitest'
import { MUTANT_SEEDS, PHASE_2_RULES } from './mutants.ts'
import { runSeed } from './run.ts'

describe('every broken rule is caught, phase 2', () => {
  it.each(PHASE_2_RULES)('%s', (rule) => {
    let caught: string | undefined
    for (let seed = 0; seed < MUTANT_SEEDS && caught === undefined; seed++) {
      const { logOrder, registers } = runSeed({ seed, phase: 2, mutation: { [rule]: true } })
      caught = logOrder ?? registers
    }
    expect(caught).toBeDefined()
  })
})
