/**
 * SQL that transactions may read gives the same in stores that hold the same rows, however they
 * lie and whatever plans they take; of SQL that is refused some does not. Takes about 10 s.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { isErrorCode } from '../../src/core/errors.ts'
import { StatementFailed, type Statement } from '../../src/core/ports/store.ts'
import type { SqlValue } from '../../src/core/values.ts'
import { bindStatement } from '../../src/drivers/store/bind.ts'
import { Connection } from '../../src/drivers/store/connection.ts'
import { createSchema } from '../../src/schema/ddl.ts'
import { SYSTEM_TABLES } from '../../src/schema/system-tables.ts'
import { guardedStatement, readSql } from '../../src/sql/guarded/guarded-query.ts'
import { resultDigest } from '../../src/sql/guarded/result-digest.ts'
import { scopeQuery } from '../../src/sql/scope-query.ts'
import { insertRows } from '../../src/sql/write-rows.ts'
import { dressedAttacks, EXTREME_TEXTS, SQL_ATTACKS } from '../support/sql-attacks.ts'
import { account, accounts, schema } from '../support/strong-region.ts'

const STATEMENTS = Number(process.env['STATEMENTS'] ?? 2_000)
const stores: Connection[] = []

/** Reals whose sum depends on the order in which they are added, and integers beside equal ones. */
const REALS = [0.1, 1e16, -1e16, 0.2, 1, 2, -0, 0, null, 3.5]
const WIDE = [2n ** 62n, 2n ** 62n, -(2n ** 62n), -(2n ** 62n), 1n, -1n, 0n]

function rows(): SqlValue[][] {
  return Array.from({ length: 24 }, (_, i) =>
    account(`r${i}`, {
      balance: (i * 7) % 4,
      total: WIDE[(i * 5) % WIDE.length] as bigint,
      ratio: REALS[(i * 3) % REALS.length] as number | null,
      active: i % 2,
      email: i % 3 === 0 ? null : i % 3 === 1 ? `E${i}` : `e${i - 1}`,
    }),
  )
}

function openStore(images: readonly SqlValue[][], settings: readonly string[]): Connection {
  const connection = new Connection(':memory:')
  stores.push(connection)
  for (const sql of [...SYSTEM_TABLES, ...createSchema(schema)]) connection.once(sql)
  for (const image of images) {
    const write = insertRows(accounts, [{ tenant: '', image, version: 'v', epoch: 0 }])
    connection.execute(bindStatement(write), 0)
  }
  for (const sql of settings) connection.once(sql)
  return connection
}

const column = (name: string): string => `c${accounts.columnByName.get(name)?.id}`
const table = accounts.physicalName

beforeAll(() => {
  openStore(rows(), [])
  openStore(rows().toReversed(), [
    'PRAGMA reverse_unordered_selects = ON',
    ...['balance', 'ratio', 'total', 'active'].map(
      (name) => `CREATE INDEX i_${name} ON ${table} (tenant, ${column(name)})`,
    ),
  ])
  openStore(
    [...rows().slice(12), ...rows().slice(0, 12)],
    [
      `CREATE INDEX i_all ON ${table} (tenant, ${column('active')} DESC, ${column('ratio')} DESC, ${column('total')})`,
      `CREATE INDEX i_balance ON ${table} (tenant, ${column('balance')} DESC)`,
      'ANALYZE',
      'PRAGMA automatic_index = OFF',
    ],
  )
})
afterAll(() => {
  for (const store of stores) store.close()
})

const NAMES = ['id', 'email', 'balance', 'total', 'ratio', 'active'] as const
const name = fc.constantFrom(...NAMES)
const aliases = fc.constantFrom('a', 'a', 'a', 'b')
const columnOf = fc.tuple(aliases, name).map(([alias, of]) => `${alias}.${of}`)
const literal = fc.constantFrom('0', '1', '2', "'e1'", "'x'", 'NULL', '0.5')
const operator = fc.constantFrom('+', '-', '*', '/', '%', '||')
const comparison = fc.constantFrom('=', '<', '>=', '<>', 'IS', 'IS DISTINCT FROM')

