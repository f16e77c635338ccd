/** What an unmodified client of libSQL can do, over HTTP and over WebSockets alike. */
import type { Client, InStatement } from '@libsql/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openEndpoint, type EndpointWorld } from './endpoint-world.ts'

let world: EndpointWorld

beforeAll(async () => {
  world = await openEndpoint({ limits: { maxTransactionMs: 60_000 } })
  const { us, meridian } = world.market
  await us.tenant('acme').orders.insertMany([
    { id: 'a', label: 'x', amount: 3, wide: 2n ** 62n + 1n, paid: true, weight: 1.5 },
    { id: 'b', label: 'y', amount: 4, photo: new Uint8Array([0, 255]), extra: { a: 1 } },
    { id: 'c', label: 'x', amount: 5 },
  ])
  await us.tenant('acme').stock.insert({ place: 'p', item: 7, count: 1 })
  await us.tenant('acme').residents.insert({ id: 'r', name: 'Ada', street: 'Main' })
  await us.plans.insert({ id: 'pro', label: 'Pro' })
  await meridian.settle()
  // The views hold the rows once a client's own read of them, which waits for that, has.
  await us.tenant('acme').view('totals').list()
})
afterAll(() => world[Symbol.asyncDispose]())

async function codeOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => 'none',
    (error: unknown) => (error as { code?: unknown }).code,
  )
}

async function rowsOf(client: Client, statement: InStatement): Promise<unknown[][]> {
  const { rows } = await client.execute(statement)
  return rows.map((row) => Array.from({ length: row.length }, (_, i) => row[i]))
}

