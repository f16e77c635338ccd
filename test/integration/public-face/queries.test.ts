/** Queries with Kysely, and materialized views. */
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  codeOf,
  EU,
  failure,
  openMarket,
  writeCounts,
  type OpenMarket,
} from '../../support/market.ts'

let open: OpenMarket

beforeAll(async () => {
  open = await openMarket()
  await open.us.tenants.create({ id: 'other', home: EU })
  const { orders, stock, carts, accounts } = open.us.tenant('acme')
  await orders.insertMany([
    { id: 'o1', label: 'mon', amount: 5, at: new Date(1), paid: true, extra: { a: 1 } },
    { id: 'o2', label: 'mon', amount: 7, at: new Date(2), paid: false, wide: 2n ** 60n },
    { id: 'o3', label: 'tue', amount: 11, note: 'n' },
    { id: 'o4', label: 'tue', amount: 1 },
  ])
  await stock.insert({ place: 'o1', item: 1, count: 3 })
  await carts.insert({ id: 'o1', label: 'mon', quantity: 4, tags: ['x'], body: 'text' })
  await accounts.insert({ id: 'o1', label: 'strong', amount: 100 })
  await open.us.plans.insert({ id: 'o1', label: 'global', amount: 1000 })
  await open.us.tenant('other').orders.insert({ id: 'o1', label: 'mon', amount: 999 })
  await open.meridian.settle()
})

afterAll(() => open.meridian.close())

describe('a query', () => {
  it('gives typed values under any alias', async () => {
    const rows = await open.us
      .tenant('acme')
      .query((q) =>
        q
          .selectFrom('orders as o')
          .select(['o.id', 'o.at as moment', 'o.paid as done', 'o.wide as big', 'o.extra as more'])
          .where('o.label', '=', 'mon')
          .orderBy('o.id'),
      )
    expect(rows).toEqual([
      { id: 'o1', moment: new Date(1), done: true, big: null, more: { a: 1 } },
      { id: 'o2', moment: new Date(2), done: false, big: 2n ** 60n, more: null },
    ])
  })

  it('joins tables of every mode, and global ones, and sees one tenant alone', async () => {
    const rows = await open.us
      .tenant('acme')
      .query((q) =>
        q
          .selectFrom('orders as o')
          .innerJoin('stock as s', 's.place', 'o.id')
          .innerJoin('carts as c', 'c.id', 'o.id')
          .innerJoin('accounts as a', 'a.id', 'o.id')
          .select(['o.amount', 's.count', 'c.quantity', 'c.tags', 'c.body', 'a.label']),
      )
    expect(rows).toEqual([
      { amount: 5, count: 3, quantity: 4, tags: ['x'], body: 'text', label: 'strong' },
    ])
  })

  it('aggregates, orders and limits', async () => {
    const rows = await open.us.tenant('acme').query((q) =>
      q
        .selectFrom('orders')
        .select((e) => ['label', e.fn.sum<number>('amount').as('total'), e.fn.countAll().as('n')])
        .groupBy('label')
        .orderBy('total', 'desc')
        .orderBy('label')
        .limit(1),
    )
    expect(rows).toEqual([{ label: 'mon', total: 12, n: 2 }])
  })

  it('sees the same rows from the region of a replica', async () => {
    const count = await open.eu
      .tenant('acme')
      .query((q) => q.selectFrom('orders').select((e) => e.fn.countAll<number>().as('n')))
    expect(count).toEqual([{ n: 4 }])
  })

  it('sees its own writes at once, through views as well', async () => {
    await open.us.tenant('acme').orders.insert({ id: 'q1', label: 'wed', amount: 1 })
    const rows = await open.us
      .tenant('acme')
      .query((q) => q.selectFrom('totals').selectAll().where('label', '=', 'wed'))
    expect(rows).toEqual([{ label: 'wed', total: 1, orders: 1 }])
    await open.us.tenant('acme').orders.delete('q1')
  })

  it('converts its parameters', async () => {
    const rows = await open.us.tenant('acme').query((q) =>
      q
        .selectFrom('orders')
        .select('id')
        .where('at', '>=', new Date(2))
        .where('wide', '=', 2n ** 60n)
        .where('paid', '=', false),
    )
    expect(rows).toEqual([{ id: 'o2' }])
  })

  it('reads global tables without a tenant', async () => {
    const rows = await open.us.query((q) => q.selectFrom('plans').select(['id', 'amount']))
    expect(rows).toEqual([{ id: 'o1', amount: 1000 }])
  })
})

/** What the types refuse, and a caller without types can still send. */
interface Untyped {
  query(build: (q: never) => unknown): PromiseLike<unknown>
}

interface RawQuery {
  readonly isSelectQueryBuilder: true
  compile(): { sql: string; parameters: readonly unknown[]; query: unknown; queryId: unknown }
}

