/** Planted histories, one for each kind of anomaly. */
import { describe, expect, it } from 'vitest'
import { checkListAppend } from '../../../../replication/verify/list-append.ts'
import { seededRandom } from '../../../../src/core/seeded-random.ts'
import { HistoryWriter, randomAppends } from '../../../support/random-histories.ts'

type Step = readonly ['append', string, number] | readonly ['r', string, readonly number[]]

/** Transactions of one process each, all open at the same time, that took effect. */
function together(...transactions: readonly (readonly Step[])[]): HistoryWriter {
  const writer = new HistoryWriter()
  for (const [process, steps] of transactions.entries()) {
    writer.add(process, 'invoke', 'txn', null, asked(steps))
  }
  for (const [process, steps] of transactions.entries())
    writer.add(process, 'ok', 'txn', null, steps)
  return writer
}

function asked(steps: readonly Step[]): unknown[] {
  return steps.map(([f, key, value]) => [f, key, f === 'r' ? null : value])
}

/** One transaction, whole. */
function whole(writer: HistoryWriter, process: number, ...steps: readonly Step[]): HistoryWriter {
  return writer.whole(process, 'txn', null, asked(steps), steps)
}

function kindsOf({ events }: HistoryWriter): string[] {
  const { ok, anomalies, undecided } = checkListAppend(events)
  expect(undecided).toEqual([])
  expect(ok).toBe(anomalies.length === 0)
  return anomalies.map(({ kind }) => kind)
}

describe('reads that are wrong by themselves', () => {
  it.each<[string, readonly Step[]]>([
    [
      'an append of its own is missing',
      [
        ['append', 'x', 1],
        ['r', 'x', []],
      ],
    ],
    [
      'two reads differ',
      [
        ['r', 'x', [9]],
        ['r', 'x', []],
      ],
    ],
    [
      'an append of its own comes early',
      [
        ['r', 'x', []],
        ['append', 'x', 1],
        ['r', 'x', [1, 9]],
      ],
    ],
  ])('internal: %s', (_what, steps) => {
    expect(kindsOf(together(steps, [['append', 'x', 9]]))).toContain('internal')
  })

  it('G1a: a read of a transaction that failed', () => {
    const writer = new HistoryWriter()
      .add(0, 'invoke', 'txn', null, [['append', 'x', 1]])
      .add(0, 'fail', 'txn', null, [['append', 'x', 1]])
    whole(writer, 1, ['r', 'x', [1]])
    const { anomalies } = checkListAppend(writer.events)
    expect(anomalies).toMatchObject([{ kind: 'G1a', events: [{ process: 0 }, { process: 1 }, {}] }])
  })

  it('G1b: a read of a state inside a transaction', () => {
    const writer = together(
      [
        ['append', 'x', 1],
        ['append', 'x', 2],
      ],
      [['r', 'x', [1]]],
    )
    expect(kindsOf(whole(writer, 2, ['r', 'x', [1, 2]]))).toContain('G1b')
  })

  it('an element that nobody appended, and one that is there twice', () => {
    expect(kindsOf(together([['r', 'x', [1]]]))).toEqual(['unwritten-element'])
    const twice = together([['append', 'x', 1]], [['r', 'x', [1, 1]]])
    expect(kindsOf(twice)).toEqual(['duplicate-elements'])
  })

  it('orders that do not fit', () => {
    const appends = [[['append', 'x', 1]], [['append', 'x', 2]]] as const
    const writer = together(...appends, [['r', 'x', [1, 2]]], [['r', 'x', [2]]])
    expect(kindsOf(writer)).toEqual(['incompatible-order'])
    const own = together(
      [
        ['append', 'x', 1],
        ['append', 'x', 2],
      ],
      [['r', 'x', [2, 1, 3]]],
      [['append', 'x', 3]],
    )
    expect(kindsOf(own)).toEqual(['incompatible-order'])
  })
})

