/** Planted histories: each is wrong, or strange and right, in one way. */
import { describe, expect, it } from 'vitest'
import { checkRegisters } from '../../../../replication/verify/linearizable.ts'
import { seededRandom } from '../../../../src/core/seeded-random.ts'
import { HistoryWriter, randomRegisters } from '../../../support/random-histories.ts'

function kindsOf(writer: HistoryWriter): string[] {
  const { ok, anomalies, undecided } = checkRegisters(writer.events)
  expect(undecided).toEqual([])
  expect(ok).toBe(anomalies.length === 0)
  return anomalies.map(({ kind }) => kind)
}

describe('registers that are not linearizable', () => {
  it('a stale read', () => {
    const writer = new HistoryWriter()
      .whole(0, 'write', 'x', 1)
      .whole(0, 'write', 'x', 2)
      .whole(1, 'read', 'x', null, 1)
    const { anomalies } = checkRegisters(writer.events)
    expect(anomalies).toEqual([
      {
        kind: 'not-linearizable',
        message:
          'Register x: no order of its operations explains read 1 by process 1; those that ended before leave it at 2.',
        events: writer.events,
      },
    ])
  })

  it('a read of the initial value after a write', () => {
    expect(
      kindsOf(new HistoryWriter().whole(0, 'write', 'x', 1).whole(1, 'read', 'x', null)),
    ).toEqual(['not-linearizable'])
  })

  it('two compare-and-sets of one value (a lost update)', () => {
    const writer = new HistoryWriter()
      .whole(0, 'write', 'x', 1)
      .add(0, 'invoke', 'cas', 'x', [1, 2])
      .add(1, 'invoke', 'cas', 'x', [1, 3])
      .add(0, 'ok', 'cas', 'x', [1, 2])
      .add(1, 'ok', 'cas', 'x', [1, 3])
    expect(kindsOf(writer)).toEqual(['not-linearizable'])
  })

  it('a value that comes back', () => {
    const writer = new HistoryWriter()
      .add(0, 'invoke', 'write', 'x', 1)
      .whole(1, 'read', 'x', null, 1)
      .whole(2, 'read', 'x', null, null)
      .add(0, 'ok', 'write', 'x', 1)
    expect(kindsOf(writer)).toEqual(['not-linearizable'])
  })

  it('a value before it was written', () => {
    expect(
      kindsOf(new HistoryWriter().whole(1, 'read', 'x', null, 1).whole(0, 'write', 'x', 1)),
    ).toEqual(['not-linearizable'])
  })

  it('a value that nobody wrote', () => {
    const writer = new HistoryWriter().whole(0, 'write', 'x', 1).whole(1, 'read', 'x', null, 7)
    expect(kindsOf(writer)).toEqual(['unwritten-value'])
  })

  it('a write that failed and is seen', () => {
    const writer = new HistoryWriter()
      .add(0, 'invoke', 'write', 'x', 1)
      .add(0, 'fail', 'write', 'x', 1)
      .whole(1, 'read', 'x', null, 1)
    const { anomalies } = checkRegisters(writer.events)
    expect(anomalies).toMatchObject([{ kind: 'unwritten-value', events: [{ f: 'write' }, {}, {}] }])
    expect(anomalies[0]?.message).toContain('the only write of that value failed')
  })

  it('an unknown write that takes effect twice', () => {
    const writer = new HistoryWriter()
      .add(0, 'invoke', 'write', 'x', 1)
      .add(0, 'info', 'write', 'x', 1)
      .whole(1, 'read', 'x', null, 1)
      .whole(1, 'write', 'x', 2)
      .whole(1, 'read', 'x', null, 1)
    expect(kindsOf(writer)).toEqual(['not-linearizable'])
  })

  it('a write that nobody sees, beside a compare-and-set that it would break', () => {
    const writer = new HistoryWriter()
      .add(0, 'invoke', 'write', 'x', 5)
      .add(1, 'invoke', 'cas', 'x', [null, 1])
      .add(0, 'ok', 'write', 'x', 5)
      .add(1, 'ok', 'cas', 'x', [null, 1])
    expect(kindsOf(writer)).toEqual([])
    expect(kindsOf(writer.whole(2, 'read', 'x', null, 1))).toEqual(['not-linearizable'])
  })

  it('a compare-and-set that nobody sees, of a value that is gone', () => {
    const writer = new HistoryWriter()
      .whole(0, 'write', 'x', 7)
      .whole(0, 'write', 'x', 8)
      .add(0, 'invoke', 'cas', 'x', [7, 1])
      .add(1, 'invoke', 'write', 'x', 9)
      .add(0, 'ok', 'cas', 'x', [7, 1])
      .add(1, 'ok', 'write', 'x', 9)
    writer.whole(2, 'read', 'x', null, 9).whole(2, 'write', 'x', 7)
    expect(kindsOf(writer)).toEqual(['not-linearizable'])
  })

  it('are told one by one, and others stay good', () => {
    const writer = new HistoryWriter()
    for (const key of ['a', 'b', 'c']) writer.whole(0, 'write', key, 1).whole(0, 'write', key, 2)
    writer
      .whole(1, 'read', 'a', null, 1)
      .whole(1, 'read', 'b', null, 2)
      .whole(1, 'read', 'c', null, 1)
    const { anomalies, checked } = checkRegisters(writer.events)
    expect(anomalies.map(({ events }) => events[0]?.key)).toEqual(['a', 'c'])
    expect(checked).toBe(9)
  })
})