const { expression, condition } = fc.letrec<{
  expression: string
  condition: string
  inner: string
}>((tie) => {
  const value = tie('expression')
  return {
    expression: fc.oneof(
      { maxDepth: 3, depthIdentifier: 'sql' },
      { weight: 8, arbitrary: columnOf },
      { weight: 2, arbitrary: literal },
      fc.tuple(value, operator, value).map((parts) => parts.join(' ')),
      fc
        .tuple(fc.constantFrom('coalesce', 'ifnull', 'nullif', 'instr'), value, value)
        .map(([fn, x, y]) => `${fn}(${x}, ${y})`),
      fc
        .tuple(fc.constantFrom('lower', 'length', 'sign', 'abs', 'typeof', 'trim'), value)
        .map(([fn, x]) => `${fn}(${x})`),
      fc
        .tuple(tie('condition'), value, value)
        .map(([c, x, y]) => `CASE WHEN ${c} THEN ${x} ELSE ${y} END`),
      fc
        .tuple(
          fc.constantFrom('min', 'max', 'sum', 'avg', 'count', 'total', 'group_concat'),
          columnOf,
        )
        .map(([fn, x]) => `${fn}(${x})`),
      fc.constant('count(*)'),
      tie('inner').map((query) => `(${query})`),
    ),
    condition: fc.oneof(
      { maxDepth: 2, depthIdentifier: 'sql' },
      { weight: 4, arbitrary: fc.tuple(value, comparison, value).map((parts) => parts.join(' ')) },
      {
        weight: 2,
        arbitrary: fc.tuple(name, comparison, literal).map(([x, op, y]) => `a.${x} ${op} ${y}`),
      },
      fc
        .tuple(tie('condition'), fc.constantFrom('AND', 'OR'), tie('condition'))
        .map((parts) => `(${parts.join(' ')})`),
      fc
        .tuple(fc.constantFrom('EXISTS', 'NOT EXISTS', 'a.id IN', 'a.balance IN'), tie('inner'))
        .map(([what, query]) => `${what} (${query})`),
    ),
    inner: fc
      .record({
        what: fc.oneof(
          name.map((x) => `s.${x}`),
          fc
            .tuple(fc.constantFrom('min', 'max', 'count', 'sum'), name)
            .map(([fn, x]) => `${fn}(s.${x})`),
        ),
        key: fc.option(fc.tuple(name, fc.constantFrom('=', '=', '<'))),
        end: fc.constantFrom(
          '',
          '',
          ' LIMIT 1',
          ' ORDER BY s.id LIMIT 1',
          ' ORDER BY s.ratio LIMIT 1',
        ),
      })
      .map(({ what, key, end }) => {
        const where = key === null ? '' : ` WHERE s.${key[0]} ${key[1]} a.${key[0]}`
        return `SELECT ${what} FROM accounts s${where}${end}`
      }),
  }
})

const source = fc.oneof(
  { weight: 5, arbitrary: fc.constant('accounts a') },
  name.map((x) => `accounts a JOIN accounts b ON a.${x} = b.${x}`),
  name.map((x) => `accounts a LEFT JOIN accounts b ON a.${x} = b.${x} AND b.active = 1`),
  fc.constant('accounts a, accounts b'),
)
const item = fc
  .tuple(
    fc.oneof({ weight: 2, arbitrary: columnOf }, expression),
    fc.option(fc.constantFrom('x', 'id')),
  )
  .map(([value, alias]) => (alias === null ? value : `${value} AS ${alias}`))
const list = (of: fc.Arbitrary<string>, maxLength: number): fc.Arbitrary<string> =>
  fc.array(of, { minLength: 1, maxLength }).map((parts) => parts.join(', '))
