import { describe, expect, it } from 'vitest'
import type { ClockReading } from '../../../../../replication/strong/leases/lease-clock.ts'
import {
  LeaseCore,
  type EvaluatedRecord,
  type LeaseCoreOptions,
} from '../../../../../replication/strong/leases/lease-core.ts'
import type { LeaseRecord } from '../../../../../replication/strong/leases/lease-record.ts'
import { MARK_WAIT_MS } from '../../../../../replication/strong/leases/local-read.ts'
import { pointScope, tableScope } from '../../../../../replication/strong/leases/read-scope.ts'

const LEASE_MS = 1000
const ROW = { table: 1, key: 'a' }
const OWN = { region: 'eu', databaseId: 'eu1' }
const PEER = { region: 'ap', databaseId: 'ap1' }

const at = (ms: number): ClockReading => ({ monotonicMs: ms, bootMs: ms, wallMs: ms })

function newCore(options: Partial<LeaseCoreOptions> = {}): LeaseCore {
  return new LeaseCore({
    ...OWN,
    incarnation: 1,
    durationMs: LEASE_MS,
    driftRate: 0,
    usesHints: true,
    leases: [],
    appliedIndex: 0,
    stableIndex: 0,
    now: at(0),
    ...options,
  })
}

function written(index: number, txId: string, isDeclared = true): EvaluatedRecord {
  return { index, txIds: [txId], effective: [{ txId, isDeclared }], writes: [ROW] }
}

function leased(index: number, lease: LeaseRecord): EvaluatedRecord {
  return { index, txIds: [], effective: [], writes: [], lease }
}

const PEER_LEASE: LeaseRecord = { kind: 'lease', ...PEER, stamp: { incarnation: 1, seq: 1 } }

function apply(core: LeaseCore, record: EvaluatedRecord, ms = 0): void {
  core.beforeCommit(record, at(ms))
  core.afterCommit(record.index)
}

/** A region whose peer has a lease at index 1. */
function withPeerLease(): LeaseCore {
  const core = newCore()
  apply(core, leased(1, PEER_LEASE))
  return core
}

describe('the stable index', () => {
  it('passes a write when every lease holder has applied it', () => {
    const core = withPeerLease()
    apply(core, written(2, 't'))
    expect(core.advance(at(1))).toBe(1)
    core.onApplied({ kind: 'applied', ...PEER, appliedIndex: 1 })
    expect(core.advance(at(1))).toBe(1)
    core.onApplied({ kind: 'applied', ...PEER, appliedIndex: 2 })
    expect(core.advance(at(1))).toBe(2)
    expect(core.mayAnswer(2, 'commit', at(1))).toBe(true)
  })

  it('passes a write when its lease has surely run out', () => {
    const core = withPeerLease()
    apply(core, written(2, 't'), 10)
    expect(core.advance(at(LEASE_MS - 1))).toBe(1)
    expect(core.advance(at(LEASE_MS))).toBe(2)
  })

  it('passes a write whose rows every holder marked, and no other of its record', () => {
    const core = withPeerLease()
    const ack = { kind: 'hint-ack', ...PEER, stamp: PEER_LEASE.stamp, txIds: ['t', 'v'] } as const
    core.onHintAck(ack)
    apply(core, written(2, 't'))
    expect(core.advance(at(1))).toBe(2)
    apply(core, { ...written(3, 'u'), txIds: ['u'] })
    expect(core.advance(at(1))).toBe(2)
    core.onApplied({ kind: 'applied', ...PEER, appliedIndex: 3 })
    apply(core, written(4, 'v', false))
    expect(core.advance(at(1))).toBe(3)
  })

  it('is a prefix: a covered write behind one that is not has to wait, aborts too', () => {
    const core = withPeerLease()
    core.onHintAck({ kind: 'hint-ack', ...PEER, stamp: PEER_LEASE.stamp, txIds: ['u'] })
    apply(core, written(2, 't'))
    apply(core, written(3, 'u'))
    apply(core, { index: 4, txIds: ['w'], effective: [], writes: [] })
    expect(core.advance(at(1))).toBe(1)
    expect(core.mayAnswer(3, 'commit', at(1))).toBe(false)
    expect(core.mayAnswer(4, 'abort', at(1))).toBe(false)
  })

  it('passes at once what wrote nothing, what nobody leases, and what is released', () => {
    const core = newCore()
    apply(core, written(1, 't'))
    apply(core, leased(2, PEER_LEASE))
    apply(core, { index: 3, txIds: ['w'], effective: [], writes: [] })
    expect(core.advance(at(1))).toBe(3)
    apply(core, leased(4, { ...PEER_LEASE, kind: 'release' }))
    apply(core, written(5, 'u'))
    expect(core.advance(at(1))).toBe(5)
  })

  it('passes what was applied before this process only by ACK, or a lease after its start', () => {
    const top = { ...PEER, index: 2, stamp: PEER_LEASE.stamp, isLive: true }
    const options = { leases: [top], appliedIndex: 9, stableIndex: 4, now: at(500) }
    const core = newCore(options)
    core.onHintAck({ kind: 'hint-ack', ...PEER, stamp: { incarnation: 9, seq: 9 }, txIds: ['t'] })
    expect(core.advance(at(600))).toBe(4)
    core.onApplied({ kind: 'applied', ...PEER, appliedIndex: 7 })
    expect(core.advance(at(600))).toBe(7)
    expect(core.advance(at(500 + LEASE_MS))).toBe(9)
    expect(newCore({ ...options, leases: [{ ...top, isLive: false }] }).advance(at(500))).toBe(9)
    expect(newCore({ ...options, leases: [] }).advance(at(500))).toBe(9)
  })

  it('waits for a lease of an earlier store of its own region', () => {
    const core = newCore()
    const old = { ...PEER_LEASE, region: 'eu', databaseId: 'eu0' }
    apply(core, leased(1, old))
    apply(core, leased(2, { ...old, databaseId: 'eu1' }))
    apply(core, written(3, 't'))
    expect(core.advance(at(LEASE_MS - 1))).toBe(2)
    expect(core.advance(at(LEASE_MS))).toBe(3)
  })
})

