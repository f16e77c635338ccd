import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../../src/core/seeded-random.ts'
import type { Caller } from '../../../../benchmarks/workloads/callers.ts'
import { CORE_WORKLOADS, RECORDS } from '../../../../benchmarks/workloads/ycsb/core-workloads.ts'
import { UpdateJournal } from '../../../../benchmarks/workloads/ycsb/journal.ts'
import { keySpace } from '../../../../benchmarks/workloads/ycsb/key-space.ts'
import {
  FIELDS,
  fieldValue,
  isWhole,
  newRecord,
  recordId,
  stampOf,
} from '../../../../benchmarks/workloads/ycsb/records.ts'

describe('core workloads', () => {
  it('are A to F with the mixes of YCSB', () => {
    expect(CORE_WORKLOADS.map(({ name, shares, popular }) => [name, shares, popular])).toEqual([
      ['ycsb-a', { read: 0.5, update: 0.5 }, 'zipfian'],
      ['ycsb-b', { read: 0.95, update: 0.05 }, 'zipfian'],
      ['ycsb-c', { read: 1 }, 'zipfian'],
      ['ycsb-d', { read: 0.95, insert: 0.05 }, 'latest'],
      ['ycsb-e', { scan: 0.95, insert: 0.05 }, 'zipfian'],
      ['ycsb-f', { read: 0.5, 'read-modify-write': 0.5 }, 'zipfian'],
    ])
    expect(RECORDS).toBe(1000)
  })
})

describe('records', () => {
  it('have ten fields of 100 bytes', () => {
    const record = newRecord('r', 7)
    expect(FIELDS).toHaveLength(10)
    for (const field of FIELDS) expect(Buffer.byteLength(record[field])).toBe(100)
    expect(isWhole(record)).toBe(true)
    expect(isWhole({ ...record, field3: record.field3.slice(1) })).toBe(false)
  })

  it('tell their stamps, and what is no value of theirs', () => {
    for (const stamp of [0, 1, 63, 64, 65, 999_999_999_999]) {
      expect(fieldValue(stamp)).toHaveLength(100)
      expect(stampOf(fieldValue(stamp))).toBe(stamp)
    }
    expect(stampOf(fieldValue(1).replace('1', '2'))).toBeUndefined()
    expect(stampOf(fieldValue(1).slice(0, -1))).toBeUndefined()
    expect(stampOf('nothing')).toBeUndefined()
  })

  it('have ids of one length, none twice', () => {
    const ids = Array.from({ length: RECORDS }, (_, i) => recordId('run', i))
    expect(new Set(ids).size).toBe(RECORDS)
    expect(new Set(ids.map(({ length }) => length)).size).toBe(1)
  })
})

describe('key space', () => {
  const owner = { number: 3 } as Caller

  it('chooses the same records for a seed', () => {
    const chosen = (seed: number): number[] => {
      const keys = keySpace(seededRandom(seed), 'zipfian', 10)
      return Array.from({ length: 100 }, () => keys.choose().number)
    }
    expect(chosen(1)).toEqual(chosen(1))
    expect(chosen(1)).not.toEqual(chosen(2))
    expect(Math.max(...chosen(1))).toBeLessThan(RECORDS)
  })

  it('chooses the latest record most, once it is there', () => {
    const keys = keySpace(seededRandom(1), 'latest', 1)
    keys.add({ number: 5000, owner })
    const chosen = Array.from({ length: 2000 }, () => keys.choose())
    const latest = chosen.filter(({ number }) => number === 5000)
    // 13% of them by theory.
    expect(latest.length).toBeGreaterThan(150)
    expect(latest.every((record) => record.owner === owner)).toBe(true)
  })

  it('chooses more records than it expected, when they come', () => {
    const keys = keySpace(seededRandom(1), 'zipfian', 0)
    for (let i = 0; i < 50; i++) keys.add({ number: RECORDS + i, owner })
    for (let i = 0; i < 1000; i++) expect(keys.choose().number).toBeLessThan(RECORDS + 50)
  })
})

describe('journal', () => {
  it('accepts what was loaded where nothing was acknowledged', () => {
    const journal = new UpdateJournal()
    journal.begin('cell')
    expect(journal.problem('cell', 0, true)).toBeUndefined()
    expect(journal.problem('other', 0, true)).toBeUndefined()
  })

  it('accepts the last of updates one after the other, and no earlier one', () => {
    const journal = new UpdateJournal()
    const first = journal.begin('cell')
    journal.acknowledge(first)
    const second = journal.begin('cell')
    journal.acknowledge(second)
    expect(journal.problem('cell', second.stamp, true)).toBeUndefined()
    expect(journal.problem('cell', first.stamp, true)).toMatch('lost')
    expect(journal.problem('cell', 0, true)).toMatch('lost')
  })

  it('accepts either of two updates at once', () => {
    const journal = new UpdateJournal()
    const [a, b] = [journal.begin('cell'), journal.begin('cell')]
    journal.acknowledge(b)
    journal.acknowledge(a)
    expect(journal.problem('cell', a.stamp, true)).toBeUndefined()
    expect(journal.problem('cell', b.stamp, true)).toBeUndefined()
  })

  it('accepts an update in doubt, whenever it took effect', () => {
    const journal = new UpdateJournal()
    const doubtful = journal.begin('cell')
    journal.acknowledge(journal.begin('cell'))
    expect(journal.problem('cell', doubtful.stamp, true)).toBeUndefined()
  })

  it('accepts any update where regions have no order, and no loaded value after one', () => {
    const journal = new UpdateJournal()
    const first = journal.begin('cell')
    journal.acknowledge(first)
    journal.acknowledge(journal.begin('cell'))
    expect(journal.problem('cell', first.stamp, false)).toBeUndefined()
    expect(journal.problem('cell', 0, false)).toMatch('lost')
  })

  it('refuses the value of another cell', () => {
    const journal = new UpdateJournal()
    const { stamp } = journal.begin('other')
    expect(journal.problem('cell', stamp, true)).toMatch('nobody wrote')
  })
})
