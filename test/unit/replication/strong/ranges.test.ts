/** Ranges that transactions read: nothing comes, goes or changes in them unnoticed (no phantoms). */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { decodeRecord, encodeRecord } from '../../../../replication/strong/record.ts'
import { encodeTransaction } from '../../../../replication/strong/transaction-codec.ts'
import type { ListQuery } from '../../../../src/core/list-query.ts'
import { MAX_GUARDED_ROWS, MAX_NAMED_CONFLICTS } from '../../../../src/core/limits.ts'
import type { RangeGuard, ReadCheck, TransactionRequest } from '../../../../src/core/operations.ts'
import type { SqlValue } from '../../../../src/core/values.ts'
import type { CompiledTable } from '../../../../src/schema/compiled.ts'
import { rangeDigest } from '../../../../src/session/range-digest.ts'
import { keyOf, selectList, takePage } from '../../../../src/sql/select.ts'
import { MemoryCommitLog } from '../../../support/memory-commit-log.ts'
import {
  account,
  accounts,
  balances,
  columnAt,
  increment,
  insert,
  put,
  read,
  RegionPool,
  remove,
  replicatedState,
  rowsOf,
  schema,
  session,
  sessions,
  transaction,
  update,
  upsert,
  type Region,
} from '../../../support/strong-region.ts'

let log: MemoryCommitLog
let region: Region
const pool = new RegionPool()

beforeEach(async () => {
  log = new MemoryCommitLog()
  region = await pool.open(log)
})
afterEach(() => pool.closeAll())

const balance = columnAt(accounts, 'balance')

/** Accounts with a balance of at least `least`, poorest first. */
function richer(least: number, limit = 10): ListQuery {
  return {
    where: [{ column: balance, op: '>=', values: [least] }],
    orderBy: [{ column: balance, descending: false }],
    limit,
    after: null,
  }
}

/** Reads a range of a region's store as a client does. */
async function see(
  range: ListQuery,
  of: CompiledTable = accounts,
  at: Region = region,
): Promise<RangeGuard> {
  const tenant = of === accounts ? '' : 'acme'
  const select = selectList(of, tenant, range, at.engine.logTimeMs())
  const [result] = await at.store.read([select])
  const { rows } = takePage(of, range.limit, result?.rows ?? [])
  const keys = rows.map(({ image, version }) => ({ key: keyOf(of, image), version }))
  return { table: of.id, range, digest: rangeDigest(of, keys) }
}

function commit(
  ops: TransactionRequest['ops'],
  reads: readonly ReadCheck[] = [],
  more: Partial<TransactionRequest> = {},
  at: Region = region,
): ReturnType<Region['engine']['commit']> {
  return at.engine.commit(transaction(ops, { reads, ...more }))
}

function failing(code: string, details: Record<string, unknown> = {}): unknown {
  return expect.objectContaining({ code, details: expect.objectContaining(details) })
}

/** Proposes transactions in one turn: they share a record. */
async function together(...requests: readonly TransactionRequest[]): Promise<string[]> {
  const codes = requests.map((request) =>
    region.engine.commit(request).then(
      () => 'OK',
      (error: { code: string }) => error.code,
    ),
  )
  return Promise.all(codes)
}

