import { describe, expect, it } from 'vitest'
import type { ClockReading } from '../../../../../replication/strong/leases/lease-clock.ts'
import type { LeaseRecord } from '../../../../../replication/strong/leases/lease-record.ts'
import {
  governingLease,
  LeaseTable,
  type LeaseHolder,
} from '../../../../../replication/strong/leases/lease-table.ts'
import { OwnLease } from '../../../../../replication/strong/leases/own-lease.ts'

const STORE = { region: 'eu', databaseId: 'db1' }
const at = (ms: number): ClockReading => ({ monotonicMs: ms, bootMs: ms, wallMs: ms })
const entry = (kind: LeaseRecord['kind'], incarnation: number, seq: number): LeaseRecord => ({
  kind,
  ...STORE,
  stamp: { incarnation, seq },
})

function holderOf(table: LeaseTable): LeaseHolder {
  const [holder] = table.holders()
  return holder as LeaseHolder
}

describe('the lease table', () => {
  it('takes a LEASE only if it is newer than the newest, by life first', () => {
    const table = new LeaseTable([], at(0))
    expect(table.apply(entry('lease', 2, 1), 1, at(1))).toMatchObject({ index: 1, isLive: true })
    expect(table.apply(entry('lease', 2, 1), 2, at(2))).toBeUndefined()
    expect(table.apply(entry('lease', 1, 9), 3, at(3))).toBeUndefined()
    expect(table.apply(entry('lease', 2, 2), 4, at(4))).toMatchObject({ index: 4 })
    expect(table.apply(entry('lease', 3, 1), 5, at(5))).toMatchObject({ index: 5 })
  })

  it('takes a RELEASE unless a newer LEASE is there', () => {
    const table = new LeaseTable([], at(0))
    table.apply(entry('lease', 1, 2), 1, at(1))
    expect(table.apply(entry('release', 1, 1), 2, at(2))).toBeUndefined()
    expect(table.apply(entry('release', 1, 2), 3, at(3))).toMatchObject({ isLive: false })
    expect(table.apply(entry('lease', 1, 2), 4, at(4))).toBeUndefined()
    expect(table.apply(entry('lease', 1, 3), 5, at(5))).toMatchObject({ isLive: true })
  })

  it('knows which lease governs an index: the last one below it', () => {
    const table = new LeaseTable([], at(0))
    table.apply(entry('lease', 1, 1), 3, at(1))
    table.apply(entry('lease', 1, 2), 7, at(2))
    const holder = holderOf(table)
    expect(governingLease(holder, 3)).toBeUndefined()
    expect(governingLease(holder, 4)?.index).toBe(3)
    expect(governingLease(holder, 7)?.index).toBe(3)
    expect(governingLease(holder, 8)?.index).toBe(7)
    table.prune(6)
    expect(governingLease(holder, 7)?.index).toBe(3)
    table.prune(7)
    expect(governingLease(holder, 8)?.index).toBe(7)
    expect(holder.history).toHaveLength(1)
  })

  it('gives the same entry when a record is evaluated again, alone or with later ones', () => {
    const table = new LeaseTable([], at(0))
    const first = table.apply(entry('lease', 1, 1), 1, at(1))
    table.apply(entry('lease', 1, 2), 2, at(2))
    expect(table.apply(entry('lease', 1, 1), 1, at(3))).toEqual(first)
    expect(holderOf(table).history.map(({ observed }) => observed.bootMs)).toEqual([1, 2])
  })

  it('counts what was there before from its own start', () => {
    const top = { ...STORE, index: 4, stamp: { incarnation: 1, seq: 4 }, isLive: true }
    const table = new LeaseTable([top], at(50))
    expect(holderOf(table).history).toMatchObject([{ index: 4, observed: at(50) }])
  })

  it('does not mix the stores of a region', () => {
    const table = new LeaseTable([], at(0))
    table.apply(entry('lease', 5, 5), 1, at(1))
    const other = { ...entry('lease', 1, 1), databaseId: 'db2' }
    expect(table.apply(other, 2, at(2))).toMatchObject({ databaseId: 'db2', isLive: true })
    expect([...table.holders()]).toHaveLength(2)
  })
})

describe('the own lease', () => {
  it('counts from before the LEASE was sent', () => {
    const lease = new OwnLease(STORE, 1)
    lease.renew(at(10))
    expect(lease.applied(entry('lease', 1, 1), at(300))).toEqual({
      incarnation: 1,
      seq: 1,
      sent: at(10),
    })
  })

  it('is not taken from a LEASE of another life, nor from one that was not sent', () => {
    const lease = new OwnLease(STORE, 2)
    lease.renew(at(10))
    expect(lease.applied(entry('lease', 1, 1), at(300))).toBeUndefined()
    expect(lease.applied(entry('lease', 2, 2), at(300))).toBeUndefined()
  })

  it('is void before its RELEASE is sent, and comes back under a higher number', () => {
    const lease = new OwnLease(STORE, 1)
    lease.renew(at(10))
    expect(lease.release()).toEqual({
      row: { incarnation: 1, seq: 1, sent: null },
      record: entry('release', 1, 1),
    })
    expect(lease.renew(at(20))).toBeUndefined()
    expect(lease.applied(entry('lease', 1, 1), at(30))).toBeUndefined()
    lease.resume()
    expect(lease.renew(at(40))).toEqual(entry('lease', 1, 2))
  })

  it('promises with the newest LEASE that was sent, applied or not', () => {
    const lease = new OwnLease(STORE, 3)
    expect(lease.stamp).toEqual({ incarnation: 3, seq: 0 })
    lease.renew(at(1))
    lease.renew(at(2))
    expect(lease.stamp).toEqual({ incarnation: 3, seq: 2 })
  })
})
