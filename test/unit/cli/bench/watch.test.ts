import { expect, test } from 'vitest'
import { RemainingTime } from '../../../../src/cli/bench/watch.ts'

function step(expectedMs: number, afterMs: number): Parameters<RemainingTime['begin']>[0] {
  return { kind: 'step', name: 'writes', index: 0, count: 3, expectedMs, afterMs }
}

test('before a step has ended what was expected is what remains', () => {
  const remaining = new RemainingTime()
  remaining.begin(step(10_000, 20_000), 0)
  expect(remaining.at(4_000)).toBe(26_000)
  // Late, it is about to end.
  expect(remaining.at(15_000)).toBe(20_000)
})

test('steps that took longer than expected make the rest longer, within bounds', () => {
  const remaining = new RemainingTime()
  remaining.begin(step(10_000, 20_000), 0)
  remaining.end(20_000)
  remaining.begin(step(10_000, 10_000), 20_000)
  expect(remaining.at(20_000)).toBe(40_000)

  const stuck = new RemainingTime()
  stuck.begin(step(1_000, 1_000), 0)
  stuck.end(1_000_000)
  stuck.begin(step(1_000, 0), 1_000_000)
  expect(stuck.at(1_000_000)).toBe(4_000)
})

test('it is told in seconds, and in minutes where there are many', () => {
  const remaining = new RemainingTime()
  remaining.begin(step(10_000, 20_000), 0)
  expect(remaining.text(0)).toBe('30 s left')
  remaining.begin(step(10_000, 590_000), 0)
  expect(remaining.text(0)).toBe('10 min left')
})
