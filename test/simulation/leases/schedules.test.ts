import { describe, expect, it } from 'vitest'
import { EVERY_RULE_IS_CAUGHT } from './mutants.ts'
import { SCHEDULES, type Schedule } from './schedules.ts'

describe('schedules in which one broken rule shows', () => {
  it.each(Object.entries<Schedule>(SCHEDULES))('%s', (rule, schedule) => {
    expect(schedule({}), 'the protocol as it is').toBe(false)
    expect(schedule({ [rule]: true }), 'without the rule').toBe(true)
  })

  it('and random runs leave out no rule', () => {
    expect(EVERY_RULE_IS_CAUGHT).toBe(true)
  })
})
