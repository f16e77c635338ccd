import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MeridianError, type ErrorCode } from '../../../src/core/errors.ts'
import { MAX_SQL_LENGTH } from '../../../src/core/limits.ts'
import type { SqlRow, SqlValue } from '../../../src/core/values.ts'
import {
  queryColumns,
  queryError,
  queryReads,
  queryRows,
  scopeQuery,
  type QueryColumn,
  type QueryScope,
} from '../../../src/sql/scope-query.ts'
import { insertRows } from '../../../src/sql/write-rows.ts'
import type { MemoryStore } from '../../support/memory-store.ts'
import { imageOf, openShop, rowsOf, shop, shopTable } from '../../support/shop.ts'

const NOW_MS = 1000
const orders = shopTable('orders')
const plans = shopTable('plans')
let store: MemoryStore

beforeEach(async () => {
  store = await openShop()
  const order = (tenant: string, id: string, more: object = {}): object => ({ tenant, id, ...more })
  const rows = [
    order('a', 'o1', { day: 'mon', amount: 5, total: 2n ** 60n, expiresAt: new Date(NOW_MS + 1) }),
    order('a', 'o2', { day: 'tue', amount: 7 }),
    order('a', 'gone', { day: 'tue', amount: 100, expiresAt: new Date(NOW_MS) }),
    order('b', 'o1', { day: 'mon', amount: 1000 }),
  ].map((row) => {
    const { tenant, ...columns } = row as { tenant: string }
    return { tenant, image: imageOf('orders', columns), version: 'v', epoch: 1 }
  })
  const cart = (id: string, visible: number): Parameters<typeof insertRows>[1][number] => ({
    tenant: 'a',
    image: imageOf('carts', { id, title: 't' }),
    version: 'v',
    epoch: 0,
    merge: [new Uint8Array(), visible, null],
  })
  const plan = imageOf('plans', { id: 'pro', priceCents: 900, t1: 'column' })
  await store.write([
    insertRows(orders, rows),
    insertRows(shopTable('carts'), [cart('shown', 1), cart('deleted', 0)]),
    insertRows(plans, [{ tenant: '', image: plan, version: 'v', epoch: 0 }]),
  ])
})
afterEach(() => store.close())

function scope(tenant: string): QueryScope {
  return {
    schema: shop,
    tenant,
    nowMs: () => NOW_MS,
    viewSource: (view, of, nowMs) => ({
      sql: `SELECT v.g0, v.a0, ${nowMs} + ? -- a comment?
        FROM v${view.id} v WHERE v.tenant = ? AND v.g0 <> 'no?'`,
      args: [1, of],
    }),
  }
}

async function run(
  sql: string,
  args: readonly SqlValue[] = [],
  tenant = 'a',
): Promise<{ rows: readonly SqlRow[]; columns: readonly QueryColumn[] }> {
  const query = scopeQuery(scope(tenant), sql, args)
  const described = await store.query(query.statement)
  const columns = queryColumns(shop, query, described.columns)
  return { rows: queryRows(shop, columns, described.rows), columns }
}

function codeOf(sql: string, args: readonly SqlValue[] = [], tenant = 'a'): ErrorCode | 'none' {
  try {
    scopeQuery(scope(tenant), sql, args)
    return 'none'
  } catch (error) {
    if (error instanceof MeridianError) return error.code
    throw error
  }
}

