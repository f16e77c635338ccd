/** User SQL, mutated and hostile: it never crashes the scoper, writes, or shows a foreign row. */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { isErrorCode } from '../../src/core/errors.ts'
import { StatementFailed } from '../../src/core/ports/store.ts'
import type { SqlRow, SqlValue } from '../../src/core/values.ts'
import { catalogScope } from '../../src/sql/catalog.ts'
import type { QuerySurface } from '../../src/sql/parse-query.ts'
import { queryReads, scopeQuery } from '../../src/sql/scope-query.ts'
import { tokenize } from '../../src/sql/tokens.ts'
import { insertRows } from '../../src/sql/write-rows.ts'
import type { MemoryStore } from '../support/memory-store.ts'
import { dressedAttacks, EXTREME_TEXTS, SQL_ATTACKS } from '../support/sql-attacks.ts'
import { imageOf, openShop, rowsOf, shop, shopTable } from '../support/shop.ts'

const STATEMENTS = Number(process.env['STATEMENTS'] ?? 10_000)
const NOW_MS = 1000
const FOREIGN = 'FOREIGN'
const FOREIGN_NUMBER = 666_001

let store: MemoryStore
let before: unknown

beforeAll(async () => {
  store = await openShop()
  const orders = ['a', 'b'].flatMap((tenant) =>
    [1, 2, 3].map((n) => {
      const own = tenant === 'a' && n < 3
      const image = imageOf('orders', {
        id: own ? `o${n}` : `${FOREIGN}-${n}`,
        day: own ? 'mon' : FOREIGN,
        amount: own ? n : FOREIGN_NUMBER,
        expiresAt: tenant === 'a' && n === 3 ? new Date(NOW_MS) : null,
      })
      return { tenant, image, version: 'v', epoch: 1 }
    }),
  )
  const carts = ['shown', FOREIGN].map((id, i) => ({
    tenant: 'a',
    image: imageOf('carts', { id, title: id }),
    version: 'v',
    epoch: 0,
    merge: [new Uint8Array(), 1 - i, null],
  }))
  const plan = {
    tenant: '',
    image: imageOf('plans', { id: 'pro', priceCents: 9 }),
    version: 'v',
    epoch: 0,
  }
  await store.write([
    insertRows(shopTable('orders'), orders),
    insertRows(shopTable('carts'), carts),
    insertRows(shopTable('plans'), [plan]),
  ])
  before = await fingerprint()
})
afterAll(() => store.close())

async function fingerprint(): Promise<unknown> {
  const sql = `SELECT (SELECT group_concat(name || coalesce(sql, '')) FROM sqlite_schema),
    (SELECT count(*) || max(seq) FROM _outbox), (SELECT group_concat(c1 || coalesce(c3, '')) FROM t1)`
  return rowsOf(store, { sql, args: [] })
}

/** Runs a statement as tenant 'a'; undefined: it was refused, as it should be, with a typed error. */
async function run(
  sql: string,
  args: readonly SqlValue[],
  surface: QuerySurface = 'client',
): Promise<readonly SqlRow[] | undefined> {
  const scope = {
    schema: shop,
    surface,
    tenant: 'a',
    nowMs: () => NOW_MS,
    viewSource: () => ({ sql: 'SELECT 1 AS day, 2 AS total, 3 AS orders', args: [] }),
  }
  try {
    return (await store.query(scopeQuery(scope, sql, args).statement)).rows
  } catch (error) {
    requireOwn(sql, [[(error as Error).message]])
    const typed =
      error instanceof StatementFailed ||
      isErrorCode(error, 'QUERY_REFUSED', 'UNKNOWN_TABLE', 'INVALID_ARGUMENT', 'RESULT_TOO_LARGE')
    if (!typed) throw error
    return undefined
  }
}

function requireOwn(sql: string, rows: readonly SqlRow[]): void {
  for (const value of rows.flat()) {
    const text =
      value instanceof Uint8Array ? new TextDecoder('latin1').decode(value) : String(value)
    const foreign = text.includes(FOREIGN) || text.includes(String(FOREIGN_NUMBER))
    const internal = /CREATE (TABLE|INDEX|TRIGGER) (?!")|^(t\d+(_|$)|_outbox|_tx|sqlite_)/.test(
      text,
    )
    // A literal of the statement itself tells nothing.
    if (foreign || (internal && !sql.includes(text)))
      throw new Error(`${JSON.stringify(sql)} shows ${text.slice(0, 80)}`)
  }
}

