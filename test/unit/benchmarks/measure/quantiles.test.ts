import { expect, test } from 'vitest'
import { quantile } from '../../../../benchmarks/measure/quantiles.ts'

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1)

test('a quantile is the smallest value that the share does not exceed', () => {
  expect(quantile(upTo(1000), 0.5)).toBe(500)
  expect(quantile(upTo(1000), 0.95)).toBe(950)
  expect(quantile(upTo(1000), 0.99)).toBe(990)
  expect(quantile(upTo(21), 0.5)).toBe(11)
})

test.each([
  [0.5, 20],
  [0.95, 200],
  [0.99, 1000],
])('the quantile %d is given from %d values on', (q, fewest) => {
  expect(quantile(upTo(fewest - 1), q)).toBeNull()
  expect(quantile(upTo(fewest), q)).not.toBeNull()
})
