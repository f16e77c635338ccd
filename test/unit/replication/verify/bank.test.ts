import { describe, expect, it } from 'vitest'
import { checkBank } from '../../../../replication/verify/bank.ts'
import { seededRandom } from '../../../../src/core/seeded-random.ts'
import { HistoryWriter, randomTransfers } from '../../../support/random-histories.ts'

const MOVE = { from: 'a', to: 'b', amount: 10 }

function kindsOf({ events }: HistoryWriter): string[] {
  const { ok, anomalies } = checkBank(events)
  expect(ok).toBe(anomalies.length === 0)
  return anomalies.map(({ kind }) => kind)
}

/** A history that starts from 100 on each account. */
function opened(): HistoryWriter {
  return new HistoryWriter().whole(9, 'read', null, null, { a: 100, b: 100 })
}

describe('snapshots', () => {
  it('with half of a transfer', () => {
    const writer = opened().whole(0, 'transfer', null, MOVE)
    writer.whole(1, 'read', null, null, { a: 90, b: 110 })
    const { anomalies } = checkBank(writer.whole(1, 'read', null, null, { a: 90, b: 100 }).events)
    expect(anomalies.map(({ kind }) => kind)).toContain('wrong-total')
    expect(anomalies[0]?.events).toHaveLength(2)
  })

  it('with a balance below zero', () => {
    const move = { ...MOVE, amount: 110 }
    const writer = opened().whole(0, 'transfer', null, move)
    expect(kindsOf(writer.whole(1, 'read', null, null, { a: -10, b: 210 }))).toEqual([
      'negative-balance',
    ])
  })

  it('without an account', () => {
    const writer = opened().whole(1, 'read', null, null, { a: 100, b: 100 })
    expect(kindsOf(writer.whole(1, 'read', null, null, { a: 200 }))).toContain('wrong-accounts')
  })

  it('from before a transfer that had ended (stale)', () => {
    const writer = opened().whole(0, 'transfer', null, MOVE)
    expect(kindsOf(writer.whole(1, 'read', null, null, { a: 100, b: 100 }))).toEqual([
      'impossible-balance',
      'impossible-balance',
    ])
  })

  it('with a transfer that was done twice, or that failed', () => {
    const twice = opened().whole(0, 'transfer', null, MOVE)
    twice.whole(1, 'read', null, null, { a: 80, b: 120 })
    expect(kindsOf(twice)).toEqual(['impossible-balance', 'impossible-balance'])
    const failed = opened()
      .add(0, 'invoke', 'transfer', null, MOVE)
      .add(0, 'fail', 'transfer', null, MOVE)
      .whole(1, 'read', null, null, { a: 90, b: 110 })
    expect(kindsOf(failed)).toEqual(['impossible-balance', 'impossible-balance'])
  })

  it('may have a transfer that is open or unknown, or not', () => {
    for (const moved of [0, 10]) {
      const open = opened().add(0, 'invoke', 'transfer', null, MOVE)
      open.whole(1, 'read', null, null, { a: 100 - moved, b: 100 + moved })
      expect(kindsOf(open)).toEqual([])
      const unknown = opened()
        .add(0, 'invoke', 'transfer', null, MOVE)
        .add(0, 'info', 'transfer', null, MOVE)
        .whole(1, 'read', null, null, { a: 100 - moved, b: 100 + moved })
      expect(kindsOf(unknown)).toEqual([])
    }
  })

  it.each([1, 2, 3])('of good runs are good, with a wrong one they are not (seed %i)', (seed) => {
    const events = randomTransfers(seededRandom(seed), {
      ...{ operations: 2_000, clients: 8, unknown: 0.005, wrong: 0, accounts: 5 },
    })
    expect(checkBank(events)).toMatchObject({ ok: true, anomalies: [], undecided: [] })
    const at = events.findLastIndex(({ type, f }) => type === 'ok' && f === 'read')
    const value = events[at]?.value as Record<string, number>
    const shifted = { ...value, a0: (value['a0'] as number) + 1 }
    const bad = events.with(at, { ...(events[at] as (typeof events)[number]), value: shifted })
    expect(checkBank(bad).anomalies).toMatchObject([{ kind: 'wrong-total' }])
  })
})

describe('a history', () => {
  it('without snapshots shows nothing', () => {
    const { events } = new HistoryWriter().whole(0, 'transfer', null, MOVE)
    expect(checkBank(events)).toEqual({
      ...{ ok: true, checked: 1, anomalies: [] },
      undecided: ['no snapshot was read: transfers show nothing'],
    })
  })

  it.each([
    ['no map', new HistoryWriter().whole(0, 'read', null, null, [1]), 'is not a map'],
    ['no number', new HistoryWriter().whole(0, 'read', null, null, { a: 'x' }), 'balance of a'],
    [
      'no transfer',
      new HistoryWriter().whole(0, 'transfer', null, { from: 'a' }),
      '{from,to,amount}',
    ],
  ])('is refused: %s', (_what, { events }, why) => {
    expect(() => checkBank(events)).toThrow(why)
  })
})