const select = fc
  .record({
    distinct: fc.constantFrom('', '', 'DISTINCT '),
    items: fc.oneof({ weight: 6, arbitrary: list(item, 3) }, fc.constantFrom('*', 'a.*')),
    source,
    where: fc.option(condition),
    group: fc.option(list(columnOf, 2), { freq: 2 }),
    having: fc.option(condition, { freq: 1 }),
  })
  .map(({ distinct, items, source: from, where, group, having }) =>
    [
      `SELECT ${distinct}${items} FROM ${from}`,
      where === null ? '' : ` WHERE ${where}`,
      group === null ? '' : ` GROUP BY ${group}`,
      group === null || having === null ? '' : ` HAVING ${having}`,
    ].join(''),
  )
const direction = fc.constantFrom('', ' DESC', ' NULLS LAST')
const term = fc
  .tuple(fc.oneof(columnOf, name, fc.constantFrom('x', 'id', 'a.id', 'b.id', '1', '2')), direction)
  .map((parts) => parts.join(''))
const wild = fc
  .record({
    select,
    more: fc.option(fc.tuple(fc.constantFrom('UNION', 'UNION ALL', 'EXCEPT'), select), { freq: 1 }),
    order: fc.option(list(term, 3)),
    limit: fc.option(fc.constantFrom('1', '3', '2 OFFSET 1')),
  })
  .map(({ select: first, more, order, limit }) =>
    [
      first,
      more === null ? '' : ` ${more[0]} ${more[1]}`,
      order === null ? '' : ` ORDER BY ${order}`,
      limit === null ? '' : ` LIMIT ${limit}`,
    ].join(''),
  )

const oneOf = (prefix: string): fc.Arbitrary<string> => name.map((x) => `${prefix}.${x}`)
const simple = fc.oneof(
  oneOf('a'),
  fc
    .tuple(fc.constantFrom('coalesce', 'ifnull', 'nullif'), oneOf('a'), oneOf('a'))
    .map(([fn, x, y]) => `${fn}(${x}, ${y})`),
  fc.tuple(oneOf('a'), fc.constantFrom('+', '*', '/', '||'), oneOf('a')).map((p) => p.join(' ')),
  fc.tuple(fc.constantFrom('lower', 'length', 'sign'), oneOf('a')).map(([fn, x]) => `${fn}(${x})`),
  fc
    .tuple(fc.constantFrom('min', 'max', 'count'), name, name)
    .map(([fn, x, y]) => `(SELECT ${fn}(s.${x}) FROM accounts s WHERE s.${y} = a.${y})`),
  name.map((x) => `(SELECT s.${x} FROM accounts s ORDER BY s.ratio DESC, s.id LIMIT 1)`),
)
const simpleTest = fc.oneof(
  fc.constant(''),
  fc.tuple(oneOf('a'), comparison, oneOf('a')).map((parts) => ` WHERE ${parts.join(' ')}`),
  fc
    .tuple(fc.constantFrom('EXISTS', 'NOT EXISTS'), name, name)
    .map(
      ([what, x, y]) =>
        ` WHERE ${what} (SELECT s.id FROM accounts s WHERE s.${x} = a.${x} AND s.${y} > a.${y})`,
    ),
)
const from = fc.oneof(
  fc.constant('accounts a'),
  name.map((x) => `accounts a LEFT JOIN accounts b ON a.${x} = b.${x} AND b.active = 1`),
)
const calls = fc.oneof(
  fc
    .tuple(fc.constantFrom('min', 'max', 'count', 'sum', 'avg'), name)
    .map(([fn, x]) => `${fn}(a.${x})`),
  fc.constantFrom('count(*)', 'count(DISTINCT a.ratio)', 'sum(a.total)', 'avg(a.total)'),
)

