/** SQL that transactions read: it gives the same at their place in the log, or they conflict. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DEFAULT_PROPOSER_LIMITS, Proposer } from '../../../../replication/strong/proposer.ts'
import { decodeRecord, encodeRecord } from '../../../../replication/strong/record.ts'
import { systemRuntime } from '../../../../src/drivers/runtime/system-runtime.ts'
import {
  decodeTransaction,
  encodeTransaction,
} from '../../../../replication/strong/transaction-codec.ts'
import { toHex } from '../../../../src/core/values.ts'
import { MAX_GUARD_QUERIES, MAX_GUARD_QUERY_ROWS } from '../../../../src/core/limits.ts'
import type { ReadCheck, SqlGuard, TransactionRequest } from '../../../../src/core/operations.ts'
import {
  StatementFailed,
  type DescribedResult,
  type Statement,
  type StatementResult,
} from '../../../../src/core/ports/store.ts'
import { MeridianError } from '../../../../src/core/errors.ts'
import { MemoryCommitLog } from '../../../support/memory-commit-log.ts'
import { MemoryStore } from '../../../support/memory-store.ts'
import {
  account,
  accounts,
  balances,
  increment,
  insert,
  layTables,
  put,
  read,
  RegionPool,
  remove,
  replicatedState,
  schema,
  session,
  sessions,
  transaction,
  update,
  type Region,
} from '../../../support/strong-region.ts'
import { seeSql } from '../../../support/strong-sql.ts'

let log: MemoryCommitLog
let region: Region
const pool = new RegionPool()

beforeEach(async () => {
  log = new MemoryCommitLog()
  region = await pool.open(log)
})
afterEach(() => pool.closeAll())

const RICH = 'SELECT count(*) AS n, sum(balance) AS s FROM accounts WHERE balance >= 20'

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

function codeOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => 'OK',
    (error: { code: string }) => error.code,
  )
}

/** Proposes transactions in one turn: those that may share a record do. */
function together(...requests: readonly TransactionRequest[]): Promise<string[]> {
  return Promise.all(requests.map((request) => codeOf(region.engine.commit(request))))
}

describe('SQL that was read', () => {
  const rows = [10, 20, 30].map((n) => account(`a${n}`, { balance: n }))
  beforeEach(() => commit([insert(accounts, ...rows)]))

  it.each([
    ['a row came', [insert(accounts, account('new', { balance: 25 }))]],
    ['a row went', [remove(accounts, 'a30')]],
    ['a row moved in', [update(accounts, 'a10', { balance: put(35) })]],
    ['a row moved out', [update(accounts, 'a20', { balance: put(1) })]],
    ['a sum changed', [update(accounts, 'a30', { balance: increment(1) })]],
  ])('conflicts when %s', async (_what, ops) => {
    const seen = await seeSql(region, RICH)
    await commit(ops)
    const mine = commit([insert(accounts, account('mine'))], [seen])
    await expect(mine).rejects.toEqual(failing('CONFLICT', { table: 'accounts', reads: [0] }))
    expect(await balances(region)).not.toContain(0n)
  })

  it.each([
    ['nothing happened', []],
    ['a row came outside', [insert(accounts, account('new', { balance: 5 }))]],
    ['a row changed in another column', [update(accounts, 'a20', { active: put(0) })]],
    ['a row was written as it was', [update(accounts, 'a20', { balance: put(20) })]],
    [
      'one went and its like came',
      [remove(accounts, 'a20'), insert(accounts, account('b', { balance: 20 }))],
    ],
  ])('holds when %s', async (_what, ops) => {
    const seen = await seeSql(region, RICH)
    await commit(ops)
    await commit([insert(accounts, account('mine'))], [seen])
    expect(await balances(region)).toContain(0n)
  })

  it('is of an order where it has one, and of which rows there are where it has none', async () => {
    const ordered = await seeSql(region, 'SELECT active FROM accounts ORDER BY balance, id')
    const any = await seeSql(region, 'SELECT active FROM accounts')
    await commit([update(accounts, 'a10', { active: put(0) })])
    const moved = await seeSql(region, ordered.sql)
    await commit([update(accounts, 'a10', { balance: put(99) })])
    await commit([], [await seeSql(region, any.sql)])
    await expect(commit([], [moved])).rejects.toEqual(failing('CONFLICT'))
  })

  it('is named by its place among the reads, with the others that are stale', async () => {
    const holds = await seeSql(region, 'SELECT id FROM accounts WHERE balance > 1000')
    const seen = await seeSql(region, RICH)
    await commit([remove(accounts, 'a30')])
    const stale = commit([], [holds, read(accounts, 'a10', null), seen, read(accounts, 'x', null)])
    await expect(stale).rejects.toEqual(failing('CONFLICT', { reads: [1, 2] }))
  })

  it('sees what others did ahead of it in the same turn', async () => {
    const seen = await seeSql(region, RICH)
    const codes = await together(
      transaction([insert(accounts, account('b', { balance: 50 }))]),
      transaction([insert(accounts, account('c'))], { reads: [seen] }),
      transaction([insert(accounts, account('d'))]),
    )
    expect(codes).toEqual(['OK', 'CONFLICT', 'OK'])
  })
})

