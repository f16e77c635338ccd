/** Columns that transactions read: their values count at the transaction's place, nothing else. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { decodeRecord, encodeRecord } from '../../../../replication/strong/record.ts'
import {
  decodeTransaction,
  encodeTransaction,
} from '../../../../replication/strong/transaction-codec.ts'
import type { ColumnGuard, ReadCheck, TransactionRequest } from '../../../../src/core/operations.ts'
import { toHex, type SqlValue } from '../../../../src/core/values.ts'
import type { CompiledTable } from '../../../../src/schema/compiled.ts'
import { columnDigest } from '../../../../src/session/column-digest.ts'
import { selectByKeys } from '../../../../src/sql/select.ts'
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

/** A guard of columns with these values. */
function guard(
  of: CompiledTable,
  image: readonly SqlValue[],
  ...names: readonly string[]
): ColumnGuard {
  const columns = names.map((name) => columnAt(of, name)).toSorted((a, b) => a - b)
  return {
    table: of.id,
    key: [image[0] ?? null],
    columns,
    digest: columnDigest(of, columns, image),
  }
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

function codeOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => 'OK',
    (error: { code: string }) => error.code,
  )
}

/** Proposes transactions in one turn: they share a record. */
function together(...requests: readonly TransactionRequest[]): Promise<string[]> {
  return Promise.all(requests.map((request) => codeOf(region.engine.commit(request))))
}

const everything = {
  email: 'a@b',
  balance: 7,
  total: 2n ** 62n,
  ratio: 0.1,
  active: 1,
  note: Uint8Array.of(0, 255),
}
const whole = account('a', everything)

describe('columns that were read', () => {
  beforeEach(() => commit([insert(accounts, whole)]))
  const seen = guard(accounts, whole, 'email', 'total', 'ratio', 'active', 'note')

  it.each([
    ['another is incremented', [update(accounts, 'a', { balance: increment(1) })]],
    ['another is raised', [update(accounts, 'a', { balance: { kind: 'max', value: 99 } })]],
    ['another is set', [update(accounts, 'a', { balance: put(0) })]],
    [
      'one is written as it was',
      [update(accounts, 'a', { ratio: put(0.1), total: put(2n ** 62n) })],
    ],
    ['the row is written as it was', [upsert(accounts, whole)]],
    ['the row goes and comes back', [remove(accounts, 'a'), insert(accounts, whole)]],
    [
      'one changes and changes back',
      [
        update(accounts, 'a', { total: increment(-1n) }),
        update(accounts, 'a', { total: increment(1n) }),
      ],
    ],
  ])('hold when %s', async (_what, ops) => {
    await commit(ops)
    await commit([insert(accounts, account('mine'))], [seen])
    const shared = await together(transaction(ops), transaction([], { reads: [seen] }))
    expect(shared).toEqual(['OK', 'OK'])
  })

  it.each([
    ['a text changes', { email: put('b@c') }],
    ['a text becomes null', { email: put(null) }],
    ['a wide integer changes in its last bit', { total: increment(1n) }],
    ['a real changes in its last bit', { ratio: put(0.1 + 2 ** -56) }],
    ['a truth changes', { active: put(0) }],
    ['a byte changes', { note: put(Uint8Array.of(0, 254)) }],
    ['bytes become none', { note: put(Uint8Array.of()) }],
  ])('conflict when %s', async (_what, cells) => {
    const change = transaction([update(accounts, 'a', cells)])
    expect(await together(change, transaction([], { reads: [seen] }))).toEqual(['OK', 'CONFLICT'])
    const mine = commit([insert(accounts, account('mine'))], [read(accounts, 'x', null), seen])
    await expect(mine).rejects.toEqual(failing('CONFLICT', { table: 'accounts', reads: [1] }))
  })

  it('conflict when their row goes, and none of them only then', async () => {
    const there = guard(accounts, whole)
    await commit([upsert(accounts, account('a', { balance: 1 }))], [there])
    await commit([], [there])
    const gone = transaction([remove(accounts, 'a')])
    const readers = [seen, there].map((one) => transaction([], { reads: [one] }))
    expect(await together(gone, ...readers)).toEqual(['OK', 'CONFLICT', 'CONFLICT'])
  })

  it('are those that the store gives back, under the clients of every region', async () => {
    const other = await pool.open(log)
    await other.engine.catchUp()
    for (const { store } of [region, other]) {
      const [result] = await store.read([selectByKeys(accounts, '', [['a']], 0)])
      const stored = (result?.rows[0] ?? []) as SqlValue[]
      const names = ['email', 'balance', 'total', 'ratio', 'active', 'note']
      const digest = guard(accounts, whole, ...names).digest
      expect(guard(accounts, stored.slice(0, accounts.physical.length), ...names).digest).toBe(
        digest,
      )
    }
  })
})