describe('a query reads only what its tenant may see', () => {
  test.each([
    ['SELECT id FROM orders ORDER BY id', [['o1'], ['o2']]],
    ['select ORDERS.id from Orders order by 1', [['o1'], ['o2']]],
    ['SELECT id FROM "orders" o WHERE o."day" = \'mon\'', [['o1']]],
    ['SELECT `plans`.id, count(*) FROM [orders], `plans`', [['pro', 2]]],
    ['SELECT sum(amount) FROM orders', [[12]]],
    ['SELECT id FROM carts', [['shown']]],
    ['SELECT a.id, b.id FROM orders a JOIN orders b ON a.id < b.id', [['o1', 'o2']]],
    ['SELECT p.id, o.id FROM plans p LEFT JOIN orders o ON o.amount > 6', [['pro', 'o2']]],
    ['SELECT id FROM orders WHERE id IN (SELECT max(id) FROM orders)', [['o2']]],
    ['SELECT id FROM orders UNION ALL SELECT id FROM plans ORDER BY 1', [['o1'], ['o2'], ['pro']]],
    [
      'SELECT day, row_number() OVER w FROM orders WINDOW w AS (ORDER BY day), v AS (ORDER BY id)',
      [
        ['mon', 1],
        ['tue', 2],
      ],
    ],
    ['WITH big AS (SELECT * FROM orders WHERE amount > 6) SELECT id FROM big', [['o2']]],
    ['WITH x(n) AS (VALUES (1)), y AS (SELECT n + 1 AS n FROM x) SELECT n FROM y', [[2]]],
    [
      'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT count(*), max(id) FROM n, orders',
      [[6, 'o2']],
    ],
    ['SELECT (WITH z AS (SELECT max(amount) m FROM orders) SELECT m FROM z)', [[7]]],
    ["SELECT value FROM orders o, json_each('[1,2]') WHERE o.id = 'o1'", [[1], [2]]],
    [
      'VALUES (1, 2), (3, 4)',
      [
        [1, 2],
        [3, 4],
      ],
    ],
    ['SELECT 1;', [[1]]],
    ['SELECT id /* FROM t1 ; */ FROM orders -- FROM t1\nWHERE amount = 5', [['o1']]],
    ["SELECT 'FROM t1; DROP' FROM plans", [['FROM t1; DROP']]],
    ['SELECT id FROM (orders) WHERE amount IS NOT DISTINCT FROM 7', [['o2']]],
    ["SELECT id FROM ((orders NATURAL JOIN (SELECT 'o1' AS id)))", [['o1']]],
    ["SELECT CAST(amount AS DECIMAL(10, 2)) FROM orders WHERE id = 'o1'", [[5]]],
    ['SELECT t1 FROM plans', [['column']]],
  ])('%s', async (sql, expected) => {
    expect((await run(sql)).rows).toEqual(expected)
  })

  test('global tables are read with and without a tenant, tables of tenants only with one', async () => {
    expect((await run('SELECT id FROM plans', [], '')).rows).toEqual([['pro']])
    expect(codeOf('SELECT id FROM orders', [], '')).toBe('TENANT_REQUIRED')
    expect(codeOf('SELECT * FROM revenue', [], '')).toBe('TENANT_REQUIRED')
  })

  test('a view is read through its own SQL, with its own arguments and its public names', async () => {
    const view = shop.viewByName.get('revenue')
    const v = `v${view?.id}`
    await store.write([
      { sql: `CREATE TABLE ${v} (tenant TEXT, g0 TEXT, a0 INTEGER) STRICT`, args: [] },
      {
        sql: `INSERT INTO ${v} VALUES ('a', 'mon', 5), ('a', 'no?', 1), ('b', 'mon', 1000)`,
        args: [],
      },
    ])
    const sql = 'SELECT r.day AS d, total, orders, ?2 FROM revenue r WHERE total <> ?1'
    const { rows, columns } = await run(sql, ['x', 'mine'])
    expect(rows).toEqual([['mon', 5, NOW_MS + 1, 'mine']])
    const of = (name: string): object => ({
      table: orders.id,
      column: orders.columnByName.get(name)?.id,
    })
    const nothing = { table: null, column: null }
    expect(columns).toEqual([
      { name: 'd', ...of('day') },
      { name: 'total', ...of('amount') },
      { name: 'orders', ...nothing },
      { name: '?2', ...nothing },
    ])
  })
})

describe('parameters', () => {
  test('keep their order beside those of the scope', async () => {
    const sql = 'SELECT id, ? FROM orders WHERE amount >= ? AND amount <= ?1'
    expect((await run(sql, [7, 6])).rows).toEqual([['o2', 7]])
  })

  test('must be as many as the arguments', () => {
    expect(codeOf('SELECT ?', [])).toBe('INVALID_ARGUMENT')
    expect(codeOf('SELECT ?', [1, 2])).toBe('INVALID_ARGUMENT')
    expect(codeOf('SELECT ?3', [1, 2])).toBe('INVALID_ARGUMENT')
    expect(codeOf('SELECT ?0', [])).toBe('INVALID_ARGUMENT')
  })
})

