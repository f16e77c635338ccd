/** Who is wrong when digests differ (S33). */
import { describe, expect, it } from 'vitest'
import type { Digest } from '../../../../replication/strong/digests/digest-tracker.ts'
import { compareKeys } from '../../../../replication/strong/digests/digest-tables.ts'
import { judge } from '../../../../replication/strong/digests/judge.ts'

const at = (index: number, rows: string, outcomes = 'o'): Digest => ({
  index,
  parts: [
    ['accounts', rows],
    ['outcomes', outcomes],
  ],
})

const peers = (all: Readonly<Record<string, readonly Digest[]>>) => new Map(Object.entries(all))

describe('a region among others', () => {
  it('is wrong where a majority of all regions agrees on another state', () => {
    const others = peers({ eu: [at(5, 'x')], ap: [at(5, 'x')] })
    expect(judge([at(5, 'y')], others, 3)).toEqual({
      kind: 'diverged',
      index: 5,
      parts: ['accounts'],
      peers: ['eu', 'ap'],
    })
  })

  it.each([
    ['two of three that are not equal', { eu: [at(5, 'x')] }, 3],
    ['the other one of two', { eu: [at(5, 'x')] }, 2],
    ['three that all differ', { eu: [at(5, 'x')], ap: [at(5, 'z')] }, 3],
    ['two of five against one, two silent', { a: [at(5, 'x')], b: [at(5, 'x')] }, 5],
  ])('is not known to be wrong: %s', (_name, others, regions) => {
    expect(judge([at(5, 'y')], peers(others), regions)).toMatchObject({
      kind: 'differs',
      isMajorityHere: false,
    })
  })

  it('knows that others are wrong where it is one of a majority', () => {
    const others = peers({ eu: [at(5, 'y')], ap: [at(5, 'x', 'p')] })
    expect(judge([at(5, 'y')], others, 3)).toEqual({
      kind: 'differs',
      index: 5,
      parts: ['accounts', 'outcomes'],
      peers: ['ap'],
      isMajorityHere: true,
    })
  })

  it('compares at equal indexes alone, and says at which it agreed last', () => {
    const own = [at(256, 'a'), at(512, 'b'), at(530, 'c')]
    expect(judge(own, peers({ eu: [at(300, 'q')], ap: [] }), 3)).toEqual({ kind: 'unknown' })
    const behind = peers({ eu: [at(256, 'a'), at(400, 'q')], ap: [at(512, 'b')] })
    expect(judge(own, behind, 3)).toEqual({ kind: 'agreed', index: 512 })
  })

  it('is found wrong at any of them, whatever it agrees on elsewhere', () => {
    const own = [at(256, 'a'), at(512, 'b')]
    const others = peers({ eu: [at(256, 'z'), at(512, 'b')], ap: [at(256, 'z')] })
    expect(judge(own, others, 3)).toMatchObject({ kind: 'diverged', index: 256 })
  })
})

describe('keys', () => {
  it.each([
    [
      ['', 1],
      ['', 2n],
    ],
    [
      ['a', -1.5],
      ['a', 0],
    ],
    [['a'], ['b']],
    [['a'], ['aa']],
    // By code points, as UTF-8 orders them: surrogates stand for what lies behind U+FFFF.
    [['\uffee'], ['\u{1f600}']],
    [
      ['', Uint8Array.of(1)],
      ['', Uint8Array.of(1, 0)],
    ],
    [
      ['', 9],
      ['', '1'],
    ],
  ])('are compared as the store orders them: %j', (one, other) => {
    expect(compareKeys(one, other)).toBeLessThan(0)
    expect(compareKeys(other, one)).toBeGreaterThan(0)
    expect(compareKeys(one, one)).toBe(0)
  })
})