describe('two transactions that count by SQL and add', () => {
  const claims = (seen: SqlGuard): TransactionRequest[] =>
    ['left', 'right'].map((id) =>
      transaction([insert(accounts, account(id, { balance: 20 }))], { reads: [seen] }),
    )

  it('commit one of them, through one region or two, and regions agree', async () => {
    expect(await together(...claims(await seeSql(region, RICH)))).toEqual(['OK', 'CONFLICT'])
    const other = await pool.open(log)
    await other.engine.catchUp()
    const [left, right] = claims(await seeSql(region, RICH)) as [
      TransactionRequest,
      TransactionRequest,
    ]
    const second = { ...left, ops: [insert(accounts, account('third', { balance: 20 }))] }
    const codes = await Promise.all([
      codeOf(region.engine.commit(second)),
      codeOf(other.engine.commit({ ...right, ops: [insert(accounts, account('fourth'))] })),
    ])
    expect(codes.toSorted()).toEqual(['CONFLICT', 'OK'])
    for (const { engine } of [region, other]) await engine.catchUp()
    expect(await replicatedState(other.store)).toBe(await replicatedState(region.store))
  })

  it('must fail: both commit where SQL is not compared', async () => {
    region = await pool.open(new MemoryCommitLog(), { faults: { sqlGuardIgnored: true } })
    expect(await together(...claims(await seeSql(region, RICH)))).toEqual(['OK', 'OK'])
  })

  it('must fail: both commit where SQL is compared ahead of its batch', async () => {
    // The log hands both records over at once.
    const held = new MemoryCommitLog()
    const proposing = await pool.open(held)
    for (const claim of claims(await seeSql(proposing, RICH)))
      void codeOf(proposing.engine.commit(claim))
    await proposing.engine.catchUp()
    const faults = { sqlGuardInsideBatch: true }
    const broken = await pool.open(held, { faults })
    await broken.engine.catchUp()
    expect(await balances(broken)).toEqual([20n, 20n])
    expect(await balances(proposing)).toEqual([20n])
  })
})

describe('rows that expire', () => {
  const acme = { tenant: 'acme' }
  const COUNT = 'SELECT count(*) AS n FROM sessions'

  it('conflict once, by the time of the log, and are no change when they are swept', async () => {
    const dueMs = region.clock.ms + 1000
    await commit([insert(sessions, session('due', dueMs), session('stays', null))], [], acme)
    region.clock.ms = dueMs + 60_000
    const early = await seeSql(region, COUNT, [], 'acme')
    await expect(commit([], [early], acme)).rejects.toEqual(failing('CONFLICT'))
    const again = await seeSql(region, COUNT, [], 'acme')
    await region.engine.sweep()
    await commit([], [again], acme)
  })

  it('and rows of other tenants do not count', async () => {
    await commit([insert(sessions, session('a', null))], [], acme)
    const seen = await seeSql(region, COUNT, [], 'acme')
    await commit([insert(sessions, session('a', null))], [], { tenant: 'other' })
    await expect(commit([], [seen], acme)).resolves.toMatchObject({ updated: [] })
  })
})

