import { describe, expect, it } from 'vitest'
import { MAX_GUARD_QUERY_BYTES, MAX_GUARD_QUERY_ROWS } from '../../../../src/core/limits.ts'
import type { SqlRow, SqlValue } from '../../../../src/core/values.ts'
import { resultDigest } from '../../../../src/sql/guarded/result-digest.ts'

describe('the digest of a result', () => {
  it('is of the order where there is one, else of which rows there are how often', () => {
    const rows: SqlRow[] = [
      ['a', 1n],
      ['b', 2n],
      ['b', 2n],
    ]
    const turned = rows.toReversed()
    expect(resultDigest(turned, false)).toBe(resultDigest(rows, false))
    expect(resultDigest(turned, true)).not.toBe(resultDigest(rows, true))
    expect(resultDigest(rows.slice(1), false)).not.toBe(resultDigest(rows, false))
    expect(resultDigest([...rows, ...rows], false)).not.toBe(resultDigest(rows, false))
  })

  it('takes numbers for the same that SQL does, and nothing else', () => {
    const of = (value: SqlValue): string => resultDigest([[value]], true) as string
    expect(new Set([1, 1n].map(of)).size).toBe(1)
    expect(new Set([0, -0, 0n].map(of)).size).toBe(1)
    const others = [null, '1', 1n, 2 ** 60, 0.5, Infinity, Uint8Array.of(1), Uint8Array.of(49), '']
    expect(new Set(others.map(of)).size).toBe(others.length)
    expect(resultDigest([['a', 'b']], true)).not.toBe(resultDigest([['a,t1:b']], true))
    expect(resultDigest([['a'], ['b']], true)).not.toBe(resultDigest([['a', 'b']], true))
  })

  it('never changes: the log carries it', () => {
    const rows: SqlRow[] = [
      ['a', 1n, 0.5],
      [null, Uint8Array.of(255), -2],
    ]
    expect(resultDigest(rows, true)).toBe('3c478f3fc8d458d71f438c038000aa29')
    expect(resultDigest(rows, false)).toBe('1b60f0d458ad8570edce2320d20efa12')
  })

  it('is none of what is too large', () => {
    const rows = (n: number): SqlRow[] => Array.from({ length: n }, () => [1n])
    expect(resultDigest(rows(MAX_GUARD_QUERY_ROWS), true)).toBeTypeOf('string')
    expect(resultDigest(rows(MAX_GUARD_QUERY_ROWS + 1), true)).toBeUndefined()
    expect(resultDigest([['x'.repeat(MAX_GUARD_QUERY_BYTES + 1)]], true)).toBeUndefined()
  })
})
