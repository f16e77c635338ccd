import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MeridianError } from '../../../../src/core/errors.ts'
import { StatementFailed } from '../../../../src/core/ports/store.ts'
import { encodeRecord } from '../../../../replication/strong/record.ts'
import { encodeTransaction } from '../../../../replication/strong/transaction-codec.ts'
import { MemoryCommitLog } from '../../../support/memory-commit-log.ts'
import { MemoryStore } from '../../../support/memory-store.ts'
import {
  account,
  RegionPool,
  balances,
  accounts,
  increment,
  insert,
  layTables,
  openMemoryStore,
  replicatedState,
  rowsOf,
  schema,
  transaction,
  update,
  upsert,
} from '../../../support/strong-region.ts'
import { until } from '../../../support/until.ts'

const pool = new RegionPool()
const open: RegionPool['open'] = (...args) => pool.open(...args)
afterEach(() => pool.closeAll())

let log: MemoryCommitLog

beforeEach(() => {
  log = new MemoryCommitLog()
})

describe('regions on one log', () => {
  it('all apply what any of them commits', async () => {
    const [a, b] = [await open(log), await open(log)]
    await a.engine.commit(transaction([insert(accounts, account('x', { balance: 1 }))]))
    await b.engine.commit(transaction([update(accounts, 'x', { balance: increment(1) })]))
    await a.engine.catchUp()
    expect(await replicatedState(a.store)).toBe(await replicatedState(b.store))
    expect(await balances(a)).toEqual([2n])
  })

  it('put what waits in one turn into one record', async () => {
    const a = await open(log)
    await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        a.engine.commit(transaction([insert(accounts, account(`r${i}`))])),
      ),
    )
    expect(log.appends).toBe(1)
    expect((await rowsOf(a.store, accounts)).length).toBe(50)
  })

  it('bound the size of a record by count and by bytes', async () => {
    const a = await open(log, { limits: { maxCommandsPerRecord: 2, maxRecordBytes: 600 } })
    const big = 'x'.repeat(400)
    await Promise.all([
      ...Array.from({ length: 5 }, (_, i) =>
        a.engine.commit(transaction([insert(accounts, account(`r${i}`))])),
      ),
      ...Array.from({ length: 2 }, (_, i) =>
        a.engine.commit(transaction([insert(accounts, account(`big${i}`, { email: big + i }))])),
      ),
    ])
    // 2 + 2 + 1 by count (the fifth does not fit beside a big one), then the big ones alone.
    expect(log.appends).toBe(5)
  })

  it('keep several records in flight', async () => {
    const a = await open(log, { limits: { maxCommandsPerRecord: 1, maxRecordsInFlight: 3 } })
    log.held = true
    const all = Array.from({ length: 5 }, (_, i) =>
      a.engine.commit(transaction([insert(accounts, account(`r${i}`))])),
    )
    // Appends are answered before anything is applied: nothing waits for the region itself.
    await until(() => expect(log.entries.get('main')?.length).toBe(5))
    log.held = false
    log.deliver()
    await Promise.all(all)
  })

  it('refuse new transactions beyond the limit of waiting ones', async () => {
    const a = await open(log, { limits: { maxPending: 1 } })
    const first = a.engine.commit(transaction([upsert(accounts, account('a'))]))
    await expect(a.engine.commit(transaction([upsert(accounts, account('b'))]))).rejects.toEqual(
      expect.objectContaining({ code: 'OVERLOADED', retry: 'safe' }),
    )
    await first
    await a.engine.commit(transaction([upsert(accounts, account('b'))]))
  })
})

