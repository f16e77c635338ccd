import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fromUnits, toUnits, wholeToUnits } from '../../../../cdc/views/exact-real.ts'

const double = fc.double({ noNaN: true, noDefaultInfinity: true })

describe('exact sums of doubles', () => {
  test('every double is its own sum, whatever its size and sign', () => {
    fc.assert(
      fc.property(double, (x) => {
        expect(fromUnits(toUnits(x))).toBe(x === 0 ? 0 : x)
      }),
    )
    for (const x of [5e-324, 2 ** -1022, 2 ** -1022 - 5e-324, 1e166, 1e300, Number.MAX_VALUE]) {
      expect([fromUnits(toUnits(x)), fromUnits(toUnits(-x))]).toEqual([x, -x])
    }
  })

  test('what was added and taken away again leaves no trace, in any order', () => {
    fc.assert(
      fc.property(fc.array(double), double, (xs, rest) => {
        const sum = xs.reduce((all, x) => all + toUnits(x), toUnits(rest))
        expect(fromUnits(xs.toReversed().reduce((all, x) => all - toUnits(x), sum))).toBe(
          rest === 0 ? 0 : rest,
        )
      }),
    )
  })

  test('two doubles sum as the processor sums them', () => {
    fc.assert(
      fc.property(double, double, (a, b) => {
        const sum = a + b
        expect(fromUnits(toUnits(a) + toUnits(b))).toBe(sum === 0 ? 0 : sum)
      }),
    )
  })

  test('a quotient of whole numbers is the one that the processor gives', () => {
    const whole = fc.integer({ min: -(2 ** 50), max: 2 ** 50 })
    fc.assert(
      fc.property(whole, fc.integer({ min: 1, max: 2 ** 40 }), (a, b) => {
        const quotient = a / b
        expect(fromUnits(wholeToUnits(BigInt(a)), BigInt(b))).toBe(quotient === 0 ? 0 : quotient)
      }),
    )
  })

  test('ties go to the even double, also below the normal range', () => {
    expect(fromUnits(toUnits(1) + toUnits(2 ** -53))).toBe(1)
    expect(fromUnits(toUnits(1 + 2 ** -52) + toUnits(2 ** -53))).toBe(1 + 2 ** -51)
    expect(fromUnits(toUnits(1) + toUnits(2 ** -53) + 1n)).toBe(1 + 2 ** -52)
    expect([1n, 3n, 5n].map((units) => fromUnits(units, 2n))).toEqual([0, 1e-323, 1e-323])
  })

  test('only what is beyond the largest double is infinite', () => {
    const largest = toUnits(Number.MAX_VALUE)
    expect(fromUnits(largest * 2n)).toBe(Infinity)
    expect(fromUnits(largest * -2n)).toBe(-Infinity)
    expect(fromUnits(largest * 2n, 2n)).toBe(Number.MAX_VALUE)
  })
})
