/** SQL of strong transactions: what is passed runs and gives what SQL gives; all else is refused. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { MeridianError } from '../../../../src/core/errors.ts'
import { MAX_GUARD_ARGUMENT_BYTES, MAX_GUARD_SQL_LENGTH } from '../../../../src/core/limits.ts'
import type { SqlRow, SqlValue } from '../../../../src/core/values.ts'
import {
  guardedStatement,
  readSql,
  type SqlRead,
} from '../../../../src/sql/guarded/guarded-query.ts'
import { insertRows } from '../../../../src/sql/write-rows.ts'
import type { MemoryStore } from '../../../support/memory-store.ts'
import {
  account,
  accounts,
  openMemoryStore,
  schema,
  session,
  sessions,
} from '../../../support/strong-region.ts'

const NOW_MS = 1000
let store: MemoryStore

beforeEach(async () => {
  store = await openMemoryStore()
  const row = (tenant: string, image: SqlValue[]): Parameters<typeof insertRows>[1][number] => {
    return { tenant, image, version: 'v', epoch: 0 }
  }
  await store.write([
    insertRows(accounts, [
      row('', account('a', { balance: 5, total: 2n ** 62n, ratio: 0.5, email: 'x' })),
      row('', account('b', { balance: 7, total: 2n ** 62n, active: 0 })),
      row('', account('c', { balance: 7, total: -3n, email: 'Y' })),
    ]),
    insertRows(sessions, [
      row('acme', session('s1', NOW_MS + 1, 'x')),
      row('acme', session('gone', NOW_MS)),
      row('other', session('s1', null)),
    ]),
  ])
})
afterEach(() => store.close())

async function run(sql: string, args: SqlValue[] = [], tenant = ''): Promise<readonly SqlRow[]> {
  const { statement } = guardedStatement(
    { schema, tenant, nowMs: NOW_MS },
    readSql(schema, tenant, sql, args),
  )
  return (await store.query(statement)).rows
}

function refusal(sql: string, args: SqlValue[] = [], tenant = ''): MeridianError {
  try {
    guardedStatement({ schema, tenant, nowMs: NOW_MS }, readSql(schema, tenant, sql, args))
  } catch (error) {
    return error as MeridianError
  }
  throw new Error(`It was passed: ${sql}`)
}

describe('what is passed gives what SQL gives', () => {
  it.each<[string, SqlValue[], SqlRow[]]>([
    ['SELECT id FROM accounts WHERE balance = ? AND active = 1', [7], [['c']]],
    ['select "accounts"."id" as "x" from "accounts" where "balance" < ?;', [6], [['a']]],
    ['SELECT count(*) AS n FROM accounts', [], [[3n]]],
    ['SELECT count(DISTINCT balance) AS n, count(email) AS e FROM accounts', [], [[2n, 2n]]],
    ['SELECT min(balance) AS a, max(id) AS b FROM accounts', [], [[5n, 'c']]],
    ['SELECT sum(balance) AS s FROM accounts WHERE id = ?', ['none'], [[null]]],
    ['SELECT sum(balance) AS s, avg(balance) AS m FROM accounts', [], [[19n, 19 / 3]]],
    ['SELECT sum(total) AS s FROM accounts WHERE id <> ?', ['a'], [[2n ** 62n - 3n]]],
    [
      'SELECT balance, count(*) AS n FROM accounts GROUP BY balance HAVING count(*) > 1',
      [],
      [[7n, 2n]],
    ],
    ['SELECT id FROM accounts ORDER BY balance DESC, id LIMIT 2', [], [['b'], ['c']]],
    ['SELECT id FROM accounts ORDER BY id LIMIT ? OFFSET ?', [1, 1], [['b']]],
    ['SELECT balance AS n FROM accounts ORDER BY n DESC LIMIT 1', [], [[7n]]],
    ['SELECT DISTINCT balance FROM accounts ORDER BY 1 LIMIT 1', [], [[5n]]],
    [
      'SELECT a.id FROM accounts a WHERE a.balance > (SELECT min(b.balance) FROM accounts b) ORDER BY id',
      [],
      [['b'], ['c']],
    ],
    [
      'SELECT a.id, b.id AS other FROM accounts AS a JOIN accounts AS b ON a.balance = b.balance AND a.id < b.id',
      [],
      [['b', 'c']],
    ],
    [
      'SELECT a.id FROM accounts a LEFT JOIN accounts b ON (b.balance = a.balance and b.id <> a.id) WHERE b.id IS NULL',
      [],
      [['a']],
    ],
    [
      'SELECT id FROM accounts a WHERE NOT EXISTS (SELECT b.id FROM accounts b WHERE b.balance = a.balance AND b.id <> a.id)',
      [],
      [['a']],
    ],
    [
      'SELECT id FROM accounts WHERE id IN (SELECT id FROM accounts WHERE balance = 7) ORDER BY id',
      [],
      [['b'], ['c']],
    ],
    [
      'SELECT (SELECT id FROM accounts ORDER BY id DESC LIMIT 1) AS last, id FROM accounts WHERE id = ?',
      ['a'],
      [['c', 'a']],
    ],
    [
      'SELECT id FROM accounts WHERE balance = 5 UNION SELECT email FROM accounts WHERE email IS NOT NULL ORDER BY 1',
      [],
      [['Y'], ['a'], ['x']],
    ],
    [
      "SELECT CASE WHEN balance > 6 THEN 'rich' ELSE 'poor' END AS kind FROM accounts WHERE id = 'a'",
      [],
      [['poor']],
    ],
    [
      "SELECT coalesce(lower(email), 'none') AS e FROM accounts ORDER BY id",
      [],
      [['x'], ['none'], ['y']],
    ],
    [
      'SELECT id FROM accounts WHERE email LIKE ? AND balance BETWEEN 1 AND 5 AND ratio IS DISTINCT FROM 1',
      ['X%'],
      [['a']],
    ],
    [
      "SELECT substr(id, 1, 1) || '!' AS t FROM accounts WHERE (balance, id) = (7, 'c')",
      [],
      [['c!']],
    ],
  ])('%s', async (sql, args, rows) => {
    expect(await run(sql, args)).toEqual(rows)
  })

  it('of its tenant alone, without what has expired', async () => {
    expect(await run('SELECT id, seat FROM sessions', [], 'acme')).toEqual([['s1', 'x']])
    expect(await run('SELECT count(*) AS n FROM sessions', [], 'acme')).toEqual([[1n]])
    expect(await run('SELECT id FROM sessions', [], 'other')).toEqual([['s1']])
  })

  it('with all columns of a table, as they are known to whoever reads', async () => {
    const read = readSql(schema, '', 'SELECT * FROM accounts WHERE id = ?', ['b'])
    expect(read.tables[0]?.columns.map(([, name]) => name)).toEqual(
      accounts.columns.map(({ name }) => name),
    )
    const { statement } = guardedStatement({ schema, tenant: '', nowMs: 0 }, read)
    expect((await store.query(statement)).rows[0]).toHaveLength(accounts.columns.length)
  })

  it('a sum that no order of rows changes, also where SQLite fails in some', async () => {
    const sums = (where: string): Promise<readonly SqlRow[]> =>
      run(`SELECT sum(total) AS s, avg(total) AS m FROM accounts WHERE ${where}`)
    expect(await sums('balance > 0')).toEqual([[2n ** 63n - 3n, 2 ** 63 / 3]])
    expect(await sums("id <> 'c'")).toEqual([[2 ** 63, 2 ** 62]])
    const own = {
      sql: `SELECT sum(c${accounts.columnByName.get('total')?.id}) FROM ${accounts.physicalName}`,
    }
    await expect(store.read([{ ...own, args: [] }])).rejects.toThrow(/overflow/)
  })
})

/** What is refused, and a word of why or what instead. */
const REFUSED: readonly (readonly [what: string, sql: string, fix: RegExp])[] = [
  ['chance', 'SELECT id FROM accounts WHERE balance > random()', /drawn anew/],
  ["a region's clock", "SELECT id FROM accounts WHERE balance > unixepoch('now')", /clock/],
  ['a clock without a call', 'SELECT CURRENT_TIMESTAMP AS t FROM accounts', /clock/],
  ['a time that a row may name', 'SELECT datetime(email) AS t FROM accounts', /clock/],
  ['the connection', 'SELECT changes() AS n FROM accounts', /connection/],
  ['the last rowid', 'SELECT last_insert_rowid() AS n FROM accounts', /connection/],
  ['the engine', 'SELECT sqlite_version() AS n FROM accounts', /connection/],
  ['rowid', 'SELECT rowid AS r FROM accounts', /primary key/],
  ['oid of a table', 'SELECT a.oid AS r FROM accounts a', /primary key/],
  ['texts in any order', 'SELECT group_concat(id) AS t FROM accounts', /order of rows/],
  ['JSON in any order', 'SELECT json_group_array(id) AS t FROM accounts', /order of rows/],
  ['a sum of reals', 'SELECT sum(ratio) AS s FROM accounts', /order of rows/],
  ['a mean of reals', 'SELECT avg(ratio) AS s FROM accounts', /order of rows/],
  ['a sum of a product', 'SELECT sum(balance * 2) AS s FROM accounts', /one column/],
  ['total', 'SELECT total(balance) AS s FROM accounts', /order of rows/],
  ['a window', 'SELECT row_number() OVER (ORDER BY balance) AS n FROM accounts', /ORDER BY/],
  ['an aggregate as a window', 'SELECT count(*) OVER () AS n FROM accounts', /ORDER BY/],
  ['a filtered aggregate', 'SELECT count(*) FILTER (WHERE active) AS n FROM accounts', /tie|side/],
  ['LIMIT without order', 'SELECT id FROM accounts LIMIT 1', /primary key/],
  ['LIMIT with ties', 'SELECT id, balance FROM accounts ORDER BY balance LIMIT 1', /primary key/],
  ['an order with ties', 'SELECT balance, id FROM accounts ORDER BY balance', /primary key/],
  [
    'an order of one of two keys',
    'SELECT a.balance FROM accounts a JOIN accounts b ON a.balance = b.balance ORDER BY a.id',
    /each table/,
  ],
  [
    'an order by a name that hides the key',
    'SELECT balance AS id, email FROM accounts ORDER BY id LIMIT 1',
    /primary key/,
  ],
  ['an order by an expression', 'SELECT id FROM accounts ORDER BY lower(id)', /primary key/],
  ['an order behind DISTINCT', 'SELECT DISTINCT balance FROM accounts ORDER BY id', /primary key/],
  [
    'an order by what DISTINCT does not show',
    'SELECT DISTINCT balance FROM accounts ORDER BY id, balance',
    /primary key/,
  ],
  [
    'names behind UNION',
    'SELECT id FROM accounts UNION SELECT email FROM accounts ORDER BY id',
    /numbers/,
  ],
  ['a name without AS', 'SELECT balance id FROM accounts ORDER BY id LIMIT 1', /AS/],
  ['a column beside an aggregate', 'SELECT id, max(balance) AS b FROM accounts', /GROUP BY/],
  [
    'a column that no group shares',
    'SELECT id, count(*) AS n FROM accounts GROUP BY balance',
    /GROUP BY/,
  ],
  ['the same in HAVING', 'SELECT balance FROM accounts GROUP BY balance HAVING id > 1', /GROUP BY/],
  ['groups by an expression', 'SELECT count(*) AS n FROM accounts GROUP BY lower(id)', /columns/],
  ['groups by a number', 'SELECT balance FROM accounts GROUP BY 1', /columns/],
  ['all columns beside an aggregate', 'SELECT *, count(*) AS n FROM accounts', /Name the columns/],
  [
    'a value of any row',
    'SELECT id FROM accounts WHERE balance = (SELECT balance FROM accounts)',
    /LIMIT 1/,
  ],
  [
    'an aggregate of an outer row',
    'SELECT id FROM accounts a WHERE 1 = (SELECT max(a.balance) FROM accounts b WHERE b.id = a.id)',
    /AS|name/i,
  ],
  ['an aggregate in WHERE', 'SELECT id FROM accounts WHERE max(balance) = 7', /HAVING/],
  ['equal texts that differ', 'SELECT DISTINCT email COLLATE NOCASE AS e FROM accounts', /lower/],
  ['rows that a query makes', 'SELECT n FROM (SELECT balance AS n FROM accounts)', /Join/],
  ['WITH', 'WITH x AS (SELECT 1) SELECT * FROM x', /Select from tables/],
  [
    'recursion',
    'WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x) SELECT n FROM x',
    /Select from tables/,
  ],
  ['VALUES', 'VALUES (1)', /Select from tables/],
  ['no table', 'SELECT 1 AS one', /table/],
  ['a table function', "SELECT value FROM json_each('[1]')", /strong tables/],
  ['tables without a key between', 'SELECT a.id FROM accounts a, accounts b', /a\.x = b\.y/],
  [
    'a cross join',
    'SELECT a.id FROM accounts a CROSS JOIN accounts b WHERE a.id = ?1 OR a.id = b.id',
    /a\.x = b\.y/,
  ],
  [
    'a join by BETWEEN',
    'SELECT a.id FROM accounts a JOIN accounts b ON 1 BETWEEN 0 AND a.id = b.id',
    /a\.x = b\.y/,
  ],
  [
    'an inner SELECT without a key',
    'SELECT id FROM accounts a WHERE EXISTS (SELECT b.id FROM accounts b WHERE b.balance > a.balance)',
    /a\.x = b\.y/,
  ],
  ['NATURAL', 'SELECT a.id FROM accounts a NATURAL JOIN accounts b', /JOIN|column/],
  ['USING', 'SELECT a.id FROM accounts a JOIN accounts b USING (id)', /JOIN/],
  ['JSON', "SELECT json_extract(email, '$.a') AS j FROM accounts", /column of its own/],
  ['JSON by an arrow', "SELECT email ->> 'a' AS j FROM accounts", /column of its own/],
  ['what fails on some values', 'SELECT abs(balance) AS a FROM accounts', /plan/],
  ['a pattern that is made', "SELECT id FROM accounts WHERE id LIKE email || '%'", /parameter/],
  ['a pattern of two parts', "SELECT id FROM accounts WHERE id LIKE ? || '%'", /parameter/],
  ['ESCAPE', "SELECT id FROM accounts WHERE id LIKE 'a' ESCAPE '!'", /ESCAPE|AS/],
  ['texts of reals', 'SELECT CAST(ratio AS TEXT) AS t FROM accounts', /builds/],
  ['mathematics of builds', 'SELECT sin(ratio) AS s FROM accounts', /builds/],
  ['a decimal number', 'SELECT id FROM accounts WHERE ratio > 0.1', /parameter/],
  ['a long number', 'SELECT id FROM accounts WHERE total > 9223372036854775808', /parameter/],
  ['a write', 'DELETE FROM accounts', /SELECT/],
  ['a write behind a WITH', 'WITH x AS (SELECT 1) DELETE FROM accounts', /Select from tables/],
  ['PRAGMA', 'PRAGMA table_info(accounts)', /SELECT/],
  ['ATTACH', "ATTACH 'x' AS y", /SELECT/],
  ['two statements', 'SELECT id FROM accounts; SELECT id FROM accounts', /one SELECT/],
  ['a physical table', `SELECT c1 FROM ${accounts.physicalName}`, /strong tables/],
  ['a table of the system', 'SELECT * FROM _outbox', /strong tables/],
  ['a table of another scope', 'SELECT id FROM sessions', /own scope/],
  ['a column that is not', 'SELECT nothing FROM accounts', /column/],
  ['a column of the store', 'SELECT _ver FROM accounts', /column/],
  ['a named parameter', 'SELECT id FROM accounts WHERE id = :id', /\?/],
  [
    'a column that is ambiguous',
    'SELECT id FROM accounts a JOIN accounts b ON a.id = b.id',
    /before it/,
  ],
  ['a column without a name', 'SELECT balance + 1 FROM accounts', /AS/],
  ['a LIMIT of an expression', 'SELECT id FROM accounts ORDER BY id LIMIT 1 + 1', /number/],
  ['two numbers of LIMIT', 'SELECT id FROM accounts ORDER BY id LIMIT 1, 1', /number/],
  ['a parenthesis', 'SELECT (id FROM accounts', /Close/],
  ['too many concatenations', `SELECT ${'id || '.repeat(17)}id AS t FROM accounts`, /Join/],
  [
    'too many tables',
    `SELECT a0.id FROM accounts a0 ${Array.from({ length: 8 }, (_, i) => `JOIN accounts a${i + 1} ON a${i + 1}.id = a0.id`).join(' ')}`,
    /several/,
  ],
  [
    'a text that is too long',
    `SELECT id FROM accounts --${' '.repeat(MAX_GUARD_SQL_LENGTH)}`,
    /parameters/,
  ],
]