describe('an append whose outcome is unknown', () => {
  it.each(['lost-request', 'lost-reply'] as const)(
    'is repeated and has one effect: %s',
    async (fault) => {
      const a = await open(log)
      await a.engine.commit(transaction([insert(accounts, account('x'))]))
      log.faults = [fault, fault]
      await a.engine.commit(transaction([update(accounts, 'x', { balance: increment(1) })]))
      expect(await balances(a)).toEqual([1n])
      expect(log.entries.get('main')?.length).toBe(2)
    },
  )

  it('ends with the deadline: the outcome is unknown once it was sent', async () => {
    const a = await open(log)
    log.held = true
    const late = a.engine.commit(transaction([insert(accounts, account('x'))]), { timeoutMs: 20 })
    await expect(late).rejects.toEqual(
      expect.objectContaining({ code: 'DEADLINE_EXCEEDED', retry: 'unknown-outcome' }),
    )
    log.held = false
    log.deliver()
    await a.engine.catchUp()
    expect((await rowsOf(a.store, accounts)).length).toBe(1)
  })

  it('ends with the deadline: it is safe to repeat what was not sent', async () => {
    const a = await open(log, { limits: { maxRecordsInFlight: 0 } })
    await expect(
      a.engine.commit(transaction([insert(accounts, account('x'))]), { timeoutMs: 20 }),
    ).rejects.toEqual(expect.objectContaining({ code: 'DEADLINE_EXCEEDED', retry: 'safe' }))
    expect(log.appends).toBe(0)
  })

  it('ends with the group: UNKNOWN_OUTCOME', async () => {
    const a = await open(log)
    log.held = true
    const sent = a.engine.commit(transaction([insert(accounts, account('x'))]))
    const outcome = sent.catch((error: unknown) => error)
    await new Promise((resolve) => setTimeout(resolve, 10))
    await a.engine.close()
    expect(await outcome).toEqual(
      expect.objectContaining({ code: 'UNKNOWN_OUTCOME', retry: 'unknown-outcome' }),
    )
    await expect(a.engine.commit(transaction([]))).rejects.toEqual(
      expect.objectContaining({ code: 'CLOSED' }),
    )
  })
})

describe('a restart', () => {
  it('goes on where rows, outcomes and position were committed together', async () => {
    const a = await open(log)
    const request = transaction([insert(accounts, account('x', { balance: 1 }))])
    await a.engine.commit(request)
    await a.engine.close()
    const b = await open(log)
    await b.engine.commit(transaction([update(accounts, 'x', { balance: increment(1) })]))
    const again = await open(log, { store: a.store })
    await again.engine.catchUp()
    expect(await replicatedState(again.store)).toBe(await replicatedState(b.store))
    expect((await again.engine.commit(request)).position.seq).toBe(1)
  })

  it('takes no more of the log at once than its bytes allow, and one record in any case', async () => {
    const a = await open(log)
    for (let i = 0; i < 6; i++) {
      await a.engine.commit(transaction([insert(accounts, account(`r${i}`))]))
    }
    const batchesOf = async (maxBytesPerBatch: number): Promise<number> => {
      const store = await openMemoryStore()
      const before = store.writes
      const b = await open(log, { store, limits: { maxBytesPerBatch } })
      await b.engine.catchUp()
      expect(await replicatedState(store)).toBe(await replicatedState(a.store))
      return store.writes - before
    }
    expect(await batchesOf(1)).toBe((await batchesOf(1_000_000)) + 5)
  })

  it('in the middle of a batch leaves nothing half done', async () => {
    const store = await openMemoryStore()
    const a = await open(log)
    for (let i = 0; i < 5; i++)
      await a.engine.commit(transaction([insert(accounts, account(`r${i}`))]))
    let left = 2
    const oneByOne = new MemoryCommitLog(() => 1)
    oneByOne.entries.set('main', log.entries.get('main') ?? [])
    store.beforeWrite = () => {
      if (left-- === 0) throw new Error('killed')
    }
    const b = await open(oneByOne, { store, limits: { maxRecordsPerBatch: 1 } })
    await expect(b.engine.waitApplied(5)).rejects.toEqual(
      expect.objectContaining({ code: 'INTERNAL' }),
    )
    store.beforeWrite = () => undefined
    const again = await open(oneByOne, { store })
    await again.engine.catchUp()
    expect(await replicatedState(store)).toBe(await replicatedState(a.store))
  })

  it('skips what the log delivers again', async () => {
    const a = await open(log)
    await a.engine.commit(transaction([insert(accounts, account('x'))]))
    const before = await replicatedState(a.store)
    const entries = log.entries.get('main') ?? []
    const repeating = new MemoryCommitLog()
    repeating.entries.set('main', entries)
    repeating.tail = (_group, _from, handlers) => {
      void handlers.onEntries(entries).then(() => handlers.onEntries(entries))
      return { stop: () => Promise.resolve() }
    }
    const b = await open(repeating)
    await b.engine.waitApplied(1)
    await new Promise((resolve) => setTimeout(resolve, 10))
    expect(b.failures).toEqual([])
    expect(await replicatedState(b.store)).toBe(before)
  })

  it('draws stamps above those of another writer of the store', async () => {
    const a = await open(log)
    await a.store.write([{ sql: "UPDATE _tx SET hlc = 'f000000000000000'", args: [] }])
    await a.engine.commit(transaction([insert(accounts, account('x'))]))
    expect((await rowsOf(a.store, accounts)).length).toBe(1)
  })
})

