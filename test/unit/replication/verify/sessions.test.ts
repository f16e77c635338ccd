import { describe, expect, it } from 'vitest'
import { checkSessions } from '../../../../replication/verify/sessions.ts'
import { seededRandom } from '../../../../src/core/seeded-random.ts'
import { HistoryWriter, randomRegisters } from '../../../support/random-histories.ts'

function kindsOf({ events }: HistoryWriter): string[] {
  const { ok, anomalies, undecided } = checkSessions(events)
  expect(undecided).toEqual([])
  expect(ok).toBe(anomalies.length === 0)
  return anomalies.map(({ kind }) => kind)
}

function versioned(value: unknown, ...version: number[]): unknown {
  return { value, version: version.length === 1 ? version[0] : version }
}

describe('sessions over values with versions', () => {
  it('read-your-writes', () => {
    const writer = new HistoryWriter()
      .whole(0, 'write', 'x', 'b', versioned('b', 2))
      .whole(0, 'read', 'x', null, versioned('a', 1))
    expect(kindsOf(writer)).toEqual(['read-your-writes'])
    const absent = new HistoryWriter().whole(0, 'write', 'x', 'b', versioned('b', 2))
    expect(kindsOf(absent.whole(0, 'read', 'x', null, null))).toEqual(['read-your-writes'])
  })

  it('monotonic-reads, with versions of several numbers', () => {
    const writer = new HistoryWriter()
      .whole(0, 'read', 'x', null, versioned('b', 10, 0))
      .whole(0, 'read', 'x', null, versioned('a', 9, 5))
    const { anomalies } = checkSessions(writer.events)
    expect(anomalies).toEqual([
      {
        kind: 'monotonic-reads',
        message: 'Register x: process 0 saw "b" and then saw the older "a".',
        events: [writer.events[1], writer.events[3]],
      },
    ])
  })

  it('writes-follow-reads and monotonic-writes', () => {
    const follows = new HistoryWriter()
      .whole(0, 'read', 'x', null, versioned('b', 2))
      .whole(0, 'write', 'x', 'a', versioned('a', 1))
    expect(kindsOf(follows)).toEqual(['writes-follow-reads'])
    const writes = new HistoryWriter()
      .whole(0, 'write', 'x', 'b', versioned('b', 2))
      .whole(0, 'cas', 'x', ['b', 'a'], versioned('a', 1))
    expect(kindsOf(writes)).toEqual(['monotonic-writes'])
  })

  it('version-reused', () => {
    const writer = new HistoryWriter()
      .whole(0, 'read', 'x', null, versioned('a', 1))
      .whole(1, 'read', 'x', null, versioned('b', 1))
    expect(kindsOf(writer)).toEqual(['version-reused'])
  })

  it('may see what others see later, and each register by itself', () => {
    const writer = new HistoryWriter()
      .whole(0, 'read', 'x', null, versioned('b', 2))
      .whole(1, 'read', 'x', null, versioned('a', 1))
      .whole(0, 'read', 'y', null, versioned('a', 1))
      .whole(1, 'read', 'x', null, versioned('b', 2))
    expect(kindsOf(writer)).toEqual([])
  })
})

describe('sessions over values that were written once', () => {
  it('come back to no value that they saw replaced', () => {
    const own = new HistoryWriter().whole(1, 'write', 'x', 1).whole(0, 'read', 'x', null, 1)
    own.whole(0, 'write', 'x', 2).whole(0, 'read', 'x', null, 1)
    expect(kindsOf(own)).toEqual(['read-your-writes'])
    const reads = new HistoryWriter().whole(1, 'write', 'x', 1).whole(1, 'write', 'x', 2)
    for (const value of [1, 2, 1]) reads.whole(0, 'read', 'x', null, value)
    expect(kindsOf(reads)).toEqual(['monotonic-reads'])
    const initial = new HistoryWriter().whole(0, 'write', 'x', 1).whole(0, 'read', 'x', null, null)
    expect(kindsOf(initial)).toEqual(['read-your-writes'])
  })

  it('agree on one order', () => {
    const writer = new HistoryWriter().whole(8, 'write', 'x', 1).whole(9, 'write', 'x', 2)
    for (const value of [1, 2]) writer.whole(0, 'read', 'x', null, value)
    expect(kindsOf(writer)).toEqual([])
    for (const value of [2, 1]) writer.whole(1, 'read', 'x', null, value)
    const { anomalies } = checkSessions(writer.events)
    expect(anomalies).toMatchObject([{ kind: 'session-order', events: [{}, {}, {}, {}] }])
    expect(anomalies[0]?.message).toContain('process 0 saw 1 before 2')
    expect(anomalies[0]?.message).toContain('process 1 saw 2 before 1')
  })

  it('include what change streams emit', () => {
    const writer = new HistoryWriter().whole(0, 'write', 'x', 1).whole(0, 'write', 'x', 2)
    writer.add(0, 'ok', 'emit', 'x', 1).add(0, 'ok', 'emit', 'x', 2)
    expect(kindsOf(writer)).toEqual([])
    writer.add(7, 'ok', 'emit', 'x', 2).add(7, 'ok', 'emit', 'x', 1)
    expect(kindsOf(writer)).toEqual(['session-order'])
  })

  it('are good in a run on one copy', () => {
    const events = randomRegisters(seededRandom(1), {
      ...{ operations: 5_000, clients: 8, unknown: 0.002, wrong: 0, keys: 20, values: 'unique' },
    })
    expect(checkSessions(events)).toMatchObject({ ok: true, anomalies: [], undecided: [] })
  })
})

it('sessions over values that were written twice, without versions, are not decided', () => {
  const writer = new HistoryWriter().whole(0, 'write', 'x', 1).whole(1, 'write', 'x', 1)
  expect(checkSessions(writer.events)).toMatchObject({
    ok: true,
    undecided: ['register x: values were written twice and have no versions'],
  })
})
