import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CAUSES } from '../../../../src/core/change.ts'
import { hlcMs } from '../../../../src/core/hlc.ts'
import type { TransactionRequest } from '../../../../src/core/operations.ts'
import { MemoryCommitLog } from '../../../support/memory-commit-log.ts'
import {
  insert,
  ManualClock,
  openRegion,
  put,
  read,
  remove,
  replicatedState,
  rowsOf,
  session,
  sessions,
  transaction,
  update,
  upsert,
  versionOf,
  type Region,
} from '../../../support/strong-region.ts'

const T = 1_700_000_000_000
let log: MemoryCommitLog
let leader: Region
let other: Region

beforeEach(async () => {
  log = new MemoryCommitLog()
  leader = await openRegion(log, { wall: new ManualClock(T) })
  other = await openRegion(log, { wall: new ManualClock(T) })
})

afterEach(async () => {
  await leader.engine.close()
  await other.engine.close()
})

function commit(
  ops: TransactionRequest['ops'],
  more: Partial<TransactionRequest> = {},
  region = leader,
): ReturnType<Region['engine']['commit']> {
  return region.engine.commit(transaction(ops, { tenant: 'acme', ...more }))
}

/** `op` and cause of each change in the outbox. */
async function changes(region: Region): Promise<unknown[]> {
  const [result] = await region.store.read([
    { sql: 'SELECT op, cause, key FROM _outbox ORDER BY seq', args: [] },
  ])
  const ops = ['insert', 'update', 'delete']
  return (result?.rows ?? []).map((r) => [ops[r[0] as number], CAUSES[r[1] as number], r[2]])
}

async function ids(region: Region): Promise<unknown[]> {
  return (await rowsOf(region.store, sessions)).map((row) => row[1])
}

describe('an expired strong row', () => {
  beforeEach(async () => {
    await commit([insert(sessions, session('s', T + 1000, 'seat'))])
    leader.clock.ms = T + 1000
  })

  it('is absent for writes at the instant: update and insert alike', async () => {
    await expect(commit([update(sessions, 's', { seat: put('x') })])).rejects.toEqual(
      expect.objectContaining({ code: 'NOT_FOUND' }),
    )
    await commit([insert(sessions, session('s', T + 5000, 'new'))])
    expect(await changes(leader)).toEqual([
      ['insert', 'user', '["s"]'],
      ['delete', 'ttl', '["s"]'],
      ['insert', 'user', '["s"]'],
    ])
  })

  it('is live one millisecond before', async () => {
    leader.clock.ms = T + 999
    await expect(commit([insert(sessions, session('s', null))])).rejects.toEqual(
      expect.objectContaining({ code: 'ALREADY_EXISTS' }),
    )
  })

  it('does not hold its unique value, and is deleted by whoever takes it', async () => {
    await commit([insert(sessions, session('t', null, 'seat'))])
    expect(await ids(leader)).toEqual(['t'])
    expect(await changes(leader)).toEqual([
      ['insert', 'user', '["s"]'],
      ['delete', 'ttl', '["s"]'],
      ['insert', 'user', '["t"]'],
    ])
  })

  it('is absent for read checks', async () => {
    const version = await versionOf(leader.store, sessions, 's')
    await expect(
      commit([upsert(sessions, session('t', null))], { reads: [read(sessions, 's', version)] }),
    ).rejects.toEqual(expect.objectContaining({ code: 'CONFLICT' }))
    await commit([upsert(sessions, session('t', null))], { reads: [read(sessions, 's', null)] })
  })

  it('stays when the transaction that would replace it fails', async () => {
    await expect(
      commit([upsert(sessions, session('s', null)), update(sessions, 'missing', {})]),
    ).rejects.toEqual(expect.objectContaining({ code: 'NOT_FOUND' }))
    expect(await changes(leader)).toEqual([['insert', 'user', '["s"]']])
  })

  it('is not deleted by a delete, which finds nothing', async () => {
    await commit([remove(sessions, 's')])
    expect(await changes(leader)).toEqual([['insert', 'user', '["s"]']])
  })
})

describe("the log's time (rule 15)", () => {
  it('never goes back, whatever the clock of the proposer says', async () => {
    leader.clock.ms = T + 500
    await commit([])
    other.clock.ms = T - 60_000
    const late = await commit([insert(sessions, session('s', T + 400))], {}, other)
    expect(hlcMs(late.hlc)).toBe(T + 500)
    expect(other.engine.logTimeMs()).toBe(T + 500)
    // Expired on the log's time, although live on the proposer's clock.
    await expect(commit([update(sessions, 's', { seat: put('x') })], {}, other)).rejects.toEqual(
      expect.objectContaining({ code: 'NOT_FOUND' }),
    )
  })

  it('is the same in every region at the same index, and survives a restart', async () => {
    leader.clock.ms = T + 500
    await commit([])
    await other.engine.catchUp()
    expect(other.engine.logTimeMs()).toBe(T + 500)
    const again = await openRegion(log, { store: other.store, wall: new ManualClock(0) })
    expect(again.engine.logTimeMs()).toBe(T + 500)
    await again.engine.close()
  })
})

describe('a sweep', () => {
  it('deletes what has expired in every region alike, with cause ttl', async () => {
    await commit([
      insert(
        sessions,
        session('a', T + 3),
        session('b', T + 1),
        session('c', T + 10),
        session('d', null),
      ),
    ])
    leader.clock.ms = T + 5
    await leader.engine.sweep()
    await other.engine.catchUp()
    expect(await ids(other)).toEqual(['c', 'd'])
    expect((await changes(other)).slice(4)).toEqual([
      ['delete', 'ttl', '["a"]'],
      ['delete', 'ttl', '["b"]'],
    ])
    expect(await replicatedState(leader.store)).toBe(await replicatedState(other.store))
    expect(other.engine.logTimeMs()).toBe(T + 5)
  })

  it('goes on until nothing is due, a bounded number of rows in each tick', async () => {
    const rows = Array.from({ length: 2500 }, (_, i) => session(`s${i}`, T + 1))
    await commit([insert(sessions, ...rows)])
    leader.clock.ms = T + 5
    await leader.engine.sweep()
    expect(await ids(leader)).toEqual([])
    expect(leader.engine.applied()).toBe(1 + 3)
  })

  it('appends nothing while nothing is due', async () => {
    await commit([insert(sessions, session('a', T + 10))])
    await leader.engine.sweep()
    expect(log.appends).toBe(1)
  })
})