describe.each(['http', 'ws'] as const)('over %s', (scheme) => {
  test('rows come with their values, names and declared types', async () => {
    const client = world.client('acme', { scheme })
    const sql = 'SELECT id, paid, weight, photo, extra, count(*) OVER () FROM orders ORDER BY id'
    const { columns, columnTypes, rows } = await client.execute(sql)
    expect(columns).toEqual(['id', 'paid', 'weight', 'photo', 'extra', 'count(*) OVER ()'])
    expect(columnTypes).toEqual(['TEXT', 'BOOLEAN', 'REAL', 'BLOB', 'JSON', ''])
    expect([rows[0]?.['id'], rows[0]?.['paid'], rows[0]?.[2]]).toEqual(['a', 1, 1.5])
    expect(new Uint8Array(rows[1]?.['photo'] as ArrayBuffer)).toEqual(new Uint8Array([0, 255]))
    expect(JSON.parse(rows[1]?.['extra'] as string)).toEqual({ a: 1 })
  })

  test('64-bit integers come and go exactly', async () => {
    const client = world.client('acme', { scheme, intMode: 'bigint' })
    const wide = 2n ** 62n + 1n
    const sql = 'SELECT wide, ?1 - 1 FROM orders WHERE wide = ?1'
    expect(await rowsOf(client, { sql, args: [wide] })).toEqual([[wide, wide - 1n]])
  })

  test('parameters are positional or named, by any sigil', async () => {
    const client = world.client('acme', { scheme })
    const sql = `SELECT id FROM orders WHERE amount >= :least AND label = @label
      ORDER BY id LIMIT $most`
    const args = { least: 3, label: 'x', $most: 1 }
    expect(await rowsOf(client, { sql, args })).toEqual([['a']])
    expect(await rowsOf(client, { sql: 'SELECT ?, ?2, ?', args: [1, 'b', null] })).toEqual([
      [1, 'b', null],
    ])
    expect(await codeOf(client.execute({ sql: 'SELECT :a', args: { b: 1 } }))).toBe(
      'INVALID_ARGUMENT',
    )
    expect(await codeOf(client.execute({ sql: 'SELECT ?', args: [] }))).toBe('INVALID_ARGUMENT')
  })

  test('numbers keep the type that SQL gives them elsewhere', async () => {
    const client = world.client('acme', { scheme })
    const sql = "SELECT typeof(?), typeof(?), ? / 2, ? = 'a', ? = amount FROM orders WHERE id = 'a'"
    expect(await rowsOf(client, { sql, args: [5, 5n, 5, 'a', 3] })).toEqual([
      ['real', 'integer', 2.5, 1, 1],
    ])
  })

  test('a read batch and a transaction see one snapshot, whatever is written meanwhile', async () => {
    const client = world.client('acme', { scheme })
    const orders = world.market.us.tenant('acme').orders
    const transaction = await client.transaction('read')
    const count = 'SELECT count(*) AS n FROM orders'
    const before = (await transaction.execute(count)).rows[0]?.['n']
    await orders.insert({ id: `later-${scheme}`, label: 'z' })
    expect((await transaction.execute(count)).rows[0]?.['n']).toBe(before)
    const [first, second] = await transaction.batch([count, { sql: 'SELECT ? AS x', args: [1n] }])
    expect([first?.rows[0]?.['n'], second?.rows[0]?.['x']]).toEqual([before, 1])
    await transaction.commit()
    const [after] = await client.batch([count], 'read')
    expect(after?.rows[0]?.['n']).toBe(Number(before) + 1)
    await orders.delete(`later-${scheme}`)
  })

  test('several statements run in turn; their rows are dropped', async () => {
    const client = world.client('acme', { scheme })
    await client.executeMultiple('BEGIN; SELECT 1; SAVEPOINT s; RELEASE s; SELECT 2; COMMIT;')
    expect(await codeOf(client.executeMultiple('SELECT 1; DROP TABLE orders'))).toBe(
      'SQL_READ_ONLY',
    )
  })

  test.each([
    ["INSERT INTO orders (id) VALUES ('x')", 'SQL_READ_ONLY'],
    ['UPDATE orders SET amount = 0', 'SQL_READ_ONLY'],
    ['DELETE FROM orders', 'SQL_READ_ONLY'],
    ["ATTACH 'x.db' AS x", 'SQL_READ_ONLY'],
    ['VACUUM', 'SQL_READ_ONLY'],
    ['BEGIN IMMEDIATE', 'SQL_READ_ONLY'],
    ['COMMIT', 'SQLITE_ERROR'],
    ['PRAGMA journal_mode', 'QUERY_REFUSED'],
    ['EXPLAIN QUERY PLAN SELECT * FROM orders', 'QUERY_REFUSED'],
    ['SELECT * FROM t1', 'QUERY_REFUSED'],
    ['SELECT * FROM nothing', 'UNKNOWN_TABLE'],
    ['SELECT nothing FROM orders', 'QUERY_FAILED'],
    ["SELECT load_extension('x')", 'QUERY_REFUSED'],
    ['SELECT 1; SELECT 2', 'QUERY_REFUSED'],
    ['SELECT * FROM everywhere', 'QUERY_REFUSED'],
  ])('%s is %s, and the connection goes on', async (sql, code) => {
    const client = world.client('acme', { scheme })
    expect(await codeOf(client.execute(sql))).toBe(code)
    expect(await rowsOf(client, 'SELECT 1')).toEqual([[1]])
  })

  test('a transaction to write is refused, with what to do instead', async () => {
    const client = world.client('acme', { scheme })
    const begin = client.batch(['SELECT 1'], 'write')
    await expect(begin).rejects.toThrow(/only reads.*Meridian's client/)
  })

  test('tables and views are found as any tool looks for them', async () => {
    const client = world.client('acme', { scheme })
    const named = (type: string): Promise<unknown[][]> =>
      rowsOf(client, { sql: 'SELECT name FROM sqlite_master WHERE type = ?', args: [type] })
    expect((await named('table')).flat()).toContain('orders')
    expect((await named('view')).flat()).toContain('totals')
    const info = [
      [0, 'place', 'TEXT', 1, null, 1],
      [1, 'item', 'INTEGER', 1, null, 2],
      [2, 'count', 'INTEGER', 1, null, 0],
    ]
    expect(await rowsOf(client, 'PRAGMA table_info(stock)')).toEqual(info)
    expect(await rowsOf(client, 'PRAGMA main.table_info("STOCK");')).toEqual(info)
    expect(await rowsOf(client, "SELECT * FROM pragma_table_info('stock')")).toEqual(info)
    const create = "SELECT sql FROM sqlite_schema WHERE name = 'stock'"
    expect(await rowsOf(client, create)).toEqual([
      [
        'CREATE TABLE "stock" ("place" TEXT NOT NULL, "item" INTEGER NOT NULL, "count" INTEGER NOT NULL, PRIMARY KEY ("place", "item"))',
      ],
    ])
  })

  test('views are read as tables are', async () => {
    const client = world.client('acme', { scheme })
    const sql =
      "SELECT t.label, total FROM totals t JOIN orders o ON o.label = t.label AND o.id = 'b'"
    expect(await rowsOf(client, sql)).toEqual([['y', 4]])
  })

  test('encrypted columns are the bytes of their ciphertext', async () => {
    const client = world.client('acme', { scheme })
    const { rows, columnTypes } = await client.execute('SELECT name, street FROM residents')
    expect(columnTypes).toEqual(['BLOB', 'TEXT'])
    expect(rows[0]?.['street']).toBe('Main')
    expect(rows[0]?.['name']).toBeInstanceOf(ArrayBuffer)
    expect(new TextDecoder('latin1').decode(rows[0]?.['name'] as ArrayBuffer)).not.toContain('Ada')
  })

  test('the global scope has its own tables and none of a tenant', async () => {
    const client = world.client('', { scheme })
    expect(await rowsOf(client, 'SELECT id FROM plans')).toEqual([['pro']])
    const names = (await rowsOf(client, 'SELECT name FROM sqlite_schema')).flat()
    expect(names).toEqual(['plans', 'posts', 'secrets', 'everywhere', 'planTotals'])
    expect(await codeOf(client.execute('SELECT * FROM orders'))).toBe('TENANT_REQUIRED')
  })

  test('a row is absent from the instant at which it expires', async () => {
    const { us, meridian } = world.market
    const client = world.client('acme', { scheme })
    const expiresAt = new Date(meridian.clock.nowMs() + 60_000)
    const id = `ttl-${scheme}`
    await us.tenant('acme').orders.insert({ id, label: id, expiresAt })
    const rows = { sql: 'SELECT count(*) FROM orders WHERE id = ?', args: [id] }
    const groups = { sql: 'SELECT count(*) FROM totals WHERE label = ?', args: [id] }
    await us.tenant('acme').view('totals').list()
    expect(await rowsOf(client, rows)).toEqual([[1]])
    expect(await rowsOf(client, groups)).toEqual([[1]])
    meridian.clock.advance(60_000)
    expect(await rowsOf(client, rows)).toEqual([[0]])
    expect(await rowsOf(client, groups)).toEqual([[0]])
    expect((await client.batch([rows, groups], 'read')).map(({ rows: [row] }) => row?.[0])).toEqual(
      [0, 0],
    )
  })
})

test('a text is described with its parameters and columns, without being run', async () => {
  const url = new URL('v3/pipeline', world.url('acme'))
  const sql = 'SELECT o.id, o.id, amount AS a, :x + ? FROM orders o WHERE id = :x AND 1/0'
  const body = JSON.stringify({ requests: [{ type: 'describe', sql }, { type: 'close' }] })
  const answer = await fetch(url, {
    method: 'POST',
    headers: { authorization: 'Bearer all' },
    body,
  })
  const { results } = (await answer.json()) as { results: { response: { result: unknown } }[] }
  expect(results[0]?.response.result).toEqual({
    params: [{ name: ':x' }, { name: null }],
    cols: [
      { name: 'id', decltype: 'TEXT' },
      { name: 'id', decltype: 'TEXT' },
      { name: 'a', decltype: 'INTEGER' },
      { name: ':x + ?', decltype: null },
    ],
    is_explain: false,
    is_readonly: true,
  })
})

test('strong reads are served where they can be and refused where they cannot', async () => {
  const ask = async (region: string, sql: string): Promise<string> => {
    const body = JSON.stringify({ requests: [{ type: 'execute', stmt: { sql } }] })
    const headers = { authorization: 'Bearer all', 'meridian-consistency': 'strong' }
    const url = new URL('v3/pipeline', world.url('acme', region))
    const answer = await (await fetch(url, { method: 'POST', headers, body })).text()
    return /"code":"(\w+)"/.exec(answer)?.[1] ?? 'served'
  }
  expect(await ask('us-east', 'SELECT count(*) FROM orders')).toBe('served')
  expect(await ask('eu-west', 'SELECT count(*) FROM orders')).toBe('NOT_HOME')
  expect(await ask('eu-west', 'SELECT count(*) FROM plans')).toBe('served')
  expect(await ask('us-east', 'SELECT count(*) FROM carts')).toBe('MODE_MISMATCH')
  expect(await ask('us-east', 'BEGIN')).toBe('QUERY_REFUSED')
})