// No statement has both a WITH and a UNION: a mutation could recurse without end.
const BASES = [
  'SELECT id, day, amount FROM orders WHERE amount > ? ORDER BY day, id LIMIT 10',
  'SELECT * FROM "orders" AS o LEFT JOIN [plans] p ON o.id = p.id, `carts` c WHERE o.day = \'mon\'',
  'SELECT day, count(*), sum(amount) FROM orders GROUP BY day HAVING count(*) > 0',
  'SELECT id FROM orders UNION SELECT id FROM plans UNION ALL SELECT title FROM carts',
  'SELECT id FROM orders WHERE id IN (SELECT max(id) FROM orders) AND amount NOT IN (1, ?)',
  'WITH big AS (SELECT * FROM orders WHERE amount > 0), x(a) AS (VALUES (1)) SELECT * FROM big, x',
  'SELECT id, row_number() OVER w FROM orders WINDOW w AS (PARTITION BY day ORDER BY id)',
  "SELECT o.id, j.value FROM orders o, json_each('[1,2]') AS j WHERE j.value = o.amount",
  'SELECT (SELECT count(*) FROM orders b WHERE b.id <= a.id) AS n, CAST(a.amount AS TEXT) FROM orders a',
  'SELECT CASE WHEN amount IS NOT DISTINCT FROM 1 THEN id ELSE day END FROM (orders)',
]
/** What only SQL clients may write: the catalogue. */
const SQL_BASES = [
  ...BASES,
  'SELECT name, sql FROM sqlite_schema WHERE type = ? ORDER BY name',
  'SELECT m.name, o.id FROM sqlite_master AS m LEFT JOIN orders o ON o.id = m.name',
  "SELECT i.name, pk FROM pragma_table_info('orders') i, orders WHERE cid >= 0",
  'SELECT id FROM orders WHERE day = ? AND id IN (SELECT tbl_name FROM sqlite_schema)',
]
const HOSTILE = `t1 T1 "t1" [t1] \`t1\` 't1' t2 v1 _outbox "_outbox" _tx _tenants sqlite_master
  sqlite_schema sqlite_dbpage dbstat main temp main. temp. "main" . , ; ( ) * = ? ?1 ?2 ?9 IN
  FROM JOIN WITH AS SELECT WHERE ON NATURAL VALUES NOT EXISTS DISTINCT WINDOW window OVER ALL
  pragma_table_info pragma_table_list load_extension readfile writefile sqlite_version PRAGMA ATTACH
  DELETE UPDATE INSERT INTO DROP TABLE REPLACE orders plans carts revenue json_each tenant c1 _ver
  rowid -- /* */ ' " [ \` ] 0x 1e x'41' \u017felect \u212a \ufeff \0 \ud800 $a :b @c #d`.split(
  /\s+/,
)

const mutation = fc.record({
  kind: fc.constantFrom('insert', 'replace', 'delete', 'duplicate', 'swap', 'glue'),
  at: fc.nat(60),
  to: fc.nat(60),
  text: fc.oneof(fc.constantFrom(...HOSTILE), fc.string({ maxLength: 3, unit: 'binary' })),
})
type Mutation = typeof mutation extends fc.Arbitrary<infer T> ? T : never

function mutate(base: string, mutations: readonly Mutation[]): string {
  const parts = tokenize(base).map((token) => `${token.text} `)
  for (const { kind, at, to, text } of mutations) {
    const i = at % Math.max(parts.length, 1)
    const j = to % Math.max(parts.length, 1)
    const [a, b] = [parts[i] ?? '', parts[j] ?? '']
    if (kind === 'insert') parts.splice(i, 0, `${text} `)
    if (kind === 'replace') parts[i] = `${text} `
    if (kind === 'delete') parts.splice(i, 1)
    if (kind === 'duplicate') parts.splice(i, 0, a, b)
    if (kind === 'glue') parts[i] = a.trimEnd() + text
    if (kind === 'swap') {
      parts[i] = b
      parts[j] = a
    }
  }
  return parts.join('')
}

test.each([
  ['client', BASES],
  ['sql', SQL_BASES],
] as const)(
  'mutated statements of %s never crash and never show a foreign row',
  async (surface, bases) => {
    let accepted = 0
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...bases),
        fc.array(mutation, { minLength: 1, maxLength: 3 }),
        async (base, mutations) => {
          const sql = mutate(base, mutations)
          const parameters = sql.split('?').length - 1
          const rows = await run(sql, Array<number>(parameters).fill(1), surface)
          if (rows === undefined) return
          accepted += 1
          requireOwn(sql, rows)
        },
      ),
      { numRuns: STATEMENTS },
    )
    // Were nearly all refused, nothing would have been tried.
    expect(accepted).toBeGreaterThan(STATEMENTS / 100)
  },
)

test('the checker sees a foreign row and an internal one', async () => {
  for (const sql of [
    'SELECT * FROM t1',
    'SELECT after FROM _outbox',
    'SELECT sql FROM sqlite_schema',
    'SELECT name FROM dbstat',
  ]) {
    const rows = await rowsOf(store, { sql, args: [] })
    expect(() => requireOwn('SELECT 1', rows), sql).toThrow('shows')
  }
})

