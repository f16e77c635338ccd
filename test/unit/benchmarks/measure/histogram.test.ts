import { decodeFromCompressedBase64 } from 'hdr-histogram-js'
import { expect, test } from 'vitest'
import {
  addEncoded,
  createHistogram,
  encodeHistogram,
  quantileMs,
  recordMs,
  valueAtMs,
} from '../../../../benchmarks/measure/histogram.ts'
import { quantile } from '../../../../benchmarks/measure/quantiles.ts'
import { seededRandom } from '../../../../src/core/seeded-random.ts'

function histogramOf(valuesMs: readonly number[]): ReturnType<typeof createHistogram> {
  const histogram = createHistogram()
  for (const valueMs of valuesMs) recordMs(histogram, valueMs)
  return histogram
}

test.each([
  [0.5, 20],
  [0.95, 200],
  [0.99, 1000],
  [0.999, 10_000],
])('the quantile %d is given from %d values on', (q, fewest) => {
  const values = (n: number): number[] => Array.from({ length: n }, (_, i) => i / 100)
  expect(quantileMs(histogramOf(values(fewest - 1)), q)).toBeNull()
  expect(quantileMs(histogramOf(values(fewest)), q)).not.toBeNull()
})

test('quantiles are those of the sorted values, to three digits, for any number of them', () => {
  const random = seededRandom(11)
  for (let n = 1; n < 2500; n += 1 + random.below(40)) {
    // From microseconds to beyond a minute.
    const valuesMs = Array.from({ length: n }, () => 10 ** (random.fraction() * 8 - 3))
    const histogram = histogramOf(valuesMs)
    const ascending = Float64Array.from(valuesMs).sort()
    for (const q of [0.5, 0.95, 0.99, 0.999]) {
      const exactMs = quantile(ascending, q)
      const foundMs = quantileMs(histogram, q)
      if (exactMs === null) expect(foundMs).toBeNull()
      else expect(Math.abs((foundMs ?? NaN) - exactMs)).toBeLessThanOrEqual(0.0005 + exactMs / 1000)
    }
  }
})

test('encoded and added, no value is lost, and none cut', () => {
  const parts = [[1, 2.5, 7e7], [], [0, 0.001, 400]]
  const sum = addEncoded(parts.map((values) => encodeHistogram(histogramOf(values))))
  expect(sum.totalCount).toBe(6)
  expect(Math.abs(valueAtMs(sum, 1) - 7e7)).toBeLessThan(7e4)
  expect(valueAtMs(sum, 0.5)).toBe(1)
  const encoded = encodeHistogram(sum)
  expect(decodeFromCompressedBase64(encoded).totalCount).toBe(6)
  expect(encodeHistogram(addEncoded([encoded]))).toBe(encoded)
  expect(addEncoded([]).totalCount).toBe(0)
})

test('what is no duration is refused, and one below zero of two clocks is none', () => {
  const histogram = createHistogram()
  expect(() => recordMs(histogram, Number.NaN)).toThrow(
    expect.objectContaining({ code: 'INVALID_VALUE' }),
  )
  expect(histogram.totalCount).toBe(0)
  recordMs(histogram, -0.4)
  expect(valueAtMs(histogram, 1)).toBe(0)
})