describe('hints', () => {
  const transactions = [
    { txId: 't', keys: [ROW] },
    { txId: 'range', keys: null },
  ]

  it('mark the rows of the sender first, and leave out what is known only at apply', () => {
    const core = newCore()
    core.renew(at(0))
    expect(core.beforeAppend(transactions)).toEqual({
      kind: 'hints',
      ...OWN,
      stamp: { incarnation: 1, seq: 1 },
      hints: [{ txId: 't', keys: [ROW] }],
    })
    expect(core.beginRead([pointScope(ROW)], at(0)).look(at(0))).toBe('wait')
    expect(core.beforeAppend([{ txId: 'range', keys: null }])).toBeUndefined()
  })

  it('are not sent in the first phase', () => {
    expect(newCore({ usesHints: false }).beforeAppend(transactions)).toBeUndefined()
  })

  it('are acknowledged under the own stamp once marked, and count as their sender’s', () => {
    const core = withPeerLease()
    core.renew(at(1))
    const hints = [{ txId: 't', keys: [ROW] }]
    expect(core.onHints({ kind: 'hints', ...PEER, stamp: PEER_LEASE.stamp, hints })).toEqual({
      kind: 'hint-ack',
      ...OWN,
      stamp: { incarnation: 1, seq: 1 },
      txIds: ['t'],
    })
    expect(core.markedTransactions).toBe(1)
    apply(core, written(2, 't'))
    expect(core.markedTransactions).toBe(0)
    expect(core.advance(at(1))).toBe(2)
  })

  it('of what is applied are acknowledged, and mark nothing', () => {
    const core = newCore()
    apply(core, written(1, 't'))
    const hints = [{ txId: 't', keys: [ROW] }]
    const ack = core.onHints({ kind: 'hints', ...PEER, stamp: PEER_LEASE.stamp, hints })
    expect(ack?.txIds).toEqual(['t'])
    expect(core.markedTransactions).toBe(0)
  })

  it('of writers that died end with the renewal after next to their lease', () => {
    const core = newCore()
    const renewed = (index: number): void => apply(core, leased(index, core.renew(at(0)) as never))
    renewed(1)
    core.beforeAppend([{ txId: 'lost', keys: [ROW] }])
    expect(core.markedTransactions).toBe(1)
    renewed(2)
    expect(core.markedTransactions).toBe(0)
  })
})