describe('a range that was read', () => {
  const rows = [10, 20, 30, 40].map((n) => account(`a${n}`, { balance: n }))
  beforeEach(() => commit([insert(accounts, ...rows)]))

  it.each([
    ['a row came', [insert(accounts, account('new', { balance: 25 }))]],
    ['a row came at its end', [insert(accounts, account('new', { balance: 99 }))]],
    ['a row went', [remove(accounts, 'a30')]],
    ['a row changed in another column', [update(accounts, 'a20', { active: put(0) })]],
    ['a row moved in', [update(accounts, 'a10', { balance: put(35) })]],
    ['a row moved out', [update(accounts, 'a40', { balance: put(1) })]],
    ['a row was written as it was', [update(accounts, 'a20', { balance: put(20) })]],
    [
      'a row went and came back',
      [remove(accounts, 'a20'), insert(accounts, rows[1] as SqlValue[])],
    ],
  ])('conflicts when %s', async (_what, ops) => {
    const seen = await see(richer(20))
    await commit(ops)
    const mine = commit([insert(accounts, account('mine'))], [seen])
    await expect(mine).rejects.toEqual(failing('CONFLICT', { table: 'accounts', reads: [0] }))
    expect(await rowsOf(region.store, accounts)).not.toContainEqual(
      expect.arrayContaining(['mine']),
    )
  })

  it.each([
    ['nothing happened', []],
    ['a row came outside', [insert(accounts, account('new', { balance: 5 }))]],
    ['a row outside changed', [update(accounts, 'a10', { balance: put(11) })]],
    ['a row outside went', [remove(accounts, 'a10')]],
    [
      'a row came and went',
      [insert(accounts, account('n', { balance: 25 })), remove(accounts, 'n')],
    ],
  ])('holds when %s', async (_what, ops) => {
    const seen = await see(richer(20))
    await commit(ops)
    await commit([insert(accounts, account('mine'))], [seen])
    expect(await rowsOf(region.store, accounts)).toContainEqual(expect.arrayContaining(['mine']))
  })

  it('with a limit ends with its last row', async () => {
    const seen = await see(richer(20, 2))
    await commit([remove(accounts, 'a40'), insert(accounts, account('new', { balance: 31 }))])
    await commit([], [seen])
    await commit([insert(accounts, account('newer', { balance: 29 }))])
    await expect(commit([], [seen])).rejects.toEqual(failing('CONFLICT'))
  })

  it('begins behind the row that it names', async () => {
    const seen = await see({ ...richer(20), after: [20, 'a20'] })
    await commit([remove(accounts, 'a20')])
    await commit([], [seen])
    await commit([insert(accounts, account('a21', { balance: 20 }))])
    await expect(commit([], [seen])).rejects.toEqual(failing('CONFLICT'))
  })

  it('conflicts with what others did in the same record, and tells the reads that are stale', async () => {
    const seen = await see(richer(20))
    const holds = await see(richer(1000))
    const codes = await together(
      transaction([insert(accounts, account('b', { balance: 50 }))]),
      transaction([insert(accounts, account('c', { balance: 1 }))], { reads: [holds] }),
      transaction([], { reads: [holds, seen] }),
    )
    expect(codes).toEqual(['OK', 'OK', 'CONFLICT'])
    const stale = commit([], [holds, read(accounts, 'a10', null), seen, read(accounts, 'x', null)])
    await expect(stale).rejects.toEqual(failing('CONFLICT', { reads: [1, 2] }))
  })

  it('is found again behind many rows that the same record deleted', async () => {
    const many = Array.from({ length: 60 }, (_, i) => account(`m${i}`, { balance: 100 + i }))
    await commit([insert(accounts, ...many)])
    const after = await see(richer(150, 3))
    const gone = many.slice(0, 50).map((image) => remove(accounts, image[0] as string))
    const codes = await together(
      transaction(gone),
      transaction([], { reads: [{ ...after, range: richer(100, 3) }] }),
      transaction([], { reads: [await see(richer(100, 3))] }),
    )
    expect(codes).toEqual(['OK', 'OK', 'CONFLICT'])
  })
})

it('is the same however much of the range a batch has deleted before it', async () => {
  const rows = Array.from({ length: 10_500 }, (_, i) => account(`r${i}`, { balance: i }))
  for (let i = 0; i < rows.length; i += 5_000) {
    await commit([insert(accounts, ...rows.slice(i, i + 5_000))])
  }
  const left = await see(richer(10_400, 50))
  const guard = { ...left, range: richer(0, 50) }
  const deletes = rows.slice(0, 10_400).map((image) => remove(accounts, image[0] as string))
  const requests = [deletes.slice(0, 5_000), deletes.slice(5_000, 10_000), deletes.slice(10_000)]
  const codes = await together(
    ...requests.map((ops) => transaction(ops)),
    transaction([], { reads: [guard] }),
  )
  expect(codes).toEqual(['OK', 'OK', 'OK', 'OK'])
})

