/** SQL within strong transactions, from three regions: no write skew, no phantom, what is refused. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Database } from '../../../src/client/index.ts'
import { codeOf, failure, openMarket, type Market, type OpenMarket } from '../../support/market.ts'

let open: OpenMarket
let regions: readonly Database<Market>[]

beforeAll(async () => {
  open = await openMarket()
  regions = [open.us, open.eu, open.ap]
})
afterAll(() => open.meridian.close())

beforeEach(async () => {
  const { accounts } = open.us.tenant('acme')
  const { rows } = await accounts.list({ consistency: 'strong', limit: 10_000 })
  await open.us.tenant('acme').transaction('strong', (tx) => {
    for (const { id } of rows) tx.accounts.delete(id)
  })
})

function acme(db: Database<Market> = open.us): ReturnType<Database<Market>['tenant']> {
  return db.tenant('acme')
}

const MANY_ATTEMPTS = { maxAttempts: 200, deadlineMs: 60_000 }

describe('transactions of three regions that aggregate by SQL and write', () => {
  it('never spend more than there is', async () => {
    await acme().accounts.insert({ id: 'fund', label: 'in', amount: 10 })
    const spend = (db: Database<Market>, id: string): PromiseLike<boolean> =>
      acme(db).transaction(
        'strong',
        async (tx) => {
          const [sum] = await tx.query((q) =>
            q.selectFrom('accounts').select((x) => x.fn.sum<number>('amount').as('left')),
          )
          if ((sum?.left ?? 0) < 3) return false
          tx.accounts.insert({ id, label: 'out', amount: -3 })
          return true
        },
        MANY_ATTEMPTS,
      )
    const calls = regions.flatMap((db, at) => [0, 1].map((i) => spend(db, `${at}-${i}`)))
    const spent = (await Promise.all(calls)).filter(Boolean).length
    expect(spent).toBe(3)
    const rows = await acme().query(
      (q) => q.selectFrom('accounts').select((x) => x.fn.sum<number>('amount').as('left')),
      { consistency: 'strong' },
    )
    expect(rows).toEqual([{ left: 1 }])
  })

  it('do not both go where each may go alone (write skew)', async () => {
    await acme().accounts.insertMany([
      { id: 'a', label: 'on duty' },
      { id: 'b', label: 'on duty' },
    ])
    const leave = (db: Database<Market>, id: string): PromiseLike<boolean> =>
      acme(db).transaction(
        'strong',
        async (tx) => {
          const others = await tx.query((q) =>
            q
              .selectFrom('accounts')
              .select('id')
              .where('label', '=', 'on duty')
              .where('id', '!=', id),
          )
          if (others.length === 0) return false
          tx.accounts.update(id, { label: 'off duty' })
          return true
        },
        MANY_ATTEMPTS,
      )
    for (const db of regions) await acme(db).accounts.get('b', { consistency: 'strong' })
    const left = await Promise.all([leave(open.us, 'a'), leave(open.eu, 'b')])
    expect(left.filter(Boolean)).toHaveLength(1)
  })
})

describe('SQL within a transaction', () => {
  it('joins, groups and orders, and gives values as they are declared', async () => {
    await acme().accounts.insertMany([
      { id: 'a', label: 'x', amount: 1, at: new Date(5), paid: true, wide: 2n ** 60n },
      { id: 'b', label: 'x', amount: 4 },
      { id: 'c', label: 'y', amount: 2 },
    ])
    const seen = await acme().transaction('strong', async (tx) => ({
      pairs: await tx.query((q) =>
        q
          .selectFrom('accounts as l')
          .innerJoin('accounts as r', 'r.label', 'l.label')
          .whereRef('l.id', '<', 'r.id')
          .select(['l.id as left', 'r.id as right']),
      ),
      groups: await tx.query((q) =>
        q
          .selectFrom('accounts')
          .groupBy('label')
          .select((x) => ['label', x.fn.countAll<number>().as('n')])
          .orderBy('label'),
      ),
      first: await tx.query((q) =>
        q.selectFrom('accounts').selectAll().orderBy('amount').orderBy('id').limit(1),
      ),
    }))
    expect(seen.pairs).toEqual([{ left: 'a', right: 'b' }])
    expect(seen.groups).toEqual([
      { label: 'x', n: 2 },
      { label: 'y', n: 1 },
    ])
    expect(seen.first).toMatchObject([{ id: 'a', at: new Date(5), paid: true, wide: 2n ** 60n }])
  })

  it('decrypts what is selected', async () => {
    await open.us.secrets.upsert({ id: 'sql', value: 7n })
    const rows = await open.us.transaction('strong', (tx) =>
      tx.query((q) => q.selectFrom('secrets').select(['id', 'value']).where('id', '=', 'sql')),
    )
    expect(rows).toEqual([{ id: 'sql', value: 7n }])
  })

  it('runs fn again when its result is another, and names it when that comes too often', async () => {
    await acme().accounts.insert({ id: 'a', label: 'x', amount: 1 })
    let runs = 0
    const count = (maxAttempts: number): PromiseLike<unknown> =>
      acme().transaction(
        'strong',
        async (tx) => {
          runs += 1
          await tx.accounts.get('nobody')
          const [row] = await tx.query((q) =>
            q.selectFrom('accounts').select((x) => x.fn.countAll<number>().as('n')),
          )
          if (runs < 3) await acme().accounts.insert({ id: `more${runs}`, label: 'x' })
          tx.accounts.insert({ id: `count${runs}`, label: 'y', amount: row?.n ?? 0 })
        },
        { maxAttempts },
      )
    const error = await failure(count(2))
    expect(error).toMatchObject({ code: 'CONFLICT', retry: 'safe' })
    expect(error.details['conflicts']).toEqual([
      { table: 'accounts', place: 1, query: expect.stringMatching(/^select count\(\*\)/) },
    ])
    await count(2)
    expect(await acme().accounts.get('count3')).toMatchObject({ amount: 3 })
  })
})

describe('SQL is refused', () => {
  it('of a table that the transaction has written, and not of one that it writes later', async () => {
    const call = acme().transaction('strong', async (tx) => {
      tx.accounts.insert({ id: 'own', label: 'x' })
      await tx.query((q) => q.selectFrom('accounts').select('id'))
    })
    const error = await failure(call)
    expect(error).toMatchObject({ code: 'QUERY_REFUSED', details: { table: 'accounts' } })
    expect(error.fix).toMatch(/before the first write/)
    await acme().transaction('strong', async (tx) => {
      await tx.query((q) => q.selectFrom('accounts').select('id'))
      tx.accounts.insert({ id: 'own', label: 'x' })
    })
    expect(await acme().accounts.get('own')).toBeDefined()
  })

  it('that would not give the same in every region, with what it is and what to do', async () => {
    const call = acme().transaction('strong', (tx) =>
      tx.query((q) => q.selectFrom('accounts').select('id').orderBy('amount').limit(1)),
    )
    const error = await failure(call)
    expect(error).toMatchObject({
      code: 'QUERY_REFUSED',
      details: { kind: 'a LIMIT that leaves ties' },
    })
    expect(error.fix).toMatch(/primary key/)
  })

  it.each(['orders', 'plans', 'totals'])('over %s: no strong table of its scope', async (name) => {
    const call = acme().transaction('strong', (tx) =>
      tx.query((q) => q.selectFrom(name as 'accounts').select('label')),
    )
    expect(await failure(call)).toMatchObject({
      code: 'QUERY_REFUSED',
      details: { kind: `the table ${name}` },
    })
  })

  it.each(['pinned', 'eventual'] as const)('in %s transactions, with what to do', async (mode) => {
    const call = acme().transaction(mode, async (tx) => {
      const queries = tx as unknown as { query(build: () => unknown): Promise<unknown> }
      await queries.query(() => undefined)
    })
    const error = await failure(call)
    expect(error.code).toBe('MODE_MISMATCH')
    expect(error.fix).toMatch(/by key/)
  })

  it('when there is too much of it', async () => {
    const rows = Array.from({ length: 1001 }, (_, i) => ({ id: `n${i}`, label: 'many' }))
    await acme().accounts.insertMany(rows)
    const query = (times: number, label: string): PromiseLike<unknown> =>
      acme().transaction('strong', async (tx) => {
        for (let i = 0; i < times; i++) {
          await tx.query((q) => q.selectFrom('accounts').select('id').where('label', '=', label))
        }
      })
    expect(await codeOf(query(1, 'many'))).toBe('RESULT_TOO_LARGE')
    expect(await codeOf(query(9, 'none'))).toBe('TRANSACTION_TOO_LARGE')
    await query(8, 'none')
  })
})