function raw(text: string, parameters: readonly unknown[] = []): RawQuery {
  const compiled = { sql: text, parameters, query: {}, queryId: {} }
  return { isSelectQueryBuilder: true, compile: () => compiled }
}

describe('a query is refused, and nothing is written,', () => {
  const acme = (): Untyped => open.us.tenant('acme') as unknown as Untyped

  it.each([
    ['a physical table', 'SELECT * FROM t1', 'QUERY_REFUSED'],
    ['a system table', 'SELECT * FROM _outbox', 'QUERY_REFUSED'],
    ['the catalogue', 'SELECT * FROM sqlite_schema', 'QUERY_REFUSED'],
    ['a schema name', 'SELECT * FROM main.orders', 'QUERY_REFUSED'],
    ['ATTACH', "ATTACH 'x.db' AS x", 'QUERY_REFUSED'],
    ['PRAGMA', 'PRAGMA journal_mode', 'QUERY_REFUSED'],
    ['an insert', "INSERT INTO orders (id) VALUES ('x')", 'QUERY_REFUSED'],
    ['a delete', 'DELETE FROM orders', 'QUERY_REFUSED'],
    ['a second statement', 'SELECT 1; DELETE FROM orders', 'QUERY_REFUSED'],
    ['an unknown table', 'SELECT * FROM nothing', 'UNKNOWN_TABLE'],
    ['an unknown column', 'SELECT nothing FROM orders', 'QUERY_FAILED'],
    ['broken SQL', 'SELEC', 'QUERY_REFUSED'],
    ['NUL in its text', "SELECT 'a\0b'", 'QUERY_REFUSED'],
    ['too few arguments', 'SELECT ?', 'INVALID_ARGUMENT'],
  ])('with %s', async (_what, text, code) => {
    const before = await writeCounts(open)
    const error = await failure(acme().query(() => raw(text)))
    expect(error.code).toBe(code)
    expect(await writeCounts(open)).toBe(before)
  })

  it.each([
    ['an object as a parameter', [{}], 'INVALID_VALUE'],
    ['undefined as a parameter', [undefined], 'INVALID_VALUE'],
    ['NaN as a parameter', [Number.NaN], 'INVALID_VALUE'],
    ['NUL in a parameter', ['a\0b'], 'INVALID_VALUE'],
    ['a lone surrogate in a parameter', ['\uDC00'], 'INVALID_VALUE'],
    ['a bigint beyond 64 bits', [2n ** 64n], 'INVALID_VALUE'],
    ['an invalid Date', [new Date(Number.NaN)], 'INVALID_VALUE'],
  ])('with %s', async (_what, parameters, code) => {
    expect(await codeOf(acme().query(() => raw('SELECT ?', parameters)))).toBe(code)
  })

  it('when Kysely is made to write after all', async () => {
    const kysely = (q: unknown): import('kysely').Kysely<{ orders: { id: string } }> => q as never
    const insert = acme().query((q) => kysely(q).insertInto('orders').values({ id: 'x' }))
    expect(await codeOf(insert)).toBe('QUERY_REFUSED')
    expect(await codeOf(acme().query((q) => kysely(q).deleteFrom('orders')))).toBe('QUERY_REFUSED')
    const inCte = acme().query((q) =>
      kysely(q)
        .with('x', (db) => db.deleteFrom('orders').returning('id'))
        .selectFrom('x')
        .selectAll(),
    )
    expect(await codeOf(inCte)).toBe('QUERY_REFUSED')
    const template = acme().query((q) =>
      kysely(q)
        .selectFrom(sql<{ id: string }>`t1`.as('o'))
        .selectAll(),
    )
    expect(await codeOf(template)).toBe('QUERY_REFUSED')
  })

  it('when the function returns no query', async () => {
    expect(await codeOf(acme().query(() => undefined))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(acme().query(() => 'SELECT 1'))).toBe('INVALID_ARGUMENT')
  })

  it('when it is of tenants and has none', async () => {
    const query = (open.us as unknown as Untyped).query(() => raw('SELECT * FROM orders'))
    expect(await codeOf(query)).toBe('TENANT_REQUIRED')
  })

  it('when its result is too large', async () => {
    const text = `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100001)
      SELECT i FROM n`
    expect(await codeOf(acme().query(() => raw(text)))).toBe('RESULT_TOO_LARGE')
  })
})

