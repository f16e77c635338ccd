import { expect, test } from 'vitest'
import type { SqlValue } from '../../../../src/core/values.ts'
import {
  bindParameters,
  MAX_VALUE_BYTES,
} from '../../../../src/drivers/sql-server/bind-parameters.ts'

type Named = readonly { readonly name: string; readonly value: SqlValue }[]

const positional = (
  args: readonly SqlValue[],
): { args: readonly SqlValue[]; namedArgs: Named } => ({
  args,
  namedArgs: [],
})
const named = (namedArgs: Named): { args: readonly SqlValue[]; namedArgs: Named } => ({
  args: [],
  namedArgs,
})

test('arguments go to their places', () => {
  expect(bindParameters([null, '?2'], positional([1n, 'a']))).toEqual([1n, 'a'])
  const byName = named([
    { name: 'b', value: 2n },
    { name: ':a', value: null },
  ])
  expect(bindParameters([':a', '@b'], byName)).toEqual([null, 2n])
})

test('too many, too few and foreign arguments are refused', () => {
  const wrong = [
    [[null], positional([])],
    [[null], positional([1n, 2n])],
    [[], positional([1n])],
    [[':a'], positional([1n])],
    [[':a'], named([{ name: 'b', value: 1n }])],
    [[null], named([{ name: 'a', value: 1n }])],
  ] as const
  for (const [parameters, args] of wrong) {
    expect(() => bindParameters(parameters, args)).toThrow(
      expect.objectContaining({ code: 'ARGS_INVALID' }),
    )
  }
  expect(() =>
    bindParameters([null, ':a'], { args: [1n], namedArgs: [{ name: 'a', value: 1n }] }),
  ).toThrow(expect.objectContaining({ code: 'ARGS_BOTH_POSITIONAL_AND_NAMED' }))
})

test('an explained statement needs no arguments', () => {
  expect(bindParameters([null, ':a'], positional([]), true)).toEqual([null, null])
})

test('what the engine would change is refused', () => {
  for (const value of ['a\0b', '\uD800', 2n ** 63n]) {
    expect(() => bindParameters([null], positional([value]))).toThrow(
      expect.objectContaining({ code: 'ARGS_INVALID' }),
    )
  }
})

test('a value may have 5 MB and no more', () => {
  const most = new Uint8Array(MAX_VALUE_BYTES)
  expect(bindParameters([null], positional([most]))[0]).toBe(most)
  for (const value of ['x'.repeat(MAX_VALUE_BYTES + 1), new Uint8Array(MAX_VALUE_BYTES + 1)]) {
    expect(() => bindParameters([null], positional([value]))).toThrow(
      expect.objectContaining({ code: 'SQLITE_TOOBIG' }),
    )
  }
  // Counted in UTF-8: two bytes each.
  expect(() => bindParameters([null], positional(['ä'.repeat(MAX_VALUE_BYTES / 2 + 1)]))).toThrow(
    expect.objectContaining({ code: 'SQLITE_TOOBIG' }),
  )
})