describe('two transactions that count a range and add to it', () => {
  const seats = richer(0)
  /** Inserts unless there is one already; `region` decides on what it has applied. */
  const claims = (seen: RangeGuard): TransactionRequest[] =>
    ['left', 'right'].map((id) =>
      transaction([insert(accounts, account(id, { balance: 1 }))], { reads: [seen] }),
    )

  it('commit one of them, in one record or in two', async () => {
    expect(await together(...claims(await see(seats)))).toEqual(['OK', 'CONFLICT'])
    expect(await balances(region)).toEqual([1n])
    const [, loser] = claims(await see(seats))
    await commit([insert(accounts, account('winner'))])
    await expect(region.engine.commit(loser as TransactionRequest)).rejects.toEqual(
      failing('CONFLICT'),
    )
  })

  it('commit one of them through two regions, and both regions agree', async () => {
    const other = await pool.open(log)
    const [left, right] = claims(await see(seats))
    const codes = await Promise.all(
      [
        region.engine.commit(left as TransactionRequest),
        other.engine.commit(right as TransactionRequest),
      ].map((call) =>
        call.then(
          () => 'OK',
          (error: { code: string }) => error.code,
        ),
      ),
    )
    expect(codes.toSorted()).toEqual(['CONFLICT', 'OK'])
    for (const { engine } of [region, other]) await engine.catchUp()
    expect(await replicatedState(other.store)).toBe(await replicatedState(region.store))
  })

  it.each(['rangeGuardIgnored', 'rangeGuardWithoutOverlay'] as const)(
    'must fail: both commit with %s',
    async (fault) => {
      region = await pool.open(new MemoryCommitLog(), { faults: { [fault]: true } })
      expect(await together(...claims(await see(seats)))).toEqual(['OK', 'OK'])
    },
  )
})

describe('rows that expire in a range', () => {
  const expiresAt = columnAt(sessions, 'expiresAt')
  const all: ListQuery = { where: [], orderBy: [], limit: 10, after: null }
  const acme = { tenant: 'acme' }

  it('conflict once, then the log knows their time: no run conflicts for ever', async () => {
    const dueMs = region.clock.ms + 1000
    await commit([insert(sessions, session('due', dueMs), session('stays', null))], [], acme)
    // The log is idle: its time stands still, and the row is there for readers.
    region.clock.ms = dueMs + 60_000
    const early = await see(all, sessions)
    await expect(commit([], [early], acme)).rejects.toEqual(failing('CONFLICT'))
    const again = await see(all, sessions)
    expect(again.digest).not.toBe(early.digest)
    await commit([], [again], acme)
  })

  it('are no change when they are swept', async () => {
    await commit([insert(sessions, session('due', region.clock.ms + 1))], [], acme)
    region.clock.ms += 10
    await commit([], [], acme)
    const seen = await see(all, sessions)
    await region.engine.sweep()
    expect(await rowsOf(region.store, sessions)).toEqual([])
    await commit([], [seen], acme)
  })

  it('do not conflict where the range leaves out those about to expire', async () => {
    const dueMs = region.clock.ms + 1000
    const later = { column: expiresAt, op: '>' as const, values: [dueMs] }
    await commit([insert(sessions, session('due', dueMs), session('x', dueMs * 2))], [], acme)
    const seen = await see({ ...all, where: [later] }, sessions)
    region.clock.ms = dueMs + 1
    await expect(commit([], [seen], acme)).resolves.toMatchObject({ position: { seq: 3 } })
  })

  it('are judged by the log, whatever the clocks of regions say', async () => {
    const dueMs = region.clock.ms + 1000
    await commit([insert(sessions, session('due', dueMs))], [], acme)
    const seen = await see(all, sessions)
    const behind = await pool.open(log)
    behind.clock.ms = dueMs - 100_000
    region.clock.ms = dueMs + 100_000
    await commit([], [], acme)
    // Sent by a clock that is behind: the log's time is what it was.
    await expect(commit([], [seen], acme, behind)).rejects.toEqual(failing('CONFLICT'))
    await commit([], [await see(all, sessions, behind)], acme, behind)
  })
})

