import { describe, expect, it } from 'vitest'
import type { CellOp, TextEdit } from '../../../src/core/operations.ts'
import { INT64_MAX, INT64_MIN, type SqlValue } from '../../../src/core/values.ts'
import { applyCellOp, compareStored, conditionHolds } from '../../../src/schema/evaluate.ts'
import { codeOf, errorOf, tableNamed } from './fixtures.ts'

const plain = tableNamed('plain')
const merged = tableNamed('merged')

function apply(column: string, current: SqlValue, op: CellOp, table = plain): SqlValue {
  const id = table.columnByName.get(column)?.id ?? 0
  return applyCellOp(table, table.valueIndex.get(id) ?? -1, current, op)
}

function add(by: number | bigint, floor: number | bigint | null = null): CellOp {
  return { kind: 'increment', by, floor }
}

describe('an increment', () => {
  it('counts null as 0', () => {
    expect(apply('integer', null, add(5))).toBe(5)
    expect(apply('bigint', null, add(5n))).toBe(5n)
    expect(apply('real', null, add(0.5))).toBe(0.5)
  })

  it('is exact at the ends of the range and refused beyond', () => {
    const { MAX_SAFE_INTEGER, MIN_SAFE_INTEGER } = Number
    expect(apply('integer', MAX_SAFE_INTEGER - 1, add(1))).toBe(MAX_SAFE_INTEGER)
    expect(codeOf(() => apply('integer', MAX_SAFE_INTEGER, add(1)))).toBe('CONSTRAINT_VIOLATED')
    expect(codeOf(() => apply('integer', MIN_SAFE_INTEGER, add(-1)))).toBe('CONSTRAINT_VIOLATED')
    expect(apply('bigint', INT64_MAX - 1n, add(1n))).toBe(INT64_MAX)
    expect(codeOf(() => apply('bigint', INT64_MAX, add(1n)))).toBe('CONSTRAINT_VIOLATED')
    expect(codeOf(() => apply('bigint', INT64_MIN, add(-1n)))).toBe('CONSTRAINT_VIOLATED')
    expect(codeOf(() => apply('real', 1e308, add(1e308)))).toBe('CONSTRAINT_VIOLATED')
  })

  it('keeps bigints bigints and integers numbers, whatever carried them', () => {
    expect(apply('bigint', 5, add(1))).toBe(6n)
    expect(apply('integer', 5n, add(1n))).toBe(6)
  })

  it('may reach its floor and not fall below it', () => {
    expect(apply('integer', 3, add(-3, 0))).toBe(0)
    expect(codeOf(() => apply('integer', 3, add(-4, 0)))).toBe('CONDITION_FAILED')
    expect(codeOf(() => apply('integer', null, add(-1, 0)))).toBe('CONDITION_FAILED')
    expect(codeOf(() => apply('real', 0.1, add(-0.2, 0)))).toBe('CONDITION_FAILED')
    expect(codeOf(() => apply('bigint', INT64_MIN, add(-1n, 0n)))).toBe('CONDITION_FAILED')
  })

  it('names the column and never the value', () => {
    const error = errorOf(() => apply('integer', Number.MAX_SAFE_INTEGER, add(4711)))
    expect(error.message).toBe('`plain.integer` would leave its range.')
    expect(error.details).toEqual({ table: 'plain', column: 'integer' })
  })
})

describe('max and min', () => {
  it('take null as absent', () => {
    expect(apply('integer', null, { kind: 'max', value: -5 })).toBe(-5)
    expect(apply('integer', null, { kind: 'min', value: 5 })).toBe(5)
  })

  it('keep the larger and the smaller', () => {
    expect(apply('bigint', 2n ** 60n, { kind: 'max', value: 2n ** 60n + 1n })).toBe(2n ** 60n + 1n)
    expect(apply('bigint', 2n ** 60n, { kind: 'min', value: 2n ** 60n + 1n })).toBe(2n ** 60n)
    expect(apply('text', 'b', { kind: 'max', value: 'a' })).toBe('b')
    expect(apply('text', 'b', { kind: 'min', value: 'a' })).toBe('a')
  })
})