describe('a local read', () => {
  /** A region with a lease that was sent at 0, and a row of index 2 that is not stable. */
  function withDirtyRow(): LeaseCore {
    const core = withPeerLease()
    apply(core, written(2, 't'))
    core.advance(at(0))
    return core
  }
  const leaseRow = { incarnation: 1, seq: 1, sent: at(0) }
  const refused = { kind: 'read-index' }

  it('waits until what it saw is stable, deleted rows and empty ranges too', () => {
    const core = withDirtyRow()
    const read = core.beginRead([pointScope(ROW)], at(1))
    expect(read.look(at(1))).toBe('snapshot')
    const needs = (newestRowIndex: number): unknown =>
      read.judge({ leaseRow, newestRowIndex }, at(2))
    expect(needs(2)).toEqual({ kind: 'wait-stable', index: 2 })
    expect(needs(0)).toEqual({ kind: 'wait-stable', index: 2 })
    expect(read.readIndexNeeds({ newestRowIndex: 0 })).toBe(2)
    const range = core.beginRead([tableScope(1)], at(1))
    expect(range.judge({ leaseRow, newestRowIndex: 0 }, at(2))).toMatchObject({ index: 2 })
    const other = core.beginRead([pointScope({ table: 1, key: 'b' })], at(1))
    expect(other.judge({ leaseRow, newestRowIndex: 0 }, at(2))).toMatchObject({ index: 0 })
  })

  it('goes to the log without a lease of this life that is unexpired now', () => {
    const read = withDirtyRow().beginRead([pointScope(ROW)], at(1))
    const judged = (row: typeof leaseRow | undefined, ms: number): unknown =>
      read.judge({ leaseRow: row, newestRowIndex: 2 }, at(ms))
    expect(judged(leaseRow, LEASE_MS - 11)).not.toEqual(refused)
    expect(judged(leaseRow, LEASE_MS)).toEqual(refused)
    expect(judged(undefined, 2)).toEqual(refused)
    expect(judged({ ...leaseRow, incarnation: 2 }, 2)).toEqual(refused)
    expect(judged({ ...leaseRow, sent: null as never }, 2)).toEqual(refused)
  })

  it('waits for marked rows, for a while', () => {
    const core = withDirtyRow()
    core.beforeAppend([{ txId: 'u', keys: [ROW] }])
    const read = core.beginRead([pointScope(ROW)], at(10))
    expect(read.look(at(10))).toBe('wait')
    expect(read.look(at(11 + MARK_WAIT_MS))).toBe('read-index')
    core.beforeCommit(written(3, 'u'), at(11))
    expect(read.look(at(12))).toBe('wait')
    core.afterCommit(3)
    expect(read.look(at(13))).toBe('snapshot')
  })
})

describe('a record', () => {
  it('of the own lease brings the row that goes into its transaction, of others none', () => {
    const core = newCore()
    const lease = core.renew(at(5)) as LeaseRecord
    const commit = core.beforeCommit(leased(1, lease), at(90))
    expect(commit.row).toEqual({ incarnation: 1, seq: 1, sent: at(5) })
    expect(commit.top).toMatchObject({ ...OWN, index: 1, isLive: true })
    expect(core.afterCommit(1)).toEqual({ kind: 'applied', ...OWN, appliedIndex: 1 })
    expect(core.beforeCommit(leased(2, PEER_LEASE), at(91)).row).toBeUndefined()
    expect(core.beforeCommit(leased(3, lease), at(92))).toEqual({ top: undefined, row: undefined })
  })

  it('that was not evaluated cannot be committed: it would pass for one that wrote nothing', () => {
    const core = newCore()
    core.beforeCommit(written(2, 't'), at(0))
    expect(() => core.afterCommit(2)).toThrow(expect.objectContaining({ code: 'INTERNAL' }))
  })

  it('is not acknowledged before it is committed', () => {
    const core = newCore()
    core.beforeCommit(written(1, 't'), at(0))
    expect(core.acknowledgement().appliedIndex).toBe(0)
    expect(core.advance(at(0))).toBe(0)
  })
})