describe('cycles', () => {
  it('G0: two transactions write in both orders', () => {
    const writer = together(
      [
        ['append', 'x', 1],
        ['append', 'y', 1],
      ],
      [
        ['append', 'x', 2],
        ['append', 'y', 2],
      ],
    )
    whole(writer, 2, ['r', 'x', [1, 2]], ['r', 'y', [2, 1]])
    const { anomalies } = checkListAppend(writer.events)
    expect(anomalies).toMatchObject([{ kind: 'G0', events: [{}, {}, {}, {}] }])
    expect(anomalies[0]?.message).toBe(
      'T1 wrote before "x" → T2 wrote before "y" → T1, where T1 is of process 0, T2 is of process 1.',
    )
  })

  it('G0: also where one of the appends was never read', () => {
    const writer = together(
      [
        ['append', 'x', 1],
        ['append', 'y', 1],
      ],
      [
        ['append', 'x', 2],
        ['append', 'y', 2],
      ],
    )
    whole(writer, 2, ['r', 'x', [1]])
    expect(kindsOf(whole(writer, 2, ['r', 'y', [2, 1]]))).toContain('G0')
  })

  it('G1c: two transactions see each other', () => {
    const writer = together(
      [
        ['append', 'x', 1],
        ['r', 'y', [1]],
      ],
      [
        ['append', 'y', 1],
        ['r', 'x', [1]],
      ],
    )
    expect(kindsOf(writer)).toEqual(['G1c'])
  })

  it('G-single: half of a transaction is seen (read skew)', () => {
    const writer = together(
      [
        ['append', 'x', 1],
        ['append', 'y', 1],
      ],
      [
        ['r', 'x', [1]],
        ['r', 'y', []],
      ],
      [['r', 'y', [1]]],
    )
    expect(kindsOf(writer)).toEqual(['G-single'])
  })

  it('lost-update: two transactions update one version', () => {
    const writer = together(
      [
        ['r', 'x', []],
        ['append', 'x', 1],
      ],
      [
        ['r', 'x', []],
        ['append', 'x', 2],
      ],
      [['r', 'x', [1, 2]]],
    )
    expect(kindsOf(writer)).toEqual(['lost-update', 'G-single'])
  })

  it('G2-item: write skew', () => {
    const writer = together(
      [
        ['r', 'x', []],
        ['append', 'y', 1],
      ],
      [
        ['r', 'y', []],
        ['append', 'x', 1],
      ],
      [
        ['r', 'x', [1]],
        ['r', 'y', [1]],
      ],
    )
    expect(kindsOf(writer)).toEqual(['G2-item'])
  })

  it('of three transactions: each is shown', () => {
    const writer = together(
      [
        ['append', 'x', 1],
        ['r', 'z', []],
      ],
      [
        ['append', 'y', 1],
        ['r', 'x', []],
      ],
      [
        ['append', 'z', 1],
        ['r', 'y', []],
      ],
      [
        ['r', 'x', [1]],
        ['r', 'y', [1]],
        ['r', 'z', [1]],
      ],
    )
    const { anomalies } = checkListAppend(writer.events)
    expect(anomalies.map(({ kind, events }) => [kind, events.length])).toEqual([['G2-item', 6]])
  })
})

describe('real time', () => {
  it('G-single-realtime: a stale read, over any distance', () => {
    const writer = new HistoryWriter()
    whole(writer, 0, ['append', 'x', 1])
    for (let element = 1; element <= 200; element++) whole(writer, 0, ['append', 'other', element])
    whole(whole(writer, 1, ['r', 'x', []]), 1, ['r', 'x', [1]])
    const { anomalies } = checkListAppend(writer.events)
    expect(anomalies).toMatchObject([{ kind: 'G-single-realtime', events: [{}, {}, {}, {}] }])
    expect(anomalies[0]?.message).toContain('T1 ended before → T2 did not see "x" → T1')
  })

  it('G-single-realtime: an append that was acknowledged and is gone', () => {
    const writer = whole(new HistoryWriter(), 0, ['append', 'x', 1])
    whole(writer, 0, ['append', 'x', 2])
    expect(kindsOf(whole(writer, 1, ['r', 'x', [1]]))).toEqual(['G-single-realtime'])
  })

  it('G0-realtime: appends in the wrong order', () => {
    const writer = whole(new HistoryWriter(), 0, ['append', 'x', 1])
    whole(writer, 0, ['append', 'x', 2])
    expect(kindsOf(whole(writer, 1, ['r', 'x', [2, 1]]))).toEqual(['G0-realtime'])
  })

  it('G1c-realtime: an element before it was appended', () => {
    const writer = whole(new HistoryWriter(), 0, ['r', 'x', [1]])
    expect(kindsOf(whole(writer, 0, ['append', 'x', 1]))).toEqual(['G1c-realtime'])
  })

  it('G2-item-realtime: write skew around one that had ended', () => {
    const writer = new HistoryWriter().add(0, 'invoke', 'txn', null, [
      ['append', 'x', 1],
      ['r', 'y', null],
    ])
    whole(whole(writer, 1, ['append', 'y', 1]), 2, ['r', 'x', []])
    writer.add(0, 'ok', 'txn', null, [
      ['append', 'x', 1],
      ['r', 'y', []],
    ])
    const { anomalies } = checkListAppend(writer.events)
    expect(anomalies).toMatchObject([{ kind: 'G2-item-realtime' }])
    expect(anomalies[0]?.message).toContain(
      'T1 did not see "y" → T2 ended before → T3 did not see "x" → T1',
    )
  })

  it('G-single-realtime: two readers see two appends in different orders (long fork)', () => {
    const writer = new HistoryWriter()
      .add(0, 'invoke', 'txn', null, [['append', 'x', 1]])
      .add(1, 'invoke', 'txn', null, [['append', 'y', 1]])
    whole(whole(writer, 2, ['r', 'x', [1]]), 2, ['r', 'y', []])
    whole(whole(writer, 3, ['r', 'y', [1]]), 3, ['r', 'x', []])
    writer.add(0, 'ok', 'txn', null, [['append', 'x', 1]])
    writer.add(1, 'ok', 'txn', null, [['append', 'y', 1]])
    expect(kindsOf(writer)).toEqual(['G-single-realtime'])
  })
})

