import { expect, test } from 'vitest'
import { dueTimes } from '../../../../benchmarks/measure/due-times.ts'

function take(count: number, next: () => number): number[] {
  return Array.from({ length: count }, next)
}

test.each([0.5, 100, 3000])('%d calls a second are due evenly, and never go back', (rate) => {
  const intervalMs = 1000 / rate
  const times = take(1000, dueTimes(rate, 5))
  expect(times[0]).toBeGreaterThanOrEqual(0)
  for (let i = 1; i < times.length; i++) {
    const gap = ((times[i] ?? NaN) - (times[i - 1] ?? NaN)) / intervalMs
    expect(gap).toBeGreaterThan(0.79)
    expect(gap).toBeLessThan(1.21)
  }
  const whole = ((times[999] ?? NaN) - (times[0] ?? NaN)) / intervalMs
  expect(Math.abs(whole - 999)).toBeLessThan(0.2)
})

test('the same seed gives the same times, another one others', () => {
  expect(take(50, dueTimes(100, 1))).toEqual(take(50, dueTimes(100, 1)))
  const [one, other] = [take(50, dueTimes(100, 1)), take(50, dueTimes(100, 2))]
  const distances = one.map((ms, i) => ms - (other[i] ?? NaN))
  expect(distances.every((ms) => Math.abs(ms) > 0)).toBe(true)
  // They do not stay at one distance either.
  expect(new Set(distances.map((ms) => ms.toFixed(3))).size).toBeGreaterThan(25)
})

test('the first calls of several loops are spread over the interval', () => {
  const first = Array.from({ length: 40 }, (_, seed) => dueTimes(100, seed)())
  expect(Math.min(...first)).toBeLessThan(3)
  expect(Math.max(...first)).toBeGreaterThan(8)
})