describe('a new value', () => {
  it('may be null where the column is optional alone', () => {
    expect(apply('text', 'a', { kind: 'set', value: null })).toBe(null)
    const strict = tableNamed('strict')
    const refused = (): SqlValue => apply('code', 'a', { kind: 'set', value: null }, strict)
    expect(codeOf(refused)).toBe('CONSTRAINT_VIOLATED')
  })
})

describe('a set', () => {
  it('gains and loses elements', () => {
    const current = '["a","b"]'
    expect(apply('tags', current, { kind: 'add', elements: ['c', 'a'] }, merged)).toBe(
      '["a","b","c"]',
    )
    expect(apply('tags', current, { kind: 'remove', elements: ['c', 'a'] }, merged)).toBe('["b"]')
    expect(apply('tags', null, { kind: 'remove', elements: ['a'] }, merged)).toBe('[]')
  })
})

describe('a text', () => {
  const edit = (text: string | null, ...edits: TextEdit[]): SqlValue =>
    apply('notes', text, { kind: 'text', edits }, merged)

  it('is edited by UTF-16 code units, in order', () => {
    expect(edit('abc', { kind: 'insert', at: 1, text: 'X' })).toBe('aXbc')
    expect(edit('abc', { kind: 'delete', at: 1, length: 2 }, { kind: 'append', text: '!' })).toBe(
      'a!',
    )
    expect(edit(null, { kind: 'append', text: 'a' }, { kind: 'replace', text: 'z' })).toBe('z')
    expect(edit('\u{1f600}b', { kind: 'delete', at: 0, length: 2 })).toBe('b')
  })

  it('is edited neither beyond its end nor inside a surrogate pair', () => {
    expect(codeOf(() => edit('abc', { kind: 'insert', at: 4, text: 'X' }))).toBe('INVALID_VALUE')
    expect(codeOf(() => edit('abc', { kind: 'delete', at: 2, length: 2 }))).toBe('INVALID_VALUE')
    expect(codeOf(() => edit('\u{1f600}', { kind: 'delete', at: 0, length: 1 }))).toBe(
      'INVALID_VALUE',
    )
  })
})

describe('a condition', () => {
  const holds = (current: SqlValue, op: '=' | '!=' | '<' | '<=' | '>' | '>=', value: SqlValue) =>
    conditionHolds(current, { column: 0, op, value })

  it('takes null as a value with = and != and as nothing else', () => {
    expect(holds(null, '=', null)).toBe(true)
    expect(holds(null, '!=', null)).toBe(false)
    expect(holds(null, '!=', 5)).toBe(true)
    expect(holds(5, '=', null)).toBe(false)
    for (const op of ['<', '<=', '>', '>='] as const) {
      expect([holds(null, op, 5), holds(5, op, null), holds(null, op, null)]).toEqual([
        ...[false, false, false],
      ])
    }
  })

  it('compares numbers by value, whatever carries them', () => {
    expect(holds(5, '=', 5n)).toBe(true)
    expect(holds(2n ** 60n, '<', 2n ** 60n + 1n)).toBe(true)
    expect(holds(5, '>=', 5n)).toBe(true)
    expect(holds(0.1, '<', 0.2)).toBe(true)
  })

  it('compares bytes by content', () => {
    expect(holds(Uint8Array.of(1, 2), '=', Uint8Array.of(1, 2))).toBe(true)
    expect(holds(Uint8Array.of(1, 2), '<', Uint8Array.of(1, 2, 0))).toBe(true)
    expect(holds(Uint8Array.of(200), '>', Uint8Array.of(100, 1))).toBe(true)
  })
})

describe('the order of stored values', () => {
  it('is that of code points for texts, not of UTF-16 code units', () => {
    expect(compareStored('\u{1f600}', '\ufb01')).toBeGreaterThan(0)
    expect(compareStored('a\u{1f600}', 'a\u{1f601}')).toBeLessThan(0)
    expect(compareStored('a', 'ab')).toBeLessThan(0)
    expect(compareStored('é', 'é')).toBe(0)
  })

  it('has null first', () => {
    expect([compareStored(null, ''), compareStored(0, null), compareStored(null, null)]).toEqual([
      ...[-1, 1, 0],
    ])
  })
})
