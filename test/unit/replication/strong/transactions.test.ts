import { beforeEach, describe, expect, it } from 'vitest'
import { MeridianError } from '../../../../src/core/errors.ts'
import type { TransactionRequest } from '../../../../src/core/operations.ts'
import { MemoryCommitLog } from '../../../support/memory-commit-log.ts'
import {
  account,
  accounts,
  columnAt,
  increment,
  insert,
  openRegion,
  put,
  read,
  remove,
  rowsOf,
  session,
  sessions,
  transaction,
  update,
  upsert,
  versionOf,
  type Region,
} from '../../../support/strong-region.ts'

let region: Region

beforeEach(async () => {
  region = await openRegion(new MemoryCommitLog())
})

function commit(
  ops: TransactionRequest['ops'],
  more: Partial<TransactionRequest> = {},
): ReturnType<Region['engine']['commit']> {
  return region.engine.commit(transaction(ops, more))
}

function cell(image: readonly unknown[] | undefined, name: string): unknown {
  return image?.[columnAt(accounts, name)]
}

function refusal(code: string, details: Record<string, unknown> = {}): unknown {
  return expect.objectContaining({ code, details: expect.objectContaining(details) })
}

describe('a strong transaction', () => {
  it('stores rows of every storage class exactly', async () => {
    const note = Uint8Array.of(0, 255, 7)
    const full = account('a', {
      email: 'é@x',
      balance: 2 ** 53 - 1,
      total: -(2n ** 63n),
      ratio: 0.1,
      active: 0,
      note,
    })
    await commit([insert(accounts, full)])
    const [row] = await rowsOf(region.store, accounts)
    expect(row?.slice(1, 8)).toEqual(
      full.map((v) => (Number.isSafeInteger(v) ? BigInt(v as number) : v)),
    )
  })

  it('answers with its place in the log and the rows that it updated', async () => {
    await commit([insert(accounts, account('a', { balance: 5 }))])
    const result = await commit([
      update(accounts, 'a', { balance: increment(-2), total: increment(2n ** 60n) }),
    ])
    expect(result.position).toEqual({ source: 'log:main', seq: 2 })
    expect(cell(result.updated[0], 'balance')).toBe(3)
    expect(cell(result.updated[0], 'total')).toBe(2n ** 60n)
  })

  it.each([
    { kind: 'add', elements: ['x'] },
    { kind: 'remove', elements: ['x'] },
    { kind: 'text', edits: [{ kind: 'append', text: 'x' }] },
  ] as const)('keeps $kind out of the log, which every region would pay for', async (op) => {
    await commit([insert(accounts, account('a', { email: '[]' }))])
    await expect(commit([update(accounts, 'a', { email: op })])).rejects.toThrow(
      refusal('INVALID_VALUE'),
    )
    expect(region.engine.applied()).toBe(1)
  })

  it('has all its effects or none', async () => {
    await commit([insert(accounts, account('a', { email: 'a@x' }))])
    const bad = commit([
      update(accounts, 'a', { email: put('b@x') }),
      insert(accounts, account('c', { email: 'a@x' })),
      update(accounts, 'missing', { balance: put(1) }),
    ])
    await expect(bad).rejects.toEqual(refusal('NOT_FOUND', { table: 'accounts' }))
    expect((await rowsOf(region.store, accounts)).map((r) => r.slice(1, 3))).toEqual([['a', 'a@x']])
    // What the failed one had released and taken is as before.
    await expect(commit([insert(accounts, account('d', { email: 'a@x' }))])).rejects.toEqual(
      refusal('CONSTRAINT_VIOLATED', { columns: ['email'] }),
    )
    await commit([insert(accounts, account('e', { email: 'b@x' }))])
  })

  it('sees its own earlier operations', async () => {
    const result = await commit([
      insert(accounts, account('a', { balance: 1, email: 'a@x' })),
      update(accounts, 'a', { balance: increment(1), email: put('b@x') }),
      insert(accounts, account('b', { email: 'a@x' })),
      remove(accounts, 'b'),
      insert(accounts, account('b', { balance: 9 })),
    ])
    expect(cell(result.updated[0], 'balance')).toBe(2)
    const rows = await rowsOf(region.store, accounts)
    expect(rows.map((r) => [r[1], r[2], r[3]])).toEqual([
      ['a', 'b@x', 2n],
      ['b', null, 9n],
    ])
  })

  it('may swap unique values through a third', async () => {
    await commit([insert(accounts, account('a', { email: '1' }), account('b', { email: '2' }))])
    await commit([
      update(accounts, 'a', { email: put('3') }),
      update(accounts, 'b', { email: put('1') }),
      update(accounts, 'a', { email: put('2') }),
    ])
    expect((await rowsOf(region.store, accounts)).map((r) => [r[1], r[2]])).toEqual([
      ['a', '2'],
      ['b', '1'],
    ])
  })

  it.each<[string, TransactionRequest['ops'], string]>([
    ['insert over a live row', [insert(accounts, account('a'))], 'ALREADY_EXISTS'],
    ['update of a missing row', [update(accounts, 'x', { balance: put(1) })], 'NOT_FOUND'],
    [
      'taken unique value',
      [insert(accounts, account('x', { email: 'a@x' }))],
      'CONSTRAINT_VIOLATED',
    ],
    [
      'update to a taken unique value',
      [update(accounts, 'b', { email: put('a@x') })],
      'CONSTRAINT_VIOLATED',
    ],
    [
      'broken condition',
      [update(accounts, 'a', {}, [{ column: 'balance', op: '>=', value: 6 }])],
      'CONDITION_FAILED',
    ],
    ['floor', [update(accounts, 'a', { balance: increment(-6, 0) })], 'CONDITION_FAILED'],
    [
      'NULL where none may be',
      [update(accounts, 'a', { balance: put(null) })],
      'CONSTRAINT_VIOLATED',
    ],
    ['text in a number', [update(accounts, 'a', { balance: put('1') })], 'CONSTRAINT_VIOLATED'],
    ['a real in an integer', [update(accounts, 'a', { balance: put(0.5) })], 'CONSTRAINT_VIOLATED'],
    [
      'an integer beyond 64 bits',
      [update(accounts, 'a', { total: put(2n ** 63n) })],
      'CONSTRAINT_VIOLATED',
    ],
    [
      'a sum beyond 64 bits',
      [
        update(accounts, 'a', { total: increment(2n ** 63n - 1n) }),
        update(accounts, 'a', { total: increment(1n) }),
      ],
      'CONSTRAINT_VIOLATED',
    ],
    ['NaN', [update(accounts, 'a', { ratio: put(Number.NaN) })], 'CONSTRAINT_VIOLATED'],
    ['a NUL in text', [update(accounts, 'a', { email: put('x\0y') })], 'CONSTRAINT_VIOLATED'],
    ['a changed key', [update(accounts, 'a', { id: put('z') })], 'CONSTRAINT_VIOLATED'],
    [
      'an unknown column',
      [
        {
          kind: 'update',
          table: accounts.id,
          key: ['a'],
          cells: [{ column: 99, op: put(1) }],
          conditions: [],
        },
      ],
      'SCHEMA_INCOMPATIBLE',
    ],
    [
      'more columns than the table has',
      [insert(accounts, [...account('x'), 1])],
      'SCHEMA_INCOMPATIBLE',
    ],
    [
      'an increment by half',
      [update(accounts, 'a', { balance: increment(0.5) })],
      'INVALID_ARGUMENT',
    ],
    [
      'rows that are none',
      [{ kind: 'insert', table: accounts.id, rows: [null as never] }],
      'INVALID_ARGUMENT',
    ],
  ])('is refused in every region alike, and the log goes on: %s', async (_name, ops, code) => {
    await commit([insert(accounts, account('a', { email: 'a@x', balance: 5 }), account('b'))])
    await expect(commit(ops)).rejects.toEqual(refusal(code))
    await commit([insert(accounts, account('after'))])
    expect(region.failures).toEqual([])
    expect(region.engine.applied()).toBe(3)
  })

  it('deletes a missing row without error, and a live one under its condition only', async () => {
    await commit([remove(accounts, 'nobody'), insert(accounts, account('a', { balance: 5 }))])
    const conditional = (value: number): TransactionRequest['ops'] => [
      {
        kind: 'delete',
        table: accounts.id,
        key: ['a'],
        conditions: [{ column: columnAt(accounts, 'balance'), op: '=', value }],
      },
    ]
    await expect(commit(conditional(4))).rejects.toEqual(refusal('CONDITION_FAILED'))
    await commit(conditional(5))
    expect(await rowsOf(region.store, accounts)).toEqual([])
  })

  it('conflicts when a row that it read has changed, appeared or gone', async () => {
    await commit([insert(accounts, account('a'), account('b'))])
    const [a, b] = [
      await versionOf(region.store, accounts, 'a'),
      await versionOf(region.store, accounts, 'b'),
    ]
    const reading = (...reads: TransactionRequest['reads']): Promise<unknown> =>
      commit([upsert(accounts, account('z'))], { reads })
    await reading(read(accounts, 'a', a), read(accounts, 'b', b), read(accounts, 'c', null))
    await commit([
      update(accounts, 'a', { balance: increment(1) }),
      remove(accounts, 'b'),
      insert(accounts, account('c')),
    ])
    await expect(reading(read(accounts, 'a', a))).rejects.toEqual(
      refusal('CONFLICT', { table: 'accounts' }),
    )
    await expect(reading(read(accounts, 'b', b))).rejects.toEqual(refusal('CONFLICT'))
    await expect(reading(read(accounts, 'c', null))).rejects.toEqual(refusal('CONFLICT'))
    // A row that comes back has another version.
    await commit([insert(accounts, account('b'))])
    await expect(reading(read(accounts, 'b', b))).rejects.toEqual(refusal('CONFLICT'))
  })

  it.each<[string, TransactionRequest['ops'], string, string]>([
    ['a table that is not there', [remove({ ...accounts, id: 999 }, 'a')], '', 'UNKNOWN_TABLE'],
    ['a global table with a tenant', [remove(accounts, 'a')], 'acme', 'TENANT_REQUIRED'],
    ['a tenant table without', [remove(sessions, 'a')], '', 'TENANT_REQUIRED'],
  ])('is refused before it is sent: %s', async (_name, ops, tenant, code) => {
    await expect(commit(ops, { tenant })).rejects.toEqual(expect.objectContaining({ code }))
    expect(region.engine.applied()).toBe(0)
  })

  it('of a tenant that strong tables may not hold is refused before it is sent (rule 22)', async () => {
    const log = new MemoryCommitLog()
    const strict = await openRegion(log, {
      admit: (tenant) =>
        tenant === 'eu-only'
          ? Promise.reject(new MeridianError('RESIDENCY_DENIED', tenant))
          : Promise.resolve(),
    })
    const request = transaction([insert(sessions, session('s', null))], { tenant: 'eu-only' })
    await expect(strict.engine.commit(request)).rejects.toEqual(
      expect.objectContaining({ code: 'RESIDENCY_DENIED' }),
    )
    expect(log.appends).toBe(0)
    await strict.engine.commit({ ...request, tenant: 'acme' })
    await strict.engine.close()
  })

  it('keeps tenants apart', async () => {
    for (const tenant of ['acme', 'other'])
      await commit([insert(sessions, session('s', null, 'seat'))], { tenant })
    expect((await rowsOf(region.store, sessions)).map((r) => r[0])).toEqual(['acme', 'other'])
  })
})