describe('refused as QUERY_REFUSED', () => {
  test.each([
    'PRAGMA table_info(orders)',
    "ATTACH 'x' AS y",
    'DETACH y',
    'VACUUM',
    'BEGIN',
    'COMMIT',
    'EXPLAIN SELECT 1',
    'CREATE TABLE x (a)',
    "INSERT INTO orders VALUES ('x')",
    'UPDATE orders SET amount = 1',
    'DELETE FROM orders',
    'REPLACE INTO orders VALUES (1)',
    'WITH x AS (SELECT 1) DELETE FROM orders',
    'WITH x AS (SELECT 1) INSERT INTO orders SELECT 1',
    'WITH x AS (DELETE FROM orders RETURNING *) SELECT * FROM x',
    'SELECT 1; SELECT 2',
    'SELECT 1;;',
    '',
    '-- nothing',
    'SELECT * FROM t1',
    'SELECT * FROM "T1"',
    'SELECT * FROM [t1]',
    'SELECT * FROM `t1`',
    "SELECT * FROM 't1'",
    "SELECT * FROM 'orders'",
    'SELECT * FROM v1',
    'SELECT * FROM m1',
    'SELECT * FROM _outbox',
    'SELECT * FROM _Tenants',
    'SELECT * FROM sqlite_master',
    'SELECT * FROM sqlite_schema',
    'SELECT * FROM orders, _outbox',
    'SELECT * FROM orders JOIN _outbox',
    'SELECT * FROM (orders, (_outbox))',
    "SELECT 1 WHERE 'x' IN _outbox",
    "SELECT 1 WHERE 'x' NOT IN sqlite_master",
    "SELECT 1 WHERE 'x' IN 't1'",
    'SELECT * FROM main.orders',
    'SELECT * FROM main . orders',
    'SELECT * FROM "temp".orders',
    'SELECT * FROM other.orders',
    'SELECT main.orders.id FROM orders',
    'SELECT temp.id FROM orders temp',
    "SELECT * FROM pragma_table_info('t1')",
    'SELECT * FROM orders, pragma_table_list',
    "SELECT load_extension('x')",
    `SELECT "load_extension"('x')`,
    `SELECT [readfile] ('/etc/passwd')`,
    "SELECT writefile('x', 'y') FROM orders",
    "SELECT edit('x')",
    'SELECT fts3_tokenizer(1)',
    'SELECT zeroblob(1000000000)',
    'SELECT randomblob(9)',
    'SELECT sqlite_version()',
    'SELECT * FROM generate_series(1, 10)',
    "SELECT * FROM vector_top_k('i', 1, 1)",
    'WITH orders AS (SELECT 1) SELECT * FROM orders',
    'WITH "ORDERS" AS (SELECT 1) SELECT * FROM plans',
    'SELECT (WITH revenue AS (SELECT 1) SELECT 1)',
    'WITH t1 AS (SELECT 1) SELECT * FROM t1',
    'WITH json_each AS (SELECT 1) SELECT * FROM json_each',
    'SELECT * FROM orders WHERE id = :id',
    'SELECT * FROM orders WHERE id = @id',
    'SELECT * FROM orders WHERE id = $id',
    "SELECT 'unclosed",
    'SELECT "unclosed',
    'SELECT /* unclosed',
    'SELECT (1',
    'SELECT 1)',
    'SELECT 1 # 2',
    'SELECT \ufeff1',
    'SELECT \0',
    "SELECT '\ud800'",
    "SELECT 'a' REGEXP 'b'",
    "SELECT 'a' MATCH 'b'",
    `SELECT ${'('.repeat(200)}1${')'.repeat(200)}`,
    `SELECT '${'x'.repeat(MAX_SQL_LENGTH)}'`,
  ])('%s', (sql) => {
    expect(codeOf(sql)).toBe('QUERY_REFUSED')
  })

  test('naming what was found, where, and what to do', () => {
    expect(() => queryReads(shop, 'a', 'SELECT 1 FROM  _outbox')).toThrow(
      expect.objectContaining({
        details: { kind: "the internal name '_outbox'", at: 15 },
        fix: 'Use the names of the schema.',
      }),
    )
  })
})