describe('a record of an older schema', () => {
  it('is applied: columns that it does not know keep or get what they hold', async () => {
    const a = await open(log)
    const note = Uint8Array.of(7)
    await a.engine.commit(transaction([insert(accounts, account('x', { note, active: 0 }))]))
    const old = (id: string): ReturnType<typeof account> => account(id, { balance: 5 }).slice(0, -2)
    await a.engine.commit(transaction([upsert(accounts, old('x')), insert(accounts, old('y'))]))
    const rows = await rowsOf(a.store, accounts)
    // `active` is declared with the default 1.
    expect(rows.map((row) => [row[3], row[6], row[7]])).toEqual([
      [5n, 0n, note],
      [5n, 1n, null],
    ])
  })

  it('is stamped with its own schema version in the outbox', async () => {
    const a = await open(log)
    const payload = encodeRecord({
      machineVersion: 1,
      schemaVersion: 0,
      nowMs: 0,
      kind: 'commands',
      commands: [
        encodeTransaction({
          txId: 't',
          dedupeId: 'd',
          contentHash: 'c',
          basis: 0,
          tenant: '',
          reads: [],
          ops: [insert(accounts, account('x'))],
        }),
      ],
    })
    await log.append('main', 'older', payload)
    await a.engine.waitApplied(1)
    const [result] = await a.store.read([
      { sql: 'SELECT tx, schema_version FROM _outbox', args: [] },
    ])
    expect(result?.rows).toEqual([['t', 0]])
  })
})

describe('the outbox', () => {
  it('holds a record as one transaction, with its place in the log as origin', async () => {
    const a = await open(log)
    await a.engine.commit(transaction([insert(accounts, account('a'))], { txId: 'alone' }))
    await Promise.all([
      a.engine.commit(transaction([insert(accounts, account('b'))])),
      a.engine.commit(transaction([insert(accounts, account('c'))])),
    ])
    const [result] = await a.store.read([
      { sql: 'SELECT origin_source, origin_seq, tx, ver FROM _outbox ORDER BY seq', args: [] },
    ])
    const [first, second, third] = result?.rows ?? []
    expect(first).toEqual(['log:main', 1, 'alone', '000000000001.0000'])
    const id = log.entries.get('main')?.[1]?.id
    expect(second).toEqual(['log:main', 2, id, '000000000002.0000'])
    expect(third).toEqual(['log:main', 2, id, '000000000002.0001'])
  })
})