describe('what is right', () => {
  it('an unknown transaction that somebody saw took effect, all of it', () => {
    const writer = new HistoryWriter()
      .add(0, 'invoke', 'txn', null, [
        ['append', 'x', 1],
        ['append', 'y', 1],
      ])
      .add(0, 'info', 'txn', null, null)
    whole(writer, 1, ['r', 'x', []])
    whole(writer, 1, ['r', 'x', [1]], ['r', 'y', [1]])
    expect(kindsOf(writer)).toEqual([])
    expect(kindsOf(whole(writer, 1, ['r', 'y', []]))).toEqual(['G-single-realtime'])
  })

  it('an unknown transaction that nobody saw may have had no effect', () => {
    const writer = new HistoryWriter()
      .add(0, 'invoke', 'txn', null, [['append', 'x', 1]])
      .add(0, 'info', 'txn', null, null)
    expect(kindsOf(whole(writer, 1, ['r', 'x', []]))).toEqual([])
  })

  it('many, with unknown outcomes', () => {
    const events = randomAppends(seededRandom(1), {
      ...{ operations: 5_000, clients: 20, unknown: 0.002, wrong: 0, keys: 200, steps: 4 },
    })
    const verdict = checkListAppend(events)
    expect(verdict).toEqual({ ok: true, checked: 5_000 - failures(), anomalies: [], undecided: [] })
    function failures(): number {
      return events.filter(({ type }) => type === 'fail').length
    }
  })

  it('one wrong answer among many is found, and shown by few events', () => {
    const writer = new HistoryWriter()
    const total = 3_000
    for (let element = 1; element <= total; element++) {
      const before = Array.from(
        { length: Math.min((element - 1) % 30, element - 1) },
        (_, at) => element - 1 - at,
      )
      const key = `x${Math.floor((element - 1) / 30)}`
      whole(writer, element % 7, ['r', key, before.reverse()], ['append', key, element])
    }
    expect(kindsOf(writer)).toEqual([])
    whole(writer, 1, ['r', 'x20', [601, 602]])
    const { anomalies } = checkListAppend(writer.events)
    expect(anomalies.map(({ kind }) => kind)).toContain('G-single-realtime')
    expect(anomalies.find(({ kind }) => kind === 'G-single-realtime')?.events).toHaveLength(4)
  })
})

describe('what is refused', () => {
  it.each([
    ['no list', new HistoryWriter().whole(0, 'txn', null, 1), 'is not a list'],
    [
      'no step',
      new HistoryWriter().whole(0, 'txn', null, [['r', 'x']]),
      'is not [name, key, value]',
    ],
    [
      'another step',
      new HistoryWriter().whole(0, 'txn', null, [['w', 'x', 1]]),
      'neither append nor r',
    ],
    ['no list read', new HistoryWriter().whole(0, 'txn', null, [['r', 'x', 1]]), 'is not a list'],
    [
      'an element twice',
      new HistoryWriter().whole(0, 'txn', null, [
        ['append', 'x', 1],
        ['append', 'x', 1],
      ]),
      '1 is appended to "x" twice',
    ],
  ])('%s', (_what, { events }, why) => {
    expect(() => checkListAppend(events)).toThrow(why)
  })
})