describe('a guard that is too large or wrong', () => {
  it('is not sent', async () => {
    const half = await see(richer(0, MAX_GUARDED_ROWS / 2 + 1))
    await expect(commit([], [half, half])).rejects.toEqual(failing('TRANSACTION_TOO_LARGE'))
    const wrong: ListQuery[] = [
      { ...richer(0), limit: 0 },
      { ...richer(0), where: [{ column: 99, op: '=', values: [1] }] },
      { ...richer(0), where: [{ column: balance, op: '=', values: ['1'] }] },
      { ...richer(0), orderBy: [{ column: 99, descending: false }] },
      { ...richer(0), after: [1] },
      { ...richer(0), where: Array.from({ length: 101 }, () => richer(0).where[0] as never) },
      { ...richer(0), where: [{ column: balance, op: 'in', values: new Array(1001).fill(1) }] },
      {
        ...richer(0),
        orderBy: Array.from({ length: 17 }, () => ({ column: balance, descending: true })),
      },
    ]
    const appends = log.appends
    for (const range of wrong) {
      const guard = { table: accounts.id, range, digest: '' }
      await expect(commit([], [guard])).rejects.toEqual(failing('INVALID_ARGUMENT'))
    }
    expect(log.appends).toBe(appends)
  })

  it.each([
    ['of too many rows', { ...richer(0), limit: MAX_GUARDED_ROWS + 1 }, 'TRANSACTION_TOO_LARGE'],
    ['of less than no rows', { ...richer(0), limit: -5 }, 'INVALID_ARGUMENT'],
    [
      'of a truth',
      { ...richer(0), where: [{ column: 1, op: '=', values: [true] }] },
      'INVALID_ARGUMENT',
    ],
    [
      'of an unknown comparison',
      { ...richer(0), where: [{ column: 1, op: 'LIKE', values: ['a'] }] },
      'INVALID_ARGUMENT',
    ],
  ])('is refused in the log, which goes on: %s', async (_what, range, code) => {
    const reads = [{ table: accounts.id, range: range as ListQuery, digest: '' }]
    const command = { ...transaction([]), reads, dedupeId: 'd', basis: 0 }
    const payload = encodeRecord({
      machineVersion: 2,
      schemaVersion: schema.version,
      nowMs: 0,
      kind: 'commands',
      commands: [encodeTransaction(command)],
    })
    await log.append('main', 'strange', payload)
    await region.engine.catchUp()
    const [outcome] = await region.store.read([
      { sql: 'SELECT outcome FROM _strong_outcomes', args: [] },
    ])
    expect(Buffer.from(outcome?.rows[0]?.[0] as Uint8Array).toString()).toContain(code)
    await commit([insert(accounts, account('next'))])
    expect(region.failures).toEqual([])
  })
})

describe('what a conflict tells', () => {
  it('is bounded', async () => {
    const reads = Array.from({ length: 40 }, (_, i) => read(accounts, `r${i}`, 'gone'))
    const places = Array.from({ length: MAX_NAMED_CONFLICTS }, (_, i) => i)
    await expect(commit([], reads)).rejects.toEqual(failing('CONFLICT', { reads: places }))
  })

  it('is the same in the outcomes of every region, without a word', async () => {
    const other = await pool.open(log)
    const seen = await see(richer(0))
    await commit([insert(accounts, account('a'))])
    await expect(commit([], [seen])).rejects.toEqual(failing('CONFLICT'))
    await other.engine.catchUp()
    expect(await replicatedState(other.store)).toBe(await replicatedState(region.store))
  })
})

describe('the next run after a conflict', () => {
  it('may read anew and write the same under its key', async () => {
    await commit([insert(accounts, account('a'))])
    const seen = await see(richer(0))
    await commit([update(accounts, 'a', { balance: increment(1) })])
    const first = transaction([upsert(accounts, account('b'))], { reads: [seen] })
    await expect(region.engine.commit(first)).rejects.toEqual(failing('CONFLICT'))
    // A repetition of the same run has its answer.
    await expect(region.engine.commit(first)).rejects.toEqual(failing('CONFLICT'))
    const next = { ...first, txId: 'another-run', reads: [await see(richer(0))] }
    await region.engine.commit(next)
    await region.engine.commit(next)
    await expect(region.engine.commit(first)).resolves.toMatchObject({ txId: 'another-run' })
  })
})

describe('the version of the state machine that a record needs', () => {
  it('is 2 with a range and 1 without, also of ticks', async () => {
    await commit([insert(sessions, session('s', region.clock.ms + 1))], [], { tenant: 'acme' })
    await commit([], [await see(richer(0))])
    region.clock.ms += 10
    await region.engine.sweep()
    const records = (log.entries.get('main') ?? []).map(({ payload }) => decodeRecord(payload))
    expect(records.map(({ kind, machineVersion }) => [kind, machineVersion])).toEqual([
      ['commands', 1],
      // It raises the log, once, for what needs more than version 1.
      ['control', 3],
      ['commands', 2],
      ['tick', 1],
    ])
  })

  it('is what the most demanding of its transactions needs', async () => {
    const seen = await see(richer(0))
    await commit([], [seen])
    await together(transaction([]), transaction([], { reads: [seen] }), transaction([]))
    const entry = log.entries.get('main')?.at(-1)
    const record = decodeRecord(entry?.payload as Uint8Array)
    expect([record.commands.length, record.machineVersion]).toEqual([3, 2])
  })
})
