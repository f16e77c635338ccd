/** SQL that transactions of tests read, with what it gives worked out from images, the obvious way. */
import type { SqlGuard } from '../../src/core/operations.ts'
import type { RowImage } from '../../src/core/change.ts'
import type { SqlRow, SqlValue } from '../../src/core/values.ts'
import type { CompiledTable } from '../../src/schema/compiled.ts'
import { guardedStatement, readSql, type SqlRead } from '../../src/sql/guarded/guarded-query.ts'
import { resultDigest } from '../../src/sql/guarded/result-digest.ts'
import { accounts, columnAt, schema, sessions, type Region } from './strong-region.ts'

/** A statement over one of the tables. */
export interface KnownSql {
  readonly sql: string
  readonly table: CompiledTable
  /** How many numbers it takes. */
  readonly takes: 0 | 1
  readonly isOrdered: boolean
  readonly evaluate: (rows: readonly RowImage[], n: number) => readonly SqlRow[]
}

const [ID, BALANCE, TOTAL, ACTIVE] = ['id', 'balance', 'total', 'active'].map((name) =>
  columnAt(accounts, name),
) as [number, number, number, number]
const SEAT = columnAt(sessions, 'seat')
const balanceOf = (row: RowImage): number => Number(row[BALANCE])
const idOf = (row: RowImage): string => row[ID] as string

/** What each of them is about: conditions, sums, ends of an order, a join, groups, absence, expiry. */
export const KNOWN_SQL: readonly KnownSql[] = [
  {
    sql: 'SELECT count(*) AS n FROM accounts WHERE balance > ?',
    table: accounts,
    takes: 1,
    isOrdered: true,
    evaluate: (rows, n) => [[rows.filter((row) => balanceOf(row) > n).length]],
  },
  {
    sql: 'SELECT sum(total) AS s, avg(balance) AS m, max(balance) AS x, min(id) AS i FROM accounts',
    table: accounts,
    takes: 0,
    isOrdered: true,
    evaluate: (rows) => {
      if (rows.length === 0) return [[null, null, null, null]]
      const sum = rows.reduce((total, row) => total + BigInt(row[TOTAL] as number | bigint), 0n)
      const mean = rows.reduce((total, row) => total + balanceOf(row), 0) / rows.length
      const [first] = rows.map(idOf).toSorted()
      return [[sum, mean, Math.max(...rows.map(balanceOf)), first ?? null]]
    },
  },
  {
    sql: 'SELECT id, balance FROM accounts WHERE balance >= ? ORDER BY balance DESC, id LIMIT 2',
    table: accounts,
    takes: 1,
    isOrdered: true,
    evaluate: (rows, n) =>
      rows
        .filter((row) => balanceOf(row) >= n)
        .toSorted((a, b) => balanceOf(b) - balanceOf(a) || (idOf(a) < idOf(b) ? -1 : 1))
        .slice(0, 2)
        .map((row) => [idOf(row), balanceOf(row)]),
  },
  {
    sql: 'SELECT a.id, b.id AS other FROM accounts a JOIN accounts b ON a.balance = b.balance WHERE a.id < b.id',
    table: accounts,
    takes: 0,
    isOrdered: false,
    evaluate: (rows) =>
      rows.flatMap((a) =>
        rows
          .filter((b) => balanceOf(a) === balanceOf(b) && idOf(a) < idOf(b))
          .map((b) => [idOf(a), idOf(b)]),
      ),
  },
  {
    sql: 'SELECT active, count(*) AS n FROM accounts GROUP BY active HAVING count(*) > 1',
    table: accounts,
    takes: 0,
    isOrdered: false,
    evaluate: (rows) =>
      [0, 1]
        .map((active): [number, number] => [
          active,
          rows.filter((row) => Number(row[ACTIVE]) === active).length,
        ])
        .filter(([, count]) => count > 1),
  },
  {
    sql: `SELECT id FROM accounts a WHERE NOT EXISTS (
      SELECT b.id FROM accounts b WHERE b.balance = a.balance AND b.id <> a.id)`,
    table: accounts,
    takes: 0,
    isOrdered: false,
    evaluate: (rows) =>
      rows
        .filter((a) => !rows.some((b) => b !== a && balanceOf(a) === balanceOf(b)))
        .map((row) => [idOf(row)]),
  },
  {
    sql: 'SELECT id, seat FROM sessions WHERE seat IS NOT NULL',
    table: sessions,
    takes: 0,
    isOrdered: false,
    evaluate: (rows) =>
      rows.filter((row) => row[SEAT] !== null).map((row) => [idOf(row), row[SEAT] as SqlValue]),
  },
]

/** A guard of one of them, with what it gives over these rows. */
export function knownGuard(known: KnownSql, n: number, rows: readonly RowImage[]): SqlGuard {
  const args = known.takes === 1 ? [n] : []
  const read = readSql(schema, known.table === sessions ? 'acme' : '', known.sql, args)
  return { ...read, digest: knownDigest(read, rows) }
}

/** The digest of what a statement gives over these rows. */
export function knownDigest({ sql, args }: SqlRead, rows: readonly RowImage[]): string {
  const known = KNOWN_SQL.find((one) => one.sql === sql) as KnownSql
  const result = known.evaluate(rows, Number(args[0] ?? 0))
  return resultDigest(result, known.isOrdered) as string
}

/** Reads SQL of a region's store as a node does. */
export async function seeSql(
  { store, engine }: Region,
  sql: string,
  args: readonly SqlValue[] = [],
  tenant = '',
): Promise<SqlGuard> {
  const read = readSql(schema, tenant, sql, args)
  const scope = { schema, tenant, nowMs: engine.logTimeMs() }
  const { statement, isOrdered } = guardedStatement(scope, read)
  const { rows } = await store.query(statement)
  return { ...read, digest: resultDigest(rows, isOrdered) as string }
}
