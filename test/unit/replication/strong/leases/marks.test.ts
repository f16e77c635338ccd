import { describe, expect, it } from 'vitest'
import { DirtyRows } from '../../../../../replication/strong/leases/dirty-rows.ts'
import { HintAcks } from '../../../../../replication/strong/leases/hint-acks.ts'
import { Marks } from '../../../../../replication/strong/leases/marks.ts'
import { pointScope, tableScope } from '../../../../../replication/strong/leases/read-scope.ts'

const row = (key: string, table = 1): { table: number; key: string } => ({ table, key })
const point = (key: string, table = 1): ReturnType<typeof pointScope>[] => [
  pointScope(row(key, table)),
]
const stamp = (incarnation: number, seq: number): { incarnation: number; seq: number } => ({
  incarnation,
  seq,
})

describe('marks', () => {
  it('keep readers off rows, ranges and tables that they are in', () => {
    const marks = new Marks()
    marks.add({ txId: 't', keys: [row('m')] }, stamp(1, 1))
    expect(marks.touches(point('m'))).toBe(true)
    expect(marks.touches(point('n'))).toBe(false)
    expect(marks.touches(point('m', 2))).toBe(false)
    expect(marks.touches([tableScope(1)])).toBe(true)
    expect(marks.touches([{ table: 1, from: 'a', to: 'l' }])).toBe(false)
    expect(marks.touches([{ table: 1, from: 'a', to: null }])).toBe(true)
    expect(marks.touches([{ table: 1, from: null, to: 'l' }])).toBe(false)
    expect(marks.touches([...point('n'), ...point('m')])).toBe(true)
  })

  it('of two transactions on one row end one by one', () => {
    const marks = new Marks()
    marks.add({ txId: 't', keys: [row('m')] }, stamp(1, 1))
    marks.add({ txId: 'u', keys: [row('m')] }, stamp(1, 1))
    marks.settle('t')
    marks.settle('t')
    expect(marks.touches(point('m'))).toBe(true)
    marks.settle('u')
    expect(marks.touches(point('m'))).toBe(false)
    expect(marks.size).toBe(0)
  })

  it('end at a newer own lease, not at the one that they were promised under', () => {
    const marks = new Marks()
    marks.add({ txId: 't', keys: [row('m')] }, stamp(2, 3))
    marks.renewed(stamp(2, 3))
    marks.renewed(stamp(1, 9))
    expect(marks.size).toBe(1)
    marks.renewed(stamp(2, 4))
    expect(marks.size).toBe(0)
  })

  it('keep the newer of two promises', () => {
    const marks = new Marks()
    marks.add({ txId: 't', keys: [row('m')] }, stamp(2, 3))
    marks.add({ txId: 't', keys: [row('m')] }, stamp(2, 5))
    marks.add({ txId: 't', keys: [row('m')] }, stamp(2, 4))
    marks.renewed(stamp(2, 5))
    expect(marks.touches(point('m'))).toBe(true)
    marks.settle('t')
    expect(marks.touches(point('m'))).toBe(false)
  })

  it('are bounded: what has no room is not marked', () => {
    const marks = new Marks()
    const added = Array.from({ length: 10_001 }, (_, i) =>
      marks.add({ txId: `t${i}`, keys: [] }, stamp(1, 1)),
    )
    expect(added.filter((isMarked) => !isMarked)).toHaveLength(1)
    marks.settle('t7')
    expect(marks.add({ txId: 'more', keys: [] }, stamp(1, 1))).toBe(true)
  })
})

describe('acknowledged hints', () => {
  const store = { region: 'ap', databaseId: 'db1', key: 'ap db1' }

  it('count under the lease that they name and older ones', () => {
    const acks = new HintAcks()
    acks.add({ ...store, stamp: stamp(2, 3), txIds: ['t'] })
    expect(acks.covers(store, 't', stamp(2, 3))).toBe(true)
    expect(acks.covers(store, 't', stamp(1, 9))).toBe(true)
    expect(acks.covers(store, 't', stamp(2, 4))).toBe(false)
    expect(acks.covers(store, 't', stamp(3, 0))).toBe(false)
    expect(acks.covers(store, 'u', stamp(2, 3))).toBe(false)
    acks.add({ ...store, stamp: stamp(1, 1), txIds: ['t'] })
    expect(acks.covers(store, 't', stamp(2, 3))).toBe(true)
    acks.forget('t')
    expect(acks.covers(store, 't', stamp(2, 3))).toBe(false)
  })

  it('are bounded: the oldest are forgotten', () => {
    const acks = new HintAcks()
    for (let i = 0; i <= 20_000; i++) acks.add({ ...store, stamp: stamp(1, 1), txIds: [`t${i}`] })
    expect(acks.covers(store, 't0', stamp(1, 1))).toBe(false)
    expect(acks.covers(store, 't1', stamp(1, 1))).toBe(true)
  })
})

describe('dirty rows', () => {
  it('say how stable the log must be for a read, deleted rows included', () => {
    const dirty = new DirtyRows(0)
    dirty.add(4, [row('a'), row('c')])
    dirty.add(6, [row('a')])
    expect(dirty.largestIn(point('a'))).toBe(6)
    expect(dirty.largestIn(point('c'))).toBe(4)
    expect(dirty.largestIn(point('b'))).toBe(0)
    expect(dirty.largestIn([{ table: 1, from: 'b', to: null }])).toBe(4)
    dirty.dropThrough(4)
    expect(dirty.largestIn(point('c'))).toBe(0)
    expect(dirty.largestIn(point('a'))).toBe(6)
    dirty.dropThrough(6)
    expect(dirty.largestIn([tableScope(1)])).toBe(0)
  })

  it('are all rows for what was applied before the process began', () => {
    expect(new DirtyRows(9).largestIn(point('a'))).toBe(9)
  })

  it('may be told twice, where a commit is tried again', () => {
    const dirty = new DirtyRows(0)
    for (const index of [5, 6, 5, 6]) dirty.add(index, [row(`k${index}`)])
    dirty.dropThrough(5)
    expect(dirty.largestIn(point('k6'))).toBe(6)
    dirty.dropThrough(6)
    expect(dirty.largestIn([tableScope(1)])).toBe(0)
  })
})
