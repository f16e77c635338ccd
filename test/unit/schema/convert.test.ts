import { describe, expect, it } from 'vitest'
import type { ErrorCode } from '../../../src/core/errors.ts'
import { MAX_CELL_BYTES } from '../../../src/core/limits.ts'
import { INT64_MAX, INT64_MIN, type SqlValue } from '../../../src/core/values.ts'
import type { CompiledColumn } from '../../../src/schema/compiled.ts'
import { encodeSet, fromStored, toStored } from '../../../src/schema/convert.ts'
import { imageToRow, keyOfImage, keyToStored, rowToImage } from '../../../src/schema/rows.ts'
import { errorOf, tableNamed } from './fixtures.ts'

const plain = tableNamed('plain')
const strict = tableNamed('strict')
const merged = tableNamed('merged')

function columnOf(table: typeof plain, name: string): CompiledColumn {
  const column = table.columnByName.get(name)
  if (column === undefined) throw new Error(`no column ${name}`)
  return column
}

function stored(name: string, value: unknown, table = plain): SqlValue {
  return toStored(table, columnOf(table, name), value)
}

const SURROGATE = '\ud800'
const circle: unknown[] = []
circle.push(circle)

describe('a stored value', () => {
  it.each<[string, unknown, SqlValue]>([
    ['text', 'ünï\u{1f600}', 'ünï\u{1f600}'],
    ['text', '', ''],
    ['integer', Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    ['integer', -0, 0],
    ['bigint', INT64_MIN, INT64_MIN],
    ['bigint', INT64_MAX, INT64_MAX],
    ['real', 5e-324, 5e-324],
    ['real', -0, 0],
    ['boolean', true, 1],
    ['boolean', false, 0],
    ['timestamp', new Date(-1), -1],
    ['blob', Uint8Array.of(0, 255), Uint8Array.of(0, 255)],
    ['json', { b: [1, null, 'x'], a: undefined }, '{"b":[1,null,"x"]}'],
    ['json', `${SURROGATE}\0`, '"\\ud800\\u0000"'],
    ['text', null, null],
    ['json', null, null],
  ])('of %s is exact (%#)', (name, value, expected) => {
    expect(stored(name, value)).toStrictEqual(expected)
  })

  it.each<[string, unknown]>([
    ['text', 'ünï'],
    ['integer', -5],
    ['bigint', 2n ** 62n],
    ['real', 0.1],
    ['boolean', true],
    ['boolean', false],
    ['timestamp', new Date(1_700_000_000_123)],
    ['blob', new Uint8Array()],
    ['json', { a: [1, { b: null }] }],
    ['json', 'text'],
    ['text', null],
  ])('of %s comes back (%#)', (name, value) => {
    expect(fromStored(columnOf(plain, name), stored(name, value))).toStrictEqual(value)
  })

  it('of JSON null in a column that is not optional is JSON, not NULL', () => {
    expect(stored('payload', null, strict)).toBe('null')
    expect(fromStored(columnOf(strict, 'payload'), 'null')).toBe(null)
  })

  it('of a set is its distinct elements, sorted, from any iterable', () => {
    expect(stored('tags', new Set(['b', 'a']), merged)).toBe('["a","b"]')
    expect(stored('tags', ['b', 'a', 'b'], merged)).toBe('["a","b"]')
    expect(fromStored(columnOf(merged, 'tags'), '["a","b"]')).toEqual(['a', 'b'])
    expect(encodeSet([])).toBe('[]')
  })

  it.each<[string, unknown, RegExp]>([
    ['text', 5, /is a number/],
    ['text', undefined, /is undefined/],
    ['text', 'a\0b', /NUL/],
    ['text', SURROGATE, /lone surrogate/],
    ['text', 'é'.repeat(MAX_CELL_BYTES / 2 + 1), /bytes, more than/],
    ['id', null, /is null/],
    ['integer', '5', /is a text/],
    ['integer', 1.5, /not a whole number/],
    ['integer', Number.NaN, /not a whole number/],
    ['integer', 2 ** 53, /beyond/],
    ['integer', 5n, /is a bigint/],
    ['bigint', 5, /is a number/],
    ['bigint', INT64_MAX + 1n, /beyond 64 bits/],
    ['bigint', INT64_MIN - 1n, /beyond 64 bits/],
    ['real', Number.POSITIVE_INFINITY, /not finite/],
    ['real', Number.NaN, /not finite/],
    ['real', '0.1', /is a text/],
    ['boolean', 1, /is a number/],
    ['timestamp', 0, /is a number/],
    ['timestamp', new Date(Number.NaN), /invalid Date/],
    ['blob', [1], /is an array/],
    ['blob', new Uint8Array(MAX_CELL_BYTES + 1), /bytes, more than/],
    ['json', { a: Number.NaN }, /not finite/],
    ['json', { a: 1n }, /type bigint/],
    ['json', { a: new Date(0) }, /neither plain/],
    ['json', new Map(), /neither plain/],
    ['json', [undefined], /type undefined/],
    ['json', () => 0, /type function/],
    ['json', circle, /in a circle/],
    ['json', { toJSON: () => 0 }, /toJSON/],
  ])('of %s is refused for %#', (name, value, message) => {
    const error = errorOf(() => stored(name, value))
    expect(error.code).toBe<ErrorCode>('INVALID_VALUE')
    expect(error.message).toMatch(message)
    expect(error.message).toContain(`\`plain.${name}\``)
    expect(error.details).toEqual({ table: 'plain', column: name, expected: expect.any(String) })
  })

  it.each<[unknown, RegExp]>([
    ['ab', /is a text/],
    [[1], /element that is a number/],
    [['a\0'], /element that contains a NUL/],
    [5, /is a number/],
  ])('of a set is refused for %j', (value, message) => {
    expect(errorOf(() => stored('tags', value, merged)).message).toMatch(message)
  })

  it('is never told by an error', () => {
    const error = errorOf(() => stored('integer', 'secret-4711'))
    expect(JSON.stringify([error.message, error.fix, error.details])).not.toContain('4711')
  })
})

describe('a row to insert', () => {
  const row = { b: 1, a: 'x', email: 'a@b.c', code: 'c', payload: [1] }

  it('is an image in the order of ids, with defaults, and plaintext where it is encrypted', () => {
    expect(rowToImage(strict, row)).toEqual([1, 'x', 7, 'a@b.c', null, null, 'c', '[1]'])
  })

  it('begins merged columns empty', () => {
    expect(rowToImage(merged, { id: 1n, title: 't' })).toEqual([1n, 0, '[]', '', 't'])
    expect(
      rowToImage(merged, { id: 1n, title: 't', quantity: 3, tags: ['a'], notes: 'n' }),
    ).toEqual([...[1n, 3, '["a"]', 'n', 't']])
  })

  it('comes back from its image', () => {
    expect(imageToRow(strict, rowToImage(strict, row))).toEqual({ ...row, count: 7, secret: null })
  })

  it.each<[object, ErrorCode, RegExp]>([
    [{ ...row, more: 1 }, 'UNKNOWN_COLUMN', /no column "more"/],
    [{ ...row, toString: 1 }, 'UNKNOWN_COLUMN', /no column "toString"/],
    [{ b: 1, a: 'x', code: 'c', payload: 1 }, 'INVALID_VALUE', /`strict.email` is missing/],
    [{ ...row, count: null }, 'INVALID_VALUE', /`strict.count` is null/],
    [{ ...row, count: undefined }, 'INVALID_VALUE', /`strict.count` is undefined/],
    [Object.create(row) as object, 'INVALID_VALUE', /is missing/],
  ])('is refused when it does not fit (%#)', (row, code, message) => {
    const error = errorOf(() => rowToImage(strict, row as Record<string, unknown>))
    expect(error.code).toBe(code)
    expect(error.message).toMatch(message)
  })
})

describe('a key', () => {
  it('is the bare value of one column', () => {
    expect(keyToStored(plain, 'o1')).toEqual(['o1'])
    expect(keyToStored(merged, 5n)).toEqual([5n])
  })

  it('is an object of several columns, stored in the order of the key', () => {
    expect(keyToStored(strict, { a: 'x', b: 1 })).toEqual([1, 'x'])
  })

  it('is found in an image', () => {
    expect(keyOfImage(strict, [1, 'x', 7, null, null, null, 'c', '1'])).toEqual([1, 'x'])
  })

  it.each<[typeof plain, unknown, ErrorCode, RegExp]>([
    [plain, { id: 'o1' }, 'INVALID_VALUE', /`plain.id` is an object/],
    [plain, undefined, 'INVALID_VALUE', /`plain.id` is undefined/],
    [plain, null, 'INVALID_VALUE', /`plain.id` is null/],
    [merged, 5, 'INVALID_VALUE', /`merged.id` is a number/],
    [strict, 'x', 'INVALID_VALUE', /key of `strict` is a text; it has 2 columns/],
    [strict, null, 'INVALID_VALUE', /key of `strict` is null/],
    [strict, { a: 'x' }, 'INVALID_VALUE', /`strict.b` is undefined/],
    [strict, { a: 'x', b: 1, count: 2 }, 'INVALID_VALUE', /`strict.count` is not part of/],
    [strict, { a: 'x', b: 1, z: 2 }, 'UNKNOWN_COLUMN', /no column "z"/],
  ])('is refused when it does not fit (%#)', (table, key, code, message) => {
    const error = errorOf(() => keyToStored(table, key))
    expect(error.code).toBe(code)
    expect(error.message).toMatch(message)
  })
})