describe('records', () => {
  it('begin with the transaction that reads SQL, and others may follow it', async () => {
    const records: number[][] = []
    const proposer = new Proposer({
      runtime: systemRuntime,
      schemaVersion: () => 1,
      limits: DEFAULT_PROPOSER_LIMITS,
      requireInStep: () => undefined,
      append: (_id, payload) => {
        const { commands, machineVersion } = decodeRecord(payload)
        return Promise.resolve(records.push([machineVersion, ...commands.flatMap((c) => [...c])]))
      },
    })
    const sent = [1, 2, 3, 4, 5].map((n) =>
      n === 3 || n === 5
        ? proposer.propose(Uint8Array.of(n), 3, 1000, true)
        : proposer.propose(Uint8Array.of(n), 1, 1000),
    )
    await expect
      .poll(() => records)
      .toEqual([
        [1, 1, 2],
        [3, 3, 4],
        [3, 5],
      ])
    proposer.close(new MeridianError('CLOSED', 'The test is over.'))
    await Promise.allSettled(sent)
  })

  it('need version 3 with SQL, which is first in them', async () => {
    const seen = await seeSql(region, RICH)
    await together(transaction([]), transaction([], { reads: [seen] }), transaction([]))
    const records = (log.entries.get('main') ?? [])
      .map(({ payload }) => decodeRecord(payload))
      .filter(({ kind }) => kind === 'commands')
    const withSql = records.map(({ commands }) =>
      commands.map((bytes) => decodeTransaction(bytes).reads.length > 0),
    )
    expect(withSql.flat().filter(Boolean)).toHaveLength(1)
    records.forEach(({ machineVersion }, i) => {
      expect(withSql[i]?.slice(1)).not.toContain(true)
      expect(machineVersion).toBe(withSql[i]?.[0] === true ? 3 : 1)
    })
  })

  it.each([
    ['behind the first of a record', 1, (seen: SqlGuard) => [seen], 'INVALID_ARGUMENT'],
    [
      'of another text',
      0,
      (seen: SqlGuard) => [{ ...seen, sql: 'SELECT random() AS r FROM accounts' }],
      'QUERY_REFUSED',
    ],
    [
      'that names a physical table',
      0,
      (seen: SqlGuard) => [{ ...seen, sql: 'SELECT key FROM _meta' }],
      'QUERY_REFUSED',
    ],
    [
      'that no store takes',
      0,
      (seen: SqlGuard) => [{ ...seen, sql: 'SELECT coalesce(balance) AS c FROM accounts' }],
      'QUERY_FAILED',
    ],
    [
      'too often',
      0,
      (seen: SqlGuard) => Array.from({ length: MAX_GUARD_QUERIES + 1 }, () => ({ ...seen })),
      'INVALID_ARGUMENT',
    ],
    [
      'of a table that is not there',
      0,
      (seen: SqlGuard) => [{ ...seen, table: 99, tables: [{ id: 99, name: 'x', columns: [] }] }],
      'SCHEMA_INCOMPATIBLE',
    ],
    ['that is none', 0, (seen: SqlGuard) => [{ ...seen, sql: 1, args: null }], 'INVALID_ARGUMENT'],
  ] as const)(
    'with SQL %s are refused in the log, which goes on',
    async (_what, place, of, code) => {
      const seen = await seeSql(region, RICH)
      const command = {
        ...transaction([]),
        reads: of(seen) as ReadCheck[],
        dedupeId: 'd',
        basis: 0,
      }
      const plain = { ...transaction([]), dedupeId: 'e', basis: 0 }
      const commands = place === 0 ? [command] : [plain, command]
      const payload = encodeRecord({
        machineVersion: 3,
        schemaVersion: schema.version,
        nowMs: 0,
        kind: 'commands',
        commands: commands.map((one) => encodeTransaction(one)),
      })
      await log.append('main', 'strange', payload)
      await region.engine.catchUp()
      const sql = 'SELECT outcome FROM _strong_outcomes WHERE tx = ?'
      const [outcome] = await region.store.read([
        { sql: sql.replace(' WHERE tx = ?', ''), args: [] },
      ])
      const stored = outcome?.rows
        .map(([bytes]) => Buffer.from(bytes as Uint8Array).toString())
        .join()
      expect(stored).toContain(code)
      await commit([insert(accounts, account('next'))])
      expect(region.failures).toEqual([])
    },
  )
})

/** What regions of later versions must still read. */
const FROZEN =
  '97a27478a164a16307a09195a373716c919301a86163636f756e7473919203a762616c616e6365d9' +
  '3853454c4543542073756d2862616c616e63652920415320732046524f4d206163636f756e747320' +
  '57484552452062616c616e6365203e203f9107d92030303131323233333434353536363737383839' +
  '3961616262636364646565666690'

