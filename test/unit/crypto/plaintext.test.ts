import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodePlaintext, encodePlaintext } from '../../../src/crypto/plaintext.ts'
import { INT64_MAX, INT64_MIN, type SqlValue } from '../../../src/core/values.ts'
import type { ColumnType, CompiledColumn } from '../../../src/schema/compiled.ts'
import { columnOf, tableOf } from './support.ts'

type Value = Exclude<SqlValue, null>
const column = (type: ColumnType): CompiledColumn => ({
  ...columnOf(tableOf('residents'), 'email'),
  type,
})

describe('the plaintext of a cell', () => {
  test.each<[ColumnType, fc.Arbitrary<Value>]>([
    ['text', fc.string({ unit: 'binary' }).filter((text) => !text.includes('\0'))],
    ['json', fc.json()],
    ['integer', fc.maxSafeInteger()],
    ['boolean', fc.constantFrom(0, 1)],
    ['timestamp', fc.maxSafeInteger()],
    ['bigint', fc.bigInt({ min: INT64_MIN, max: INT64_MAX })],
    ['real', fc.double()],
    ['blob', fc.uint8Array()],
  ])('of type %s comes back exactly', (type, values) => {
    fc.assert(
      fc.property(values, (value) => {
        const read = decodePlaintext(encodePlaintext(column(type), value))
        expect(read).toEqual(value)
      }),
    )
  })

  test('of a bigint column is a bigint and of an integer column a number, whatever comes in', () => {
    expect(decodePlaintext(encodePlaintext(column('bigint'), 5))).toBe(5n)
    expect(decodePlaintext(encodePlaintext(column('integer'), 5n))).toBe(5)
  })

  test('a text that begins with a byte order mark keeps it', () => {
    expect(decodePlaintext(encodePlaintext(column('text'), '\ufeffx'))).toBe('\ufeffx')
  })

  test('numbers of one type have one length, whatever their size', () => {
    for (const [type, values] of [
      ['integer', [0, 1, -1, Number.MAX_SAFE_INTEGER]],
      ['real', [0, 1e300]],
      ['bigint', [0n, INT64_MAX]],
    ] as const) {
      for (const value of values) expect(encodePlaintext(column(type), value)).toHaveLength(9)
    }
  })

  test.each<[ColumnType, Value]>([
    ['text', 5],
    ['text', new Uint8Array(3)],
    ['text', 'lone \ud800'],
    ['text', 'nul \0'],
    ['integer', '5'],
    ['integer', 1.5],
    ['integer', 2n ** 60n],
    ['bigint', 2n ** 63n],
    ['bigint', 'x'],
    ['real', 5n],
    ['blob', 'text'],
    ['counter', 5],
    ['set', '[]'],
    ['collaborativeText', 'x'],
  ])('a column of type %s refuses %o', (type, value) => {
    expect(() => encodePlaintext(column(type), value)).toThrow(
      expect.objectContaining({ code: 'INVALID_VALUE' }),
    )
  })

  test.each([
    ['nothing', []],
    ['an unknown type', [9, 1]],
    ['a short number', [2, 0, 0]],
    ['text that is not UTF-8', [1, 0xff]],
  ])('%s is no plaintext', (_, bytes) => {
    expect(decodePlaintext(Uint8Array.from(bytes))).toBeUndefined()
  })
})
