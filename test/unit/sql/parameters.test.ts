import { describe, expect, test } from 'vitest'
import type { SqlValue } from '../../../src/core/values.ts'
import {
  bindParameters,
  parameterNames,
  writtenNames,
  type QueryArguments,
} from '../../../src/sql/parameters.ts'
import { joinTokens, tokenize } from '../../../src/sql/tokens.ts'

function bind(
  sql: string,
  positional: readonly SqlValue[] = [],
  named: Readonly<Record<string, SqlValue>> = {},
  more: Partial<QueryArguments> = {},
): readonly [string, readonly SqlValue[]] {
  const tokens = tokenize(sql)
  const args = { positional, named: new Map(Object.entries(named)), ...more }
  const { texts, values } = bindParameters(tokens, args)
  return [joinTokens(tokens, texts), values]
}

describe('parameters are numbered as SQLite numbers them', () => {
  test.each([
    ['SELECT 1', []],
    ['?, ?', [null, null]],
    ['?3', [null, null, '?3']],
    ['?2, ?', [null, '?2', null]],
    [':a, ?, :a, @a, $a', [':a', null, '@a', '$a']],
    ['?, :a, ?2, ?', [null, ':a', null]],
  ])('%s', (sql, names) => {
    expect(parameterNames(tokenize(sql))).toEqual(names)
  })

  test.each(['?0', '?32767', '?99999999999999999999'])('%s is out of range', (sql) => {
    expect(() => parameterNames(tokenize(sql))).toThrow('out of range')
  })
})

describe('each parameter gets its value', () => {
  test('by place, by name with or without its sigil, and both', () => {
    expect(bind('?, ?2, ?1', ['a', 'b'])).toEqual(['?1, ?2, ?1', ['a', 'b']])
    expect(bind(':a + @b', [], { a: 1, '@b': 2 })).toEqual(['?1 + ?2', [1, 2]])
    expect(bind(':a, ?', [0, 2], { a: 1 })).toEqual(['?1, ?2', [1, 2]])
    expect(bind(':a, :b', [1, 2])).toEqual(['?1, ?2', [1, 2]])
    expect(bind(':a', [], { ':a': null, a: 1 })).toEqual(['?1', [null]])
    expect(bind('?3', [1, 2, 3])).toEqual(['?3', [1, 2, 3]])
  })

  test('one without a value, and a value without one, are refused', () => {
    expect(() => bind('?, ?', [1])).toThrow('as many parameters')
    expect(() => bind('?', [1, 2])).toThrow('as many parameters')
    expect(() => bind(':a, :b', [], { a: 1 })).toThrow(':b')
    expect(() => bind(':a', [], { a: 1, b: 2 })).toThrow('name')
    expect(() => bind(':a, ?', [], { a: 1 })).toThrow('?2')
  })

  test('with exact types an integral number is a REAL without a column’s affinity', () => {
    const exact = { exactTypes: true }
    expect(bind('?, ?', [5, 5n], {}, exact)).toEqual(['(+CAST(?1 AS REAL)), ?2', [5, 5n]])
    expect(bind('?', [0.5], {}, exact)[0]).toBe('?1')
    expect(bind('?', [5])[0]).toBe('?1')
  })
})

test('a column’s name is what the user wrote', () => {
  const tokens = tokenize('SELECT :name, ?, typeof(@b)')
  const written = writtenNames(tokens)
  expect(written('?1')).toBe(':name')
  expect(written('typeof((+CAST(?3 AS REAL)))')).toBe('typeof(@b)')
  expect(written('?9')).toBe('?9')
  expect(written('plain')).toBe('plain')
})

test('tokens are written with the space that stood between them, where it could matter', () => {
  const again = (sql: string): string => {
    const tokens = tokenize(sql)
    return joinTokens(
      tokens,
      tokens.map(({ text }) => text),
    )
  }
  expect(again('count(*),sum( x )')).toBe('count(*),sum( x )')
  expect(again('a/**/b')).toBe('a b')
  expect(again('1-/**/-1')).toBe('1 - - 1')
  expect(again('a||b')).toBe('a || b')
})