it('the bytes of SQL in the log never change', () => {
  const guard: SqlGuard = {
    table: 1,
    tables: [{ id: 1, name: 'accounts', columns: [[3, 'balance']] }],
    sql: 'SELECT sum(balance) AS s FROM accounts WHERE balance > ?',
    args: [7],
    digest: '00112233445566778899aabbccddeeff',
  }
  const command = {
    txId: 'tx',
    dedupeId: 'd',
    contentHash: 'c',
    basis: 7,
    tenant: '',
    reads: [guard],
    ops: [],
  }
  expect(toHex(encodeTransaction(command))).toBe(FROZEN)
  expect(decodeTransaction(encodeTransaction(command))).toEqual(command)
})

describe('SQL that is not sent', () => {
  it('is of too many statements, or not of the kind that gives the same everywhere', async () => {
    const seen = await seeSql(region, RICH)
    const appends = log.appends
    const many = Array.from({ length: MAX_GUARD_QUERIES + 1 }, () => seen)
    await expect(commit([], many)).rejects.toEqual(failing('TRANSACTION_TOO_LARGE'))
    const other = { ...seen, sql: 'SELECT group_concat(id) AS t FROM accounts' }
    await expect(commit([], [other])).rejects.toEqual(failing('QUERY_REFUSED'))
    const stranger = { ...seen, table: sessions.id }
    await expect(commit([], [stranger])).rejects.toEqual(failing('TENANT_REQUIRED'))
    expect(log.appends).toBe(appends)
  })
})

/** A store of which SQL of users runs into its limit of time. */
class SlowStore extends MemoryStore {
  override query(): Promise<DescribedResult> {
    return Promise.reject(new StatementFailed(0, 'other', 'the query took longer than 5000 ms'))
  }
}

it('that a sender never ran, and that takes too long, is not sent', async () => {
  const seen = await seeSql(region, RICH)
  const store = new SlowStore()
  await layTables(store)
  const slow = await pool.open(log, { store })
  const appends = log.appends
  await expect(commit([], [seen], {}, slow)).rejects.toEqual(failing('QUERY_FAILED'))
  expect(log.appends).toBe(appends)
})

/** A store of which reads of SQL fail in turn, as a test says. */
class FailingStore extends MemoryStore {
  readonly failures: Error[] = []
  #isUserQuery = false

  override async query(statement: Statement): Promise<DescribedResult> {
    this.#isUserQuery = true
    try {
      return await super.query(statement)
    } finally {
      this.#isUserQuery = false
    }
  }

  override read(statements: readonly Statement[]): Promise<readonly StatementResult[]> {
    const isQuery = !this.#isUserQuery && statements[0]?.sql.startsWith('WITH ') === true
    const failure = isQuery ? this.failures.shift() : undefined
    return failure === undefined ? super.read(statements) : Promise.reject(failure)
  }
}

describe('a store', () => {
  it('that is away is waited for: it says nothing of the transaction', async () => {
    const store = new FailingStore()
    await layTables(store)
    const flaky = await pool.open(new MemoryCommitLog(), { store })
    const seen = await seeSql(flaky, RICH)
    store.failures.push(new MeridianError('STORE_UNAVAILABLE', 'away'))
    await commit([insert(accounts, account('a'))], [seen], {}, flaky)
    expect(flaky.failures).toEqual([])
  })

  it('that is broken stops the group, with nothing of the record applied', async () => {
    const store = new FailingStore()
    await layTables(store)
    const broken = await pool.open(new MemoryCommitLog(), { store })
    const seen = await seeSql(broken, RICH)
    store.failures.push(new MeridianError('STORE_CORRUPT', 'damaged'))
    expect(await codeOf(commit([insert(accounts, account('a'))], [seen], {}, broken))).toBe(
      'UNKNOWN_OUTCOME',
    )
    expect(await balances(broken)).toEqual([])
    expect(broken.failures).toEqual([expect.objectContaining({ code: 'STORE_CORRUPT' })])
  })
})

it('what has become more than may be read is something else than was seen', async () => {
  const ALL = 'SELECT id FROM accounts'
  const seen = await seeSql(region, ALL)
  const rows = Array.from({ length: MAX_GUARD_QUERY_ROWS + 1 }, (_, i) => account(`r${i}`))
  await commit([insert(accounts, ...rows)])
  await expect(commit([], [seen])).rejects.toEqual(failing('CONFLICT', { reads: [0] }))
})