describe('a view', () => {
  it('groups, and is read whole or by group', async () => {
    const totals = open.us.tenant('acme').view('totals')
    expect(await totals.list()).toEqual([
      { label: 'mon', total: 12, orders: 2 },
      { label: 'tue', total: 12, orders: 2 },
    ])
    expect(await totals.list({ limit: 1 })).toHaveLength(1)
    expect(await totals.get({ label: 'tue' })).toEqual({ label: 'tue', total: 12, orders: 2 })
    expect(await totals.get({ label: 'none' })).toBeUndefined()
  })

  it('has a group of rows without a value', async () => {
    const notes = open.us.tenant('acme').view('notes')
    expect(await notes.get({ note: null })).toEqual({ note: null, orders: 3 })
    expect(await notes.get({ note: 'n' })).toEqual({ note: 'n', orders: 1 })
  })

  it('keeps the first rows of an order, in that order', async () => {
    expect(await open.us.tenant('acme').view('largest').list()).toEqual([
      { id: 'o3', amount: 11, at: null, paid: null },
      { id: 'o2', amount: 7, at: new Date(2), paid: false },
      { id: 'o1', amount: 5, at: new Date(1), paid: true },
    ])
  })

  it('spans tenants, global tables and eventual ones', async () => {
    expect(await open.us.view('everywhere').list()).toEqual([
      { label: 'mon', orders: 3 },
      { label: 'tue', orders: 2 },
    ])
    expect(await open.us.view('planTotals').list()).toEqual([{ label: 'global', total: 1000 }])
    expect(await open.us.tenant('acme').view('cartTotals').get({ label: 'mon' })).toEqual({
      label: 'mon',
      pieces: 4,
    })
  })

  it('holds what the session wrote, in every region', async () => {
    const session = open.us.session()
    await open.us.tenant('acme').orders.insert({ id: 'v1', label: 'new', amount: 2 }, { session })
    for (const db of [open.us, open.eu, open.ap]) {
      const totals = db.tenant('acme').view('totals')
      expect(await totals.get({ label: 'new' }, { session })).toMatchObject({ total: 2 })
    }
    await open.us.tenant('acme').orders.delete('v1', { session })
    const gone = open.ap.tenant('acme').view('totals').get({ label: 'new' }, { session })
    expect(await gone).toBeUndefined()
  })

  it('is never cut off in silence', async () => {
    await open.us.tenants.create({ id: 'many', home: 'us-east' })
    const many = open.us.tenant('many')
    const rows = (from: number, to: number): { id: string; label: string }[] =>
      Array.from({ length: to - from }, (_, i) => ({ id: `${from + i}`, label: `${from + i}` }))
    // All of it waits for the view to have seen 10,000 rows: much for a busy machine.
    const ample = { deadlineMs: 40_000 }
    await many.orders.insertMany(rows(0, 10_000), ample)
    expect(await many.view('totals').list(ample)).toHaveLength(10_000)
    await many.orders.insertMany(rows(10_000, 10_001))
    expect(await codeOf(many.view('totals').list(ample))).toBe('RESULT_TOO_LARGE')
    expect(await many.view('totals').list({ limit: 10_000, ...ample })).toHaveLength(10_000)
  })

  it('says so in its receipt', async () => {
    const totals = open.us.tenant('acme').view('totals')
    const { receipt } = await totals.list({ deadlineMs: 40_000 }).withReceipt()
    expect(receipt).toMatchObject({ source: 'view', region: 'us-east', level: 'session' })
  })

  it.each([
    [
      'a limit of 0',
      (acme: ViewCaller) => acme.view('totals').list({ limit: 0 }),
      'INVALID_ARGUMENT',
    ],
    [
      'a limit of -1',
      (acme: ViewCaller) => acme.view('totals').list({ limit: -1 }),
      'INVALID_ARGUMENT',
    ],
    [
      'a group without its column',
      (acme: ViewCaller) => acme.view('totals').get({}),
      'INVALID_VALUE',
    ],
    [
      'a group with another column',
      (acme: ViewCaller) => acme.view('totals').get({ label: 'x', day: 1 }),
      'INVALID_ARGUMENT',
    ],
    ['no group', (acme: ViewCaller) => acme.view('totals').get(null), 'INVALID_ARGUMENT'],
    [
      'a group of a top list',
      (acme: ViewCaller) => acme.view('largest').get({}),
      'INVALID_ARGUMENT',
    ],
  ])('refuses %s', async (_what, call, code) => {
    expect(await codeOf(call(open.us.tenant('acme') as unknown as ViewCaller))).toBe(code)
  })

  it('refuses names that are none of its scope', () => {
    const acme = open.us.tenant('acme') as unknown as ViewCaller
    expect(() => acme.view('nothing')).toThrow(expect.objectContaining({ code: 'UNKNOWN_VIEW' }))
    expect(() => acme.view('everywhere')).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    )
    expect(() => (open.us as unknown as ViewCaller).view('totals')).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    )
  })
})

interface ViewCaller {
  view(name: string): {
    list(options?: unknown): PromiseLike<unknown>
    get(group: unknown): PromiseLike<unknown>
  }
}