describe('a hot counter', () => {
  beforeEach(() => commit([insert(accounts, account('hot', { email: 'name' }))]))

  it('does not abort who reads other columns of its row, and writes it, too', async () => {
    const seen = guard(accounts, account('hot', { email: 'name' }), 'email')
    const other = await pool.open(log)
    await other.engine.catchUp()
    const work = Array.from({ length: 100 }, (_, i) => {
      const at = i % 2 === 0 ? region : other
      const ops = [update(accounts, 'hot', { balance: increment(1) })]
      return codeOf(commit(ops, i % 3 === 0 ? [seen] : [], {}, at))
    })
    expect(new Set(await Promise.all(work))).toEqual(new Set(['OK']))
    expect(await balances(region)).toEqual([100n])
    await other.engine.catchUp()
    expect(await replicatedState(other.store)).toBe(await replicatedState(region.store))
  })

  it('aborts who reads the row as a whole, or the counter', async () => {
    const stale = account('hot', { email: 'name', balance: 0 })
    await commit([update(accounts, 'hot', { balance: increment(1) })])
    const reads: ReadCheck[] = [
      guard(accounts, stale, 'balance', 'email'),
      guard(accounts, stale, 'balance'),
    ]
    for (const one of reads) await expect(commit([], [one])).rejects.toEqual(failing('CONFLICT'))
  })

  it('keeps its floor and conditions where it is applied, beside columns that were read', async () => {
    const seen = guard(accounts, account('hot', { email: 'name' }), 'email')
    await commit([update(accounts, 'hot', { balance: increment(3) })])
    const take = (): TransactionRequest =>
      transaction(
        [
          update(accounts, 'hot', { balance: increment(-1, 0) }, [
            { column: 'active', op: '=', value: 1 },
          ]),
        ],
        { reads: [seen] },
      )
    const codes = await together(take(), take(), take(), take(), take())
    expect(codes).toEqual(['OK', 'OK', 'OK', 'CONDITION_FAILED', 'CONDITION_FAILED'])
  })
})

describe('two transactions that each read what the other writes', () => {
  const [x, y] = [account('x', { balance: 1 }), account('y', { balance: 1 })]
  beforeEach(() => commit([insert(accounts, x, y)]))

  /** Each goes down only while the other is up (write skew). */
  const pair = (): TransactionRequest[] => [
    transaction([update(accounts, 'x', { balance: put(0) })], {
      reads: [guard(accounts, y, 'balance')],
    }),
    transaction([update(accounts, 'y', { balance: put(0) })], {
      reads: [guard(accounts, x, 'balance')],
    }),
  ]

  it('commit one of them, in one record or in two', async () => {
    expect(await together(...pair())).toEqual(['OK', 'CONFLICT'])
    const [, second] = pair()
    expect(await codeOf(region.engine.commit(second as TransactionRequest))).toBe('CONFLICT')
    expect(await balances(region)).toEqual([0n, 1n])
  })

  it.each(['columnGuardIgnored', 'ignoreOverlay'] as const)(
    'must fail: both commit with %s',
    async (fault) => {
      const store = region.store
      await region.engine.close()
      region = await pool.open(log, { store, faults: { [fault]: true } })
      expect(await together(...pair())).toEqual(['OK', 'OK'])
    },
  )

  it('must fail: a row that is gone counts as read with columnGuardWithoutRow', async () => {
    const store = region.store
    await region.engine.close()
    region = await pool.open(log, { store, faults: { columnGuardWithoutRow: true } })
    const reads = [guard(accounts, x, 'balance')]
    const codes = await together(transaction([remove(accounts, 'x')]), transaction([], { reads }))
    expect(codes).toEqual(['OK', 'OK'])
  })
})

describe('columns of a row that expires', () => {
  const acme = { tenant: 'acme' }

  it('conflict once it is due by the log, swept or not', async () => {
    const dueMs = region.clock.ms + 1000
    const row = session('s', dueMs, 'seat')
    await commit([insert(sessions, row)], [], acme)
    const seen = guard(sessions, row, 'seat')
    await commit([], [seen], acme)
    region.clock.ms = dueMs
    await expect(commit([], [seen], acme)).rejects.toEqual(failing('CONFLICT'))
    await region.engine.sweep()
    await expect(commit([], [seen], acme)).rejects.toEqual(failing('CONFLICT'))
  })

  it('hold when its life is prolonged, and when it expires and comes again as it was', async () => {
    const dueMs = region.clock.ms + 1000
    const seen = guard(sessions, session('s', dueMs, 'seat'), 'seat')
    await commit([insert(sessions, session('s', dueMs, 'seat'))], [], acme)
    await commit([update(sessions, 's', { expiresAt: put(dueMs + 5000) })], [], acme)
    region.clock.ms = dueMs + 1
    await commit([], [seen], acme)
    region.clock.ms = dueMs + 6000
    await commit([insert(sessions, session('s', null, 'seat'))], [], acme)
    await expect(commit([], [seen], acme)).resolves.toBeDefined()
  })
})