/** Every way in which SQLite's grammar reads a table, with a name in it. */
const PLACES = [
  (t: string) => `SELECT * FROM ${t}`,
  (t: string) => `SELECT * FROM orders, ${t}`,
  (t: string) => `SELECT * FROM orders o JOIN ${t} ON 1`,
  (t: string) => `SELECT * FROM orders o LEFT JOIN plans p ON o.id = p.id, ${t}`,
  (t: string) => `SELECT * FROM orders CROSS JOIN ${t} x`,
  (t: string) => `SELECT * FROM (${t})`,
  (t: string) => `SELECT * FROM (orders, (${t}))`,
  (t: string) => `SELECT * FROM (SELECT * FROM ${t})`,
  (t: string) => `SELECT (SELECT count(*) FROM ${t})`,
  (t: string) => `SELECT 1 IN ${t}`,
  (t: string) => `SELECT 1 FROM orders WHERE (id, day) NOT IN ${t}`,
  (t: string) => `SELECT 1 WHERE EXISTS (SELECT 1 FROM ${t})`,
  (t: string) => `SELECT id FROM orders UNION SELECT 1 FROM ${t}`,
  (t: string) => `SELECT id FROM orders ORDER BY (SELECT 1 FROM ${t})`,
  (t: string) => `SELECT id FROM orders LIMIT (SELECT 1 FROM ${t})`,
  (t: string) => `SELECT sum(amount) FILTER (WHERE 1 IN ${t}) FROM orders`,
  (t: string) => `SELECT sum(amount) OVER (ORDER BY (SELECT 1 FROM ${t})) FROM orders`,
  (t: string) => `WITH x AS (SELECT * FROM ${t}) SELECT * FROM x`,
  (t: string) => `WITH x AS MATERIALIZED (SELECT 1) SELECT * FROM x JOIN ${t}`,
  (t: string) => `SELECT * FROM json_each((SELECT 1 FROM ${t}))`,
  (t: string) => `SELECT * FROM orders window, ${t}`,
  (t: string) => `SELECT CASE WHEN 1 IS DISTINCT FROM 2 THEN (SELECT 1 FROM ${t}) END`,
  (t: string) => `SELECT * FROM orders USING (id), ${t}`,
  (t: string) => `VALUES ((SELECT 1 FROM ${t}))`,
]
const INTERNAL_NAMES = [
  't1',
  'T1',
  't2',
  '_outbox',
  '_tx',
  '_tenants',
  '_META',
  'sqlite_master',
  'sqlite_schema',
  'sqlite_stmt',
  'sqlite_dbpage',
  'dbstat',
  'fsdir',
  'pragma_table_list',
  'absent',
]
const DRESSES = [
  (t: string) => t,
  (t: string) => `"${t}"`,
  (t: string) => `[${t}]`,
  (t: string) => `\`${t}\``,
  (t: string) => `'${t}'`,
  (t: string) => `main.${t}`,
  (t: string) => `"main"."${t}"`,
  (t: string) => `main . /* x */ ${t}`,
  (t: string) => `/**/${t}--\n`,
  (t: string) => `${t} AS orders`,
  (t: string) => `${t}('x')`,
]

test('no internal name is readable from any place of the grammar, however it is written', async () => {
  for (const place of PLACES) {
    expect(queryReads(shop, 'a', place('plans')).tables.map((t) => t.name)).toContain('plans')
    for (const name of INTERNAL_NAMES) {
      for (const dress of DRESSES) {
        const sql = place(dress(name))
        expect(await run(sql, []), sql).toBeUndefined()
      }
    }
  }
})

test('no attack of the corpus shows a foreign row, an expired one, or an internal name', async () => {
  for (const text of SQL_ATTACKS.flatMap(dressedAttacks)) {
    for (const surface of ['client', 'sql'] as const) {
      const rows = (await run(text, [], surface)) ?? []
      expect(() => requireOwn(text, rows)).not.toThrow()
    }
  }
})

test('texts that are too long or too deep fail typed, or show their own rows', async () => {
  for (const text of EXTREME_TEXTS) {
    for (const surface of ['client', 'sql'] as const) {
      const rows = (await run(text, [], surface)) ?? []
      expect(() => requireOwn(text, rows)).not.toThrow()
    }
  }
})

test('the catalogue shows the public schema and nothing else', async () => {
  const { tables, views } = catalogScope(shop, 'a')
  const names = [...tables, ...views].map(({ name }) => name)
  const found = await run('SELECT DISTINCT name FROM sqlite_master', [], 'sql')
  expect(found?.flat()).toEqual(names)
  expect(await run("SELECT count(*) FROM pragma_table_info('t1')", [], 'sql')).toEqual([[0n]])
  expect(await run('SELECT name FROM sqlite_master', [], 'client')).toBeUndefined()
})

test('none of it has written anything', async () => {
  expect(await fingerprint()).toEqual(before)
})