describe('what is refused, by name and with what to do', () => {
  it.each(REFUSED)('%s: %s', (_what, sql, fix) => {
    const error = refusal(sql)
    expect(error).toMatchObject({ code: 'QUERY_REFUSED' })
    expect(error.details['kind']).toBeTypeOf('string')
    expect(error.fix).toMatch(fix)
  })

  it('a LIMIT that is no number of rows, arguments that are not the parameters', () => {
    const sql = 'SELECT id FROM accounts ORDER BY id LIMIT ?'
    for (const n of [-1, 0.5, 'x', null]) expect(refusal(sql, [n]).code).toBe('INVALID_ARGUMENT')
    expect(refusal(sql, []).code).toBe('INVALID_ARGUMENT')
  })

  it('arguments that are too long, or that no store takes', () => {
    const sql = 'SELECT id FROM accounts WHERE id = ?'
    const long = 'x'.repeat(MAX_GUARD_ARGUMENT_BYTES + 1)
    for (const arg of [long, 'a\0b', '\ud800', NaN]) {
      expect(refusal(sql, [arg]).code).toBe('QUERY_REFUSED')
    }
  })
})

describe('a read that the log carries', () => {
  const seen = readSql(schema, '', 'SELECT balance FROM accounts WHERE id = ?', ['a'])

  it('names the columns that it reads, and no others', () => {
    expect(seen.tables.map(({ name, columns }) => [name, columns.map(([, c]) => c)])).toEqual([
      ['accounts', ['id', 'balance']],
    ])
  })

  it('means the same whatever the columns are called by now', async () => {
    const [table] = seen.tables
    const renamed: SqlRead = {
      ...seen,
      sql: 'SELECT was FROM former WHERE "key" = ?',
      tables: [
        {
          id: accounts.id,
          name: 'former',
          columns: (table?.columns ?? []).map(([id, name]) => [id, name === 'id' ? 'key' : 'was']),
        },
      ],
    }
    const { statement } = guardedStatement({ schema, tenant: '', nowMs: 0 }, renamed)
    expect((await store.query(statement)).rows).toEqual([[5n]])
  })

  it.each<[string, Partial<SqlRead>, string]>([
    ['no table', { tables: [] }, 'INVALID_ARGUMENT'],
    ['a name that is none', tableOf({ name: 'a" AS (SELECT 1) --' }), 'INVALID_ARGUMENT'],
    ['a physical name', tableOf({ name: accounts.physicalName }), 'INVALID_ARGUMENT'],
    ['a column name that is none', tableOf({ columns: [[1, 'x", "y']] }), 'INVALID_ARGUMENT'],
    [
      'a column twice',
      tableOf({
        columns: [
          [1, 'id'],
          [2, 'ID'],
        ],
      }),
      'INVALID_ARGUMENT',
    ],
    ['a table that is not there', tableOf({ id: 99 }), 'SCHEMA_INCOMPATIBLE'],
    ['a column that is not there', tableOf({ columns: [[99, 'id']] }), 'SCHEMA_INCOMPATIBLE'],
    ['a table of tenants', tableOf({ id: sessions.id }), 'TENANT_REQUIRED'],
    ['another text', { sql: 'SELECT random() AS r FROM accounts' }, 'QUERY_REFUSED'],
    ['a column that it does not name', { sql: 'SELECT email FROM accounts' }, 'QUERY_REFUSED'],
  ])('is refused with %s', (_what, change, code) => {
    expect(() =>
      guardedStatement({ schema, tenant: '', nowMs: 0 }, { ...seen, ...change }),
    ).toThrow(expect.objectContaining({ code }) as Error)
  })

  function tableOf(change: Partial<SqlRead['tables'][number]>): Partial<SqlRead> {
    const columns = [[accounts.primaryKey[0]?.id ?? 0, 'id']] as const
    return { tables: [{ id: accounts.id, name: 'accounts', columns, ...change }] }
  }
})