describe('a guard of columns that is wrong', () => {
  const wrong: [string, number[]][] = [
    ['beyond the table', [99]],
    ['twice', [1, 1]],
    ['not ascending', [2, 1]],
  ]

  it.each(wrong)('is not sent: %s', async (_what, columns) => {
    const appends = log.appends
    const one = { table: accounts.id, key: ['a'], columns, digest: '' }
    await expect(commit([], [one])).rejects.toEqual(failing('INVALID_ARGUMENT'))
    expect(log.appends).toBe(appends)
  })

  it.each(wrong)('is refused in the log, which goes on: %s', async (_what, columns) => {
    await commit([insert(accounts, whole)])
    const reads = [{ table: accounts.id, key: ['a'], columns, digest: '' }]
    const command = { ...transaction([]), reads, dedupeId: 'd', basis: 0 }
    const payload = encodeRecord({
      machineVersion: 3,
      schemaVersion: schema.version,
      nowMs: 0,
      kind: 'commands',
      commands: [encodeTransaction(command)],
    })
    await log.append('main', 'strange', payload)
    await region.engine.catchUp()
    const [outcome] = await region.store.read([
      { sql: `SELECT outcome FROM _strong_outcomes WHERE tx = 'd'`, args: [] },
    ])
    expect(Buffer.from(outcome?.rows[0]?.[0] as Uint8Array).toString()).toContain(
      'INVALID_ARGUMENT',
    )
    await commit([insert(accounts, account('next'))])
    expect(region.failures).toEqual([])
  })
})

describe('the bytes of columns that were read', () => {
  it('never change, nor does what is digested', () => {
    const one = guard(accounts, whole, 'email', 'balance', 'total', 'ratio', 'active', 'note')
    expect(one.columns).toEqual([1, 2, 3, 4, 5, 6])
    expect(one.digest).toBe(FROZEN_DIGEST)
    const command = {
      txId: 't',
      dedupeId: 'd',
      contentHash: 'c',
      basis: 7,
      tenant: '',
      reads: [read(accounts, 'x', null), { ...one, table: 1 }],
      ops: [],
    }
    const bytes = encodeTransaction({ ...command, reads: [{ ...one, table: 1 }] })
    expect(toHex(bytes)).toBe(FROZEN_COLUMN_TRANSACTION)
    expect(decodeTransaction(encodeTransaction(command))).toEqual(command)
  })

  it('are equal however a message or a store brought the values', () => {
    const buffer = Buffer.from([9, 0, 255, 9])
    const brought = account('a', {
      ...everything,
      balance: 7n,
      active: 1n,
      note: buffer.subarray(1, 3),
    })
    const names = ['balance', 'total', 'ratio', 'active', 'note']
    expect(guard(accounts, brought, ...names).digest).toBe(guard(accounts, whole, ...names).digest)
    const [five, zero] = [account('a', { ratio: 5 }), account('a', { ratio: 0 })]
    expect(guard(accounts, account('a', { ratio: 5n }), 'ratio')).toEqual(
      guard(accounts, five, 'ratio'),
    )
    expect(guard(accounts, account('a', { ratio: -0 }), 'ratio')).toEqual(
      guard(accounts, zero, 'ratio'),
    )
  })

  it('differ between a column and its neighbour with the same value, and between null and empty', () => {
    const values = account('a', { balance: 1, active: 1, email: '' })
    const digests = ['balance', 'active', 'email', 'note'].map(
      (name) => guard(accounts, values, name).digest,
    )
    expect(new Set(digests).size).toBe(4)
  })

  it('need version 3 of the state machine, and their neighbours with them', async () => {
    await commit([insert(accounts, whole)])
    await together(transaction([]), transaction([], { reads: [guard(accounts, whole, 'ratio')] }))
    const records = (log.entries.get('main') ?? []).map(({ payload }) => decodeRecord(payload))
    const ofCommands = records.filter(({ kind }) => kind === 'commands')
    expect(ofCommands[0]?.machineVersion).toBe(1)
    expect(ofCommands.at(-1)?.machineVersion).toBe(3)
  })
})

const FROZEN_DIGEST = '1a0ca65b788f8eb163a8d58a43affcb0'
const FROZEN_COLUMN_TRANSACTION =
  '97a174a164a16307a091940191a16196010203040506d920316130636136356237383866386562313633613864353861343361666663623090'