describe('a group stops, and says why', () => {
  it('at a gap', async () => {
    const a = await open(log)
    const gap = new MemoryCommitLog()
    gap.tail = (_group, _from, handlers) => {
      void handlers.onEntries([{ index: 2, id: 'r', payload: Uint8Array.of() }])
      return { stop: () => Promise.resolve() }
    }
    const b = await open(gap)
    await expect(b.engine.waitApplied(2)).rejects.toEqual(
      expect.objectContaining({ code: 'LOG_GAP' }),
    )
    expect(b.failures).toEqual([expect.objectContaining({ code: 'LOG_GAP' })])
    expect(a.failures).toEqual([])
  })

  it.each([
    ['a newer schema', { schemaVersion: 99 }],
    ['a newer state machine', { machineVersion: 99 }],
  ])('at a record that needs %s', async (_name, needs) => {
    const a = await open(log)
    const record = {
      machineVersion: 1,
      schemaVersion: schema.version,
      nowMs: 0,
      kind: 'commands',
      commands: [],
    } as const
    await log.append('main', 'newer', encodeRecord({ ...record, ...needs }))
    await expect(a.engine.waitApplied(1)).rejects.toEqual(
      expect.objectContaining({ code: 'SCHEMA_INCOMPATIBLE' }),
    )
    expect(a.engine.applied()).toBe(0)
  })

  it('at a record that the store refuses, after the good ones before it (rule 25)', async () => {
    const store = await openMemoryStore()
    log.held = true
    const a = await open(log, { store, limits: { maxCommandsPerRecord: 1 } })
    const commits = ['x', 'poison', 'y'].map((id) =>
      a.engine.commit(transaction([insert(accounts, account(id))])),
    )
    const settled = Promise.allSettled(commits)
    await new Promise((resolve) => setTimeout(resolve, 10))
    await store.write([
      {
        sql: `CREATE TRIGGER poison BEFORE INSERT ON ${accounts.physicalName}
          WHEN new.c${accounts.primaryKey[0]?.id} = 'poison' BEGIN SELECT RAISE(FAIL, 'poison'); END`,
        args: [],
      },
    ])
    log.held = false
    log.deliver()
    expect((await settled).map((s) => s.status)).toEqual(['fulfilled', 'rejected', 'rejected'])
    expect(a.failures).toEqual([
      expect.objectContaining({ code: 'INTERNAL', details: { group: 'main', index: 2 } }),
    ])
    expect(a.engine.applied()).toBe(1)
  })

  it('when another process has moved the position of its store', async () => {
    const a = await open(log)
    await a.engine.commit(transaction([insert(accounts, account('x'))]))
    await a.store.write([{ sql: 'UPDATE _log_positions SET log_index = 5', args: [] }])
    await expect(a.engine.commit(transaction([insert(accounts, account('y'))]))).rejects.toEqual(
      expect.objectContaining({ code: 'UNKNOWN_OUTCOME' }),
    )
    expect((await rowsOf(a.store, accounts)).length).toBe(1)
    expect(a.failures[0]).toEqual(expect.objectContaining({ cause: expect.any(StatementFailed) }))
  })

  it('not when the store is full for a while', async () => {
    const store: MemoryStore = await openMemoryStore()
    const a = await open(log, { store })
    let left = 2
    store.beforeWrite = () => {
      if (left-- > 0) throw new MeridianError('STORE_FULL', 'full')
    }
    await a.engine.commit(transaction([insert(accounts, account('x'))]))
    expect(a.failures).toEqual([])
  })

  it('not when the answer of a commit of its store is lost: it has happened, once', async () => {
    const store = new LostAnswers()
    await layTables(store)
    const a = await open(log, { store })
    await a.engine.commit(transaction([insert(accounts, account('x', { balance: 1 }))]))
    store.lost = 1
    await a.engine.commit(transaction([update(accounts, 'x', { balance: increment(1) })]))
    await a.engine.commit(transaction([update(accounts, 'x', { balance: increment(1) })]))
    expect(a.failures).toEqual([])
    expect(await balances(a)).toEqual([3n])
  })
})

describe('a log that does not answer', () => {
  it('keeps a reader no longer than it can wait', async () => {
    const a = await open(log)
    let release = (): void => undefined
    log.beforeReadIndexReply = () =>
      new Promise((resolve) => {
        release = resolve
      })
    const late = expect.objectContaining({ code: 'DEADLINE_EXCEEDED', retry: 'safe' })
    await expect(a.engine.readIndex({ timeoutMs: 20 })).rejects.toEqual(late)
    await expect(a.engine.catchUp({ timeoutMs: 20 })).rejects.toEqual(late)
    const patient = a.engine.readIndex({ timeoutMs: 10_000 })
    await until(async () => expect(log.readIndexes).toBe(3))
    release()
    expect(await patient).toBe(0)
  })
})

/** A store that commits and does not say so. */
class LostAnswers extends MemoryStore {
  lost = 0

  override async write(
    ...args: Parameters<MemoryStore['write']>
  ): ReturnType<MemoryStore['write']> {
    const results = await super.write(...args)
    if (this.lost-- <= 0) return results
    throw new MeridianError('STORE_UNAVAILABLE', 'lost', { retry: 'unknown-outcome' })
  }
}
