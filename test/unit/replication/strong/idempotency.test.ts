import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MemoryCommitLog } from '../../../support/memory-commit-log.ts'
import {
  account,
  RegionPool,
  balances,
  accounts,
  increment,
  insert,
  read,
  transaction,
  update,
  upsert,
  versionOf,
  type Region,
} from '../../../support/strong-region.ts'

const pool = new RegionPool()
const open: RegionPool['open'] = (...args) => pool.open(...args)
afterEach(() => pool.closeAll())

let log: MemoryCommitLog

beforeEach(() => {
  log = new MemoryCommitLog()
})

describe('a retry', () => {
  it('through another region has one effect and the first answer (rule 12)', async () => {
    const [a, b] = [await open(log), await open(log)]
    await a.engine.commit(transaction([insert(accounts, account('x'))]))
    const request = transaction([update(accounts, 'x', { balance: increment(5) })])
    const first = await a.engine.commit(request)
    const again = await b.engine.commit(request)
    expect(again).toEqual(first)
    expect(await balances(b)).toEqual([5n])
  })

  it('in the same record has one effect', async () => {
    const a = await open(log)
    const request = transaction([insert(accounts, account('x'))])
    const [first, second] = await Promise.all([a.engine.commit(request), a.engine.commit(request)])
    expect(second).toEqual(first)
    expect(log.appends).toBe(1)
  })

  it('with other content under the same key is refused', async () => {
    const a = await open(log)
    const request = transaction([insert(accounts, account('x'))])
    await a.engine.commit(request)
    await expect(a.engine.commit({ ...request, contentHash: 'other' })).rejects.toEqual(
      expect.objectContaining({ code: 'IDEMPOTENCY_REUSED' }),
    )
  })

  it('of the same key in another tenant is another transaction', async () => {
    const a = await open(log)
    const request = transaction([])
    const first = await a.engine.commit({ ...request, tenant: 'acme' })
    const second = await a.engine.commit({ ...request, tenant: 'other' })
    expect(second.position.seq).toBe(first.position.seq + 1)
  })

  it('of a refused transaction is refused again, although it would succeed now', async () => {
    const a = await open(log)
    const request = transaction([update(accounts, 'x', { balance: increment(1) })])
    await expect(a.engine.commit(request)).rejects.toEqual(
      expect.objectContaining({ code: 'NOT_FOUND' }),
    )
    await a.engine.commit(transaction([insert(accounts, account('x'))]))
    await expect(a.engine.commit(request)).rejects.toEqual(
      expect.objectContaining({ code: 'NOT_FOUND' }),
    )
    expect(await balances(a)).toEqual([0n])
  })

  it('after a conflict may carry new content under the same key', async () => {
    const a = await open(log)
    await a.engine.commit(transaction([insert(accounts, account('x'))]))
    const run = transaction([update(accounts, 'x', { balance: increment(1) })], {
      reads: [read(accounts, 'x', 'stale')],
    })
    await expect(a.engine.commit(run)).rejects.toEqual(
      expect.objectContaining({ code: 'CONFLICT' }),
    )
    // Late duplicates of the first run stay without effect, before and after the second.
    await expect(a.engine.commit(run)).rejects.toEqual(
      expect.objectContaining({ code: 'CONFLICT' }),
    )
    const version = await versionOf(a.store, accounts, 'x')
    const next = { ...run, reads: [read(accounts, 'x', version)], contentHash: 'second-run' }
    await a.engine.commit(next)
    await a.engine.commit(next)
    await expect(a.engine.commit(run)).rejects.toEqual(
      expect.objectContaining({ code: 'IDEMPOTENCY_REUSED' }),
    )
    expect(await balances(a)).toEqual([1n])
  })
})

describe('the window of outcomes (rule 12)', () => {
  const limits = { outcomeWindowRecords: 300, maxCommandsPerRecord: 1 }

  async function afterManyRecords(faults = {}): Promise<Region> {
    const a = await open(log, { limits, faults })
    const old = transaction([insert(accounts, account('x'))])
    await a.engine.commit(old)
    await a.engine.commit({ ...once })
    for (let i = 0; i < 600; i++)
      await a.engine.commit(transaction([], { basis: a.engine.applied() }))
    return a
  }
  const once = transaction([
    upsert(accounts, account('y')),
    update(accounts, 'y', { balance: increment(1) }),
  ])

  it('refuses a retry that is older than what is remembered', async () => {
    const a = await afterManyRecords()
    await expect(a.engine.commit(once)).rejects.toEqual(
      expect.objectContaining({ code: 'IDEMPOTENCY_EXPIRED' }),
    )
  })

  it('keeps outcomes inside the window and prunes those behind it', async () => {
    const a = await afterManyRecords()
    const [result] = await a.store.read([
      { sql: 'SELECT count(*), min(log_index) FROM _strong_outcomes', args: [] },
    ])
    const [count, oldest] = (result?.rows[0] ?? []) as [number, number]
    expect(oldest).toBeLessThanOrEqual(a.engine.applied() - 300)
    expect(count).toBeLessThan(600)
  })

  it('must fail: a basis that is not compared executes a late retry twice', async () => {
    const a = await afterManyRecords({ ignoreBasis: true })
    const result = await a.engine.commit(once)
    expect(result.position.seq).toBe(a.engine.applied())
    expect(result.position.seq).toBeGreaterThan(600)
  })

  it('refuses a basis that this log has not reached', async () => {
    const a = await open(log)
    await expect(a.engine.commit(transaction([], { basis: 7 }))).rejects.toEqual(
      expect.objectContaining({ code: 'POSITION_LOST' }),
    )
    await expect(a.engine.commit(transaction([], { basis: -1 }))).rejects.toEqual(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    )
  })
})

describe('row versions (rule 11)', () => {
  /** i writes x and its client reads the version; j writes x in the same record; i's client writes. */
  async function lostUpdate(faults = {}): Promise<'prevented' | 'lost'> {
    const a = await open(log, { faults })
    await a.engine.commit(transaction([insert(accounts, account('x'))]))
    const [i] = await Promise.all([
      a.engine.commit(transaction([update(accounts, 'x', { balance: increment(1) })])),
      a.engine.commit(transaction([update(accounts, 'x', { balance: increment(10) })])),
    ])
    expect(log.appends).toBe(2)
    const versionOfI = `${i.position.seq.toString(16).padStart(12, '0')}.0000`
    const next = a.engine.commit(
      transaction([upsert(accounts, account('x', { balance: 2 }))], {
        reads: [read(accounts, 'x', versionOfI)],
      }),
    )
    return next.then(
      () => 'lost' as const,
      () => 'prevented' as const,
    )
  }

  it('prevent a lost update between two transactions of one record', async () => {
    expect(await lostUpdate()).toBe('prevented')
  })

  it('must fail: without the place in the record the update is lost', async () => {
    expect(await lostUpdate({ versionWithoutPlace: true })).toBe('lost')
  })
})