describe('registers that are linearizable', () => {
  it('an unknown write that takes effect late', () => {
    const writer = new HistoryWriter()
      .add(0, 'invoke', 'write', 'x', 1)
      .add(0, 'info', 'write', 'x', 1)
      .whole(1, 'write', 'x', 2)
      .whole(1, 'read', 'x', null, 2)
      .whole(1, 'read', 'x', null, 1)
    expect(kindsOf(writer)).toEqual([])
  })

  it('an operation that the history ends before', () => {
    const writer = new HistoryWriter().add(0, 'invoke', 'write', 'x', 1)
    expect(kindsOf(writer.whole(1, 'read', 'x', null).whole(1, 'read', 'x', null, 1))).toEqual([])
  })

  it('a chain of unknown compare-and-sets', () => {
    const writer = new HistoryWriter()
    for (const process of [0, 1, 2]) {
      const pair = [process === 0 ? null : process, process + 1]
      writer.add(process, 'invoke', 'cas', 'x', pair).add(process, 'info', 'cas', 'x', pair)
    }
    expect(kindsOf(writer.whole(3, 'read', 'x', null).whole(3, 'read', 'x', null, 3))).toEqual([])
  })

  it('values of any JSON, with versions or without', () => {
    const writer = new HistoryWriter()
      .whole(0, 'write', 'x', { a: 1, b: [2] }, { value: { a: 1, b: [2] }, version: [4, 0] })
      .whole(1, 'read', 'x', null, { value: { b: [2], a: 1 }, version: [4, 0] })
      .whole(1, 'read', 'x', null, { b: [2], a: 1 })
    expect(kindsOf(writer)).toEqual([])
  })

  it('many, over many registers, with unknown outcomes', () => {
    const events = randomRegisters(seededRandom(1), {
      ...{ operations: 20_000, clients: 20, unknown: 0.002, wrong: 0, keys: 50, values: 'unique' },
    })
    // States, not time: an operation costs few of them.
    const { ok, checked, undecided } = checkRegisters(events, { maxStates: 2_000 })
    expect({ ok, undecided }).toEqual({ ok: true, undecided: [] })
    expect(checked).toBeGreaterThan(15_000)
  })
})

describe('what is not decided', () => {
  it('is named when the search is cut off, and is no anomaly', () => {
    const writer = new HistoryWriter()
    for (let process = 0; process < 12; process++)
      writer.add(process, 'invoke', 'write', 'x', process + 1)
    for (let process = 0; process < 12; process++)
      writer.add(process, 'ok', 'write', 'x', process + 1)
    writer.whole(20, 'read', 'x', null, 3).whole(20, 'read', 'x', null, 5)
    const { ok, undecided } = checkRegisters(writer.events, { maxStates: 1 })
    expect(ok).toBe(true)
    expect(undecided).toEqual(['register x: 1 states of its 14 operations were not enough'])
    expect(kindsOf(writer)).toEqual(['not-linearizable'])
  })

  it.each([
    ['another workload', new HistoryWriter().whole(0, 'txn', null, []), '`txn` is none of'],
    ['no register', new HistoryWriter().whole(0, 'write', null, 1), 'names no register'],
    ['no pair', new HistoryWriter().whole(0, 'cas', 'x', 1), 'is not [old,new]'],
    [
      'two operations open',
      new HistoryWriter().add(0, 'invoke', 'read', 'x', null).add(0, 'invoke', 'read', 'x', null),
      'Event 2 of the history is malformed',
    ],
  ])('is refused: %s', (_what, { events }, why) => {
    expect(() => checkRegisters(events)).toThrow(why)
  })
})