/** Mostly such as are passed: rows with an order or without, groups, sets. */
const tame = fc.oneof(
  fc
    .tuple(
      list(
        simple.map((x) => `${x} AS x`),
        2,
      ),
      from,
      simpleTest,
      fc.constantFrom(
        '',
        ' ORDER BY 1',
        ' ORDER BY 1, 2',
        ' ORDER BY a.ratio, a.id LIMIT 3',
        ' ORDER BY x LIMIT 2',
        ' ORDER BY a.active DESC, a.id DESC',
      ),
    )
    .map(([items, tables, where, end]) => `SELECT ${items} FROM ${tables}${where}${end}`),
  fc
    .tuple(
      list(oneOf('a'), 2),
      from,
      simpleTest,
      fc.constantFrom('', ' ORDER BY 1, 2 LIMIT 2', ' ORDER BY 1 LIMIT 2', ' ORDER BY a.id'),
    )
    .map(([items, tables, where, end]) => `SELECT DISTINCT ${items} FROM ${tables}${where}${end}`),
  fc
    .tuple(
      fc.option(oneOf('a')),
      list(
        calls.map((x) => `${x} AS n`),
        3,
      ),
      from,
      simpleTest,
      fc.constantFrom('', ' ORDER BY n, 1 LIMIT 2', ' ORDER BY 1 LIMIT 1'),
    )
    .map(([key, items, tables, where, end]) =>
      key === null
        ? `SELECT ${items} FROM ${tables}${where}`
        : `SELECT ${key}, ${items} FROM ${tables}${where} GROUP BY ${key}${end}`,
    ),
  fc
    .tuple(
      simple,
      simple,
      simpleTest,
      fc.constantFrom('UNION', 'UNION ALL', 'EXCEPT', 'INTERSECT'),
      fc.constantFrom('', ' ORDER BY 1 LIMIT 3'),
    )
    .map(
      ([x, y, where, word, end]) =>
        `SELECT ${x} AS x FROM accounts a ${word} SELECT ${y} AS y FROM accounts a${where}${end}`,
    ),
)
const statement = fc.oneof({ weight: 2, arbitrary: tame }, { weight: 1, arbitrary: wild })

/** What a store gives: a digest, or that it failed. */
function outcome(store: Connection, { sql, args }: Statement, isOrdered: boolean): string {
  try {
    const found = store.execute(bindStatement({ sql, args, bigints: true, maxRows: 1_000 }), 0)
    return resultDigest(found.rows, isOrdered) ?? 'too-large'
  } catch (error) {
    if (error instanceof StatementFailed || isErrorCode(error, 'RESULT_TOO_LARGE')) return 'failed'
    throw error
  }
}

function passed(sql: string): ReturnType<typeof guardedStatement> | undefined {
  try {
    return guardedStatement({ schema, tenant: '', nowMs: 0 }, readSql(schema, '', sql, []))
  } catch (error) {
    if (isErrorCode(error, 'QUERY_REFUSED', 'INVALID_ARGUMENT')) return undefined
    throw error
  }
}

test('what is passed gives the same in every store, and of what is refused some does not', () => {
  const seen = { passed: 0, ran: 0, differing: 0 }
  fc.assert(
    fc.property(statement, (sql) => {
      const query = passed(sql)
      if (query !== undefined) {
        seen.passed += 1
        const outcomes = stores.map((store) => outcome(store, query.statement, query.isOrdered))
        expect(new Set(outcomes).size).toBe(1)
        if (outcomes[0] !== 'failed') seen.ran += 1
        return
      }
      const scope = {
        schema,
        tenant: '',
        nowMs: () => 0,
        viewSource: () => ({ sql: '', args: [] }),
      }
      const raw = scopeQuery(scope, sql, []).statement
      if (new Set(stores.map((store) => outcome(store, raw, sql.includes('LIMIT')))).size > 1) {
        seen.differing += 1
      }
    }),
    { numRuns: STATEMENTS },
  )
  // Otherwise too little was tried to say anything, or the stores are too much alike.
  expect(seen.ran).toBeGreaterThan(STATEMENTS / 4)
  expect(seen.differing).toBeGreaterThan(STATEMENTS / 100)
})

test('hostile text is refused with a typed error, or reads and nothing else', () => {
  const attack = fc.oneof(
    fc.constantFrom(...SQL_ATTACKS, ...SQL_ATTACKS.flatMap(dressedAttacks)),
    fc.constantFrom(...EXTREME_TEXTS),
  )
  fc.assert(
    fc.property(attack, (sql) => {
      expect(passed(sql)).toBeUndefined()
    }),
    { numRuns: 500 },
  )
})