describe('names that look allowed and are not', () => {
  // Tables that are in every database and that no name pattern covers.
  test.each([
    'SELECT * FROM dbstat',
    'SELECT * FROM orders window, dbstat',
    'SELECT * FROM orders "window" , dbstat',
    'SELECT * FROM orders \u017felect, dbstat',
    'SELECT (WITH dbstat AS (SELECT 1) SELECT 1 FROM dbstat) FROM dbstat',
    'WITH "fts3to\u212aenize" AS (SELECT 1) SELECT * FROM fts3tokenize',
    'SELECT * FROM (SELECT 1), dbstat',
    'SELECT * FROM orders ON 1, dbstat',
    'SELECT * FROM (SELECT 1 WHERE 1), (dbstat)',
    'SELECT 1 UNION SELECT name FROM dbstat',
    'SELECT 1 IN dbstat',
  ])('%s', (sql) => {
    expect(codeOf(sql)).toBe('UNKNOWN_TABLE')
  })
})

describe('what a query reads', () => {
  test('is every public name where a table stands, and nothing else', () => {
    const sql =
      "SELECT plans, 'carts' FROM orders AS carts, (SELECT * FROM revenue) WHERE stock IS NULL"
    const { tables, views } = queryReads(shop, 'a', sql)
    expect(tables.map((t) => t.name)).toEqual(['orders'])
    expect(views.map((v) => v.name)).toEqual(['revenue'])
  })
})

describe('result columns', () => {
  test('know their column through aliases, subqueries, user expressions and unions', async () => {
    const amount = { table: orders.id, column: orders.columnByName.get('amount')?.id }
    for (const sql of [
      'SELECT amount AS x FROM orders',
      'SELECT o.amount AS x FROM orders o JOIN plans p',
      'SELECT x FROM (SELECT amount AS x FROM orders)',
      'WITH c AS (SELECT amount AS x FROM orders) SELECT x FROM c ORDER BY 1',
      'SELECT amount AS x FROM orders UNION SELECT amount FROM orders',
      'SELECT x FROM (SELECT amount AS x, row_number() OVER () FROM orders)',
    ]) {
      expect((await run(sql)).columns).toEqual([{ name: 'x', ...amount }])
    }
    expect((await run('SELECT amount + 1 AS x FROM orders')).columns).toEqual([
      { name: 'x', table: null, column: null },
    ])
  })

  test('give 64-bit columns as bigint, other integers as numbers while those are exact', async () => {
    const sql = "SELECT total, amount, total + 0, amount * 2 FROM orders WHERE id = 'o1'"
    expect((await run(sql)).rows).toEqual([[2n ** 60n, 5, 2n ** 60n, 10]])
  })
})

describe('the plan', () => {
  async function plan(sql: string, args: readonly SqlValue[] = []): Promise<string> {
    const { statement } = scopeQuery(scope('a'), sql, args)
    const rows = await rowsOf(store, { ...statement, sql: `EXPLAIN QUERY PLAN ${statement.sql}` })
    return rows.map((row) => String(row[3])).join('\n')
  }

  test('of a read by key or by index seeks, under joins and a name used twice too', async () => {
    const key = `c${orders.primaryKey[0]?.id}`
    expect(await plan('SELECT * FROM orders WHERE id = ?', ['o1'])).toContain(
      `(tenant=? AND ${key}=?)`,
    )
    const day = `c${orders.columnByName.get('day')?.id}`
    expect(await plan('SELECT * FROM orders WHERE day = ?', ['x'])).toContain(
      `tenant=? AND ${day}=?`,
    )
    const joined = await plan(
      'SELECT * FROM orders a LEFT JOIN orders b ON b.id = a.day WHERE a.id = ?',
      ['x'],
    )
    expect(joined).not.toContain('MATERIALIZE')
    expect(joined.match(new RegExp(`tenant=\\? AND ${key}=\\?`, 'g'))).toHaveLength(2)
  })
})

test('an error of the text itself is QUERY_FAILED with the words of the engine', async () => {
  const failure = (sql: string): Promise<unknown> => run(sql).catch(queryError)
  for (const [sql, words] of [
    ['SELECT absent FROM orders', 'no such column: absent'],
    ['SELECT FROM orders', 'syntax error'],
    ["SELECT json('{') FROM orders", 'malformed JSON'],
  ] as const) {
    const message = expect.stringContaining(words) as string
    expect(await failure(sql)).toMatchObject({ code: 'QUERY_FAILED', retry: 'never', message })
  }
  const other = new Error('other')
  expect(queryError(other)).toBe(other)
})
