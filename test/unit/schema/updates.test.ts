import { describe, expect, it } from 'vitest'
import type { ErrorCode } from '../../../src/core/errors.ts'
import type { CellOp } from '../../../src/core/operations.ts'
import {
  add,
  appendText,
  decrement,
  deleteText,
  increment,
  insertText,
  max,
  min,
  remove,
  replaceText,
} from '../../../src/schema/operators.ts'
import { updateToCells } from '../../../src/schema/updates.ts'
import { errorOf, tableNamed } from './fixtures.ts'

const plain = tableNamed('plain')
const strict = tableNamed('strict')
const merged = tableNamed('merged')

/** What an update of one column asks for. */
function opOf(table: typeof plain, column: string, value: unknown): CellOp | undefined {
  return updateToCells(table, { [column]: value })[0]?.op
}

describe('an update', () => {
  it('names columns by their places in the image, blind indexes counted', () => {
    expect(updateToCells(strict, { code: 'x', count: 2 })).toEqual([
      { column: 6, op: { kind: 'set', value: 'x' } },
      { column: 2, op: { kind: 'set', value: 2 } },
    ])
    expect(updateToCells(strict, {})).toEqual([])
  })

  it.each<[typeof plain, string, unknown, CellOp]>([
    [plain, 'text', null, { kind: 'set', value: null }],
    [plain, 'boolean', true, { kind: 'set', value: 1 }],
    [strict, 'email', 'a@b.c', { kind: 'set', value: 'a@b.c' }],
    [plain, 'integer', increment(2), { kind: 'increment', by: 2, floor: null }],
    [plain, 'integer', decrement(2, { floor: 0 }), { kind: 'increment', by: -2, floor: 0 }],
    [plain, 'bigint', increment(2), { kind: 'increment', by: 2n, floor: null }],
    [plain, 'bigint', decrement(2n, { floor: 1n }), { kind: 'increment', by: -2n, floor: 1n }],
    [plain, 'real', increment(0.5), { kind: 'increment', by: 0.5, floor: null }],
    [plain, 'timestamp', max(new Date(9)), { kind: 'max', value: 9 }],
    [plain, 'text', min('a'), { kind: 'min', value: 'a' }],
    [merged, 'quantity', increment(-1), { kind: 'increment', by: -1, floor: null }],
    [merged, 'tags', add('a', 'b'), { kind: 'add', elements: ['a', 'b'] }],
    [merged, 'tags', remove('a'), { kind: 'remove', elements: ['a'] }],
    [merged, 'tags', new Set(['b', 'a']), { kind: 'set', value: '["a","b"]' }],
    [merged, 'notes', 'x', { kind: 'text', edits: [{ kind: 'replace', text: 'x' }] }],
    [merged, 'notes', replaceText('x'), { kind: 'text', edits: [{ kind: 'replace', text: 'x' }] }],
    [
      merged,
      'notes',
      [insertText(0, 'a'), deleteText(1, 2), appendText('z')],
      {
        kind: 'text',
        edits: [
          { kind: 'insert', at: 0, text: 'a' },
          { kind: 'delete', at: 1, length: 2 },
          { kind: 'append', text: 'z' },
        ],
      },
    ],
  ])('turns %#: `%s.%s` into its operation', (table, column, value, expected) => {
    expect(opOf(table, column, value)).toStrictEqual(expected)
  })

  it.each<[typeof plain, string, unknown, ErrorCode, RegExp]>([
    [plain, 'more', 1, 'UNKNOWN_COLUMN', /no column "more"/],
    [plain, 'id', 'x', 'INVALID_VALUE', /part of the primary key/],
    [plain, 'text', undefined, 'INVALID_VALUE', /is undefined/],
    [plain, 'text', increment(1), 'INVALID_VALUE', /does not work on a text column/],
    [plain, 'json', increment(1), 'INVALID_VALUE', /does not work on a json column/],
    [plain, 'boolean', max(1), 'INVALID_VALUE', /does not work on/],
    [plain, 'integer', increment(1.5), 'INVALID_VALUE', /not a whole number/],
    [plain, 'integer', increment(Number.NaN), 'INVALID_VALUE', /not a whole number/],
    [plain, 'integer', increment(1n), 'INVALID_VALUE', /is a bigint/],
    [plain, 'integer', increment('1' as never), 'INVALID_VALUE', /is a text/],
    [plain, 'integer', increment(1, { floor: 0.5 }), 'INVALID_VALUE', /not a whole number/],
    [plain, 'bigint', increment(0.5), 'INVALID_VALUE', /changed by a number/],
    [plain, 'bigint', increment(2n ** 63n), 'INVALID_VALUE', /64 bits/],
    [plain, 'real', increment(Number.POSITIVE_INFINITY), 'INVALID_VALUE', /not finite/],
    [plain, 'integer', max('a'), 'INVALID_VALUE', /is a text/],
    [plain, 'integer', max(null as never), 'INVALID_VALUE', /is null/],
    [plain, 'text', max('a\0'), 'INVALID_VALUE', /NUL/],
    [strict, 'email', max('a'), 'INVALID_VALUE', /an encrypted column/],
    [merged, 'quantity', 5, 'INVALID_VALUE', /cannot be replaced/],
    [merged, 'quantity', decrement(1, { floor: 0 }), 'INVALID_VALUE', /does not work on/],
    [merged, 'tags', increment(1), 'INVALID_VALUE', /does not work on/],
    [merged, 'tags', add(5 as never), 'INVALID_VALUE', /element that is a number/],
    [merged, 'title', max('a'), 'INVALID_VALUE', /an eventual table/],
    [merged, 'notes', insertText(-1, 'x'), 'INVALID_VALUE', /whole number ≥ 0/],
    [merged, 'notes', deleteText(0, 0.5), 'INVALID_VALUE', /whole number ≥ 0/],
    [merged, 'notes', appendText('\ud800'), 'INVALID_VALUE', /lone surrogate/],
    [merged, 'notes', appendText(5 as never), 'INVALID_VALUE', /is a number/],
    [merged, 'notes', [add('x')], 'INVALID_VALUE', /is an array/],
  ])('refuses %#: `%s.%s`', (table, column, value, code, message) => {
    const error = errorOf(() => opOf(table, column, value))
    expect(error.code).toBe(code)
    expect(error.message).toMatch(message)
    expect(error.fix).toBeDefined()
  })
})
