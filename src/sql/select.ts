/**
 * Generated reads: by key, and lists with predicates, order and a keyset cursor. Every statement
 * carries the tenant, the instant that expiry is judged at, and visibility; it returns the physical
 * columns in image order and `_ver` behind them.
 */
import type { RowImage } from '../core/change.ts'
import { MeridianError } from '../core/errors.ts'
import { MAX_OPERATIONS, MAX_PAGE_ROWS } from '../core/limits.ts'
import type { ListOrder, ListPredicate, ListQuery } from '../core/list-query.ts'
import type { Statement } from '../core/ports/store.ts'
import type { SqlRow, SqlValue } from '../core/values.ts'
import type { CompiledTable, PhysicalColumn } from '../schema/compiled.ts'
import { fromJsonCell, keyColumns, toJsonCell, type CellColumn } from './json-cells.ts'
import { liveRow } from './live-row.ts'

/** A row as reads give it. */
export interface StoredRow {
  readonly image: RowImage
  readonly version: string
}

/**
 * Reads the live rows with these keys. Read the result with `rowsByKey`.
 *
 * @throws MeridianError `INVALID_ARGUMENT` for a key of another length
 */
export function selectByKeys(
  table: CompiledTable,
  tenant: string,
  keys: readonly (readonly SqlValue[])[],
  nowMs: number,
): Statement {
  const sql = sqlOf(table)
  const width = table.primaryKey.length
  if (keys.some((key) => key.length !== width)) {
    throw new MeridianError(
      'INVALID_ARGUMENT',
      `A key of table '${table.name}' has ${width} values.`,
    )
  }
  const now = sql.takesNow ? [nowMs] : []
  const only = keys.length === 1 ? keys[0] : undefined
  if (only !== undefined) {
    return { sql: sql.one, args: [tenant, ...only, ...now], bigints: sql.wide }
  }
  const cells = keyColumns(table)
  const json = keys.map((key) => key.map((v, i) => toJsonCell(cells[i] as CellColumn, v)))
  return { sql: sql.many, args: [JSON.stringify(json), tenant, ...now], bigints: sql.wide }
}

/** The rows of `selectByKeys` in the order of its `keyCount` keys; undefined: no live row. */
export function rowsByKey(
  table: CompiledTable,
  keyCount: number,
  rows: readonly SqlRow[],
): (StoredRow | undefined)[] {
  const read = rowReader(table)
  if (keyCount === 1) return [rows[0] === undefined ? undefined : read(rows[0])]
  const result = new Array<StoredRow | undefined>(keyCount).fill(undefined)
  for (const row of rows) result[Number(row[row.length - 1])] = read(row)
  return result
}

/**
 * Reads a page. It asks for one row beyond the limit, which tells `takePage` whether more follow.
 *
 * @throws MeridianError `INVALID_ARGUMENT` for an unknown column or operator, a limit out of range
 * or a cursor of another order
 */
export function selectList(
  table: CompiledTable,
  tenant: string,
  query: ListQuery,
  nowMs: number,
): Statement {
  if (!Number.isInteger(query.limit) || query.limit < 1 || query.limit > MAX_PAGE_ROWS) {
    throw new MeridianError('INVALID_ARGUMENT', `The limit ${query.limit} is out of range.`, {
      fix: `Use 1 to ${MAX_PAGE_ROWS}.`,
    })
  }
  return selectPage(table, tenant, query, nowMs, sqlOf(table).columns)
}

/**
 * Reads of a page what orders and identifies its rows: the values of the order's columns and of the
 * key (`cursorAfter`), then `_ver`. One row beyond the limit, as `selectList`; of any limit.
 *
 * @throws MeridianError `INVALID_ARGUMENT` as `selectList`
 */
export function selectListOrder(
  table: CompiledTable,
  tenant: string,
  query: ListQuery,
  nowMs: number,
): Statement {
  const order = totalOrder(table, query.orderBy).map(({ column }) => `r.${column.name}`)
  return selectPage(table, tenant, query, nowMs, `${order.join(', ')}, r._ver`)
}

function selectPage(
  table: CompiledTable,
  tenant: string,
  query: ListQuery,
  nowMs: number,
  columns: string,
): Statement {
  requireShort(table, query)
  const sql = sqlOf(table)
  const args: SqlValue[] = [tenant]
  const parts = ['r.tenant = ?']
  for (const predicate of query.where) parts.push(predicateSql(table, predicate, args))
  const order = totalOrder(table, query.orderBy)
  if (query.after !== null) parts.push(...keysetSql(order, query.after, args))
  parts.push(sql.live)
  if (sql.takesNow) args.push(nowMs)
  args.push(query.limit + 1)
  const orderSql = order.map((o) => `r.${o.column.name}${o.descending ? ' DESC' : ''}`).join(', ')
  return {
    sql: `SELECT ${columns} FROM ${table.physicalName} r WHERE ${parts.join(' AND ')} ORDER BY ${orderSql} LIMIT ?`,
    args,
    bigints: sql.wide,
  }
}

/**
 * Half of what SQLite's parser nests. An order behind a cursor costs the square of its columns: a
 * message that repeated one thousands of times would take all memory.
 */
const MAX_PREDICATES = 500

function requireShort(table: CompiledTable, { where, orderBy }: ListQuery): void {
  if (where.length <= MAX_PREDICATES && orderBy.length <= table.physical.length) return
  throw new MeridianError(
    'INVALID_ARGUMENT',
    `A list of '${table.name}' has ${where.length} conditions and an order of ${orderBy.length} columns.`,
    { fix: `Use at most ${MAX_PREDICATES}, and each column once.` },
  )
}

/** The rows of a `selectList` with this limit, and whether more follow. */
export function takePage(
  table: CompiledTable,
  limit: number,
  rows: readonly SqlRow[],
): { readonly rows: StoredRow[]; readonly more: boolean } {
  return { rows: rows.slice(0, limit).map(rowReader(table)), more: rows.length > limit }
}

/** The cursor behind a row: the values of the order's columns, then of the primary key. */
export function cursorAfter(
  table: CompiledTable,
  orderBy: readonly ListOrder[],
  image: RowImage,
): SqlValue[] {
  const indexes = [...orderBy.map((o) => o.column), ...keyIndexes(table)]
  return indexes.map((index) => image[index] ?? null)
}

/** The primary key of a row. */
export function keyOf(table: CompiledTable, image: RowImage): SqlValue[] {
  return keyIndexes(table).map((index) => image[index] ?? null)
}

/** Turns a result row (physical columns, `_ver`, anything else) into a stored row. */
export function rowReader(table: CompiledTable): (row: SqlRow) => StoredRow {
  const width = table.physical.length
  if (!sqlOf(table).wide) {
    return (row) => ({ image: row.slice(0, width), version: row[width] as string })
  }
  const wide = table.physical.map((column) => column.wide)
  return (row) => ({
    image: wide.map((isWide, i) => {
      const value = row[i] ?? null
      return typeof value === 'bigint' && !isWide ? Number(value) : value
    }),
    version: row[width] as string,
  })
}

/** The physical columns of `table` and `_ver`, qualified: what `rowReader` reads. */
export function rowColumns(table: CompiledTable, alias: string): string {
  return [...table.physical.map((c) => `${alias}.${c.name}`), `${alias}._ver`].join(', ')
}

/** Whether reads of the table need `Statement.bigints`: it has 64-bit columns. */
export function hasWideColumns(table: CompiledTable): boolean {
  return sqlOf(table).wide
}

/** Exact text of each operator: nothing from a message reaches SQL but through this table. */
const OPERATORS: ReadonlyMap<string, string> = new Map([
  ['=', '='],
  ['!=', 'IS NOT'],
  ['<', '<'],
  ['<=', '<='],
  ['>', '>'],
  ['>=', '>='],
])

function predicateSql(table: CompiledTable, predicate: ListPredicate, args: SqlValue[]): string {
  const column = columnAt(table, predicate.column)
  const name = `r.${column.name}`
  if (predicate.op === 'in') return inSql(column, predicate.values, args)
  const operator = OPERATORS.get(predicate.op)
  if (operator === undefined || predicate.values.length !== 1) {
    throw new MeridianError(
      'INVALID_ARGUMENT',
      `Table '${table.name}': no comparison '${predicate.op}' with ${predicate.values.length} values.`,
    )
  }
  const value = predicate.values[0] ?? null
  args.push(value)
  return `${name} ${operator === '=' && value === null ? 'IS' : operator} ?`
}

function inSql(column: PhysicalColumn, values: readonly SqlValue[], args: SqlValue[]): string {
  if (values.length > MAX_OPERATIONS) {
    throw new MeridianError('INVALID_ARGUMENT', `'in' takes at most ${MAX_OPERATIONS} values.`)
  }
  const present = values.filter((value) => value !== null)
  args.push(JSON.stringify(present.map((value) => [toJsonCell(column, value)])))
  const found = `r.${column.name} IN (SELECT ${fromJsonCell(column, 'value', 0)} FROM json_each(?))`
  return present.length === values.length ? found : `(${found} OR r.${column.name} IS NULL)`
}

interface OrderedColumn {
  readonly column: PhysicalColumn
  readonly descending: boolean
}

function totalOrder(table: CompiledTable, orderBy: readonly ListOrder[]): OrderedColumn[] {
  const order: OrderedColumn[] = orderBy.map((o) => ({
    column: columnAt(table, o.column),
    descending: o.descending,
  }))
  // Same direction as the last order, so that one index can be walked either way.
  const descending = order.at(-1)?.descending ?? false
  for (const index of keyIndexes(table)) {
    order.push({ column: table.physical[index] as PhysicalColumn, descending })
  }
  return order
}

/**
 * "Behind the cursor" in a lexicographic order: behind it in the first column, or equal there and
 * behind it in the second, and so on. The first part repeats the bound of the first column alone,
 * which is what lets an index seek to it.
 */
function keysetSql(
  order: readonly OrderedColumn[],
  after: readonly SqlValue[],
  args: SqlValue[],
): string[] {
  if (after.length !== order.length) {
    throw new MeridianError(
      'INVALID_ARGUMENT',
      `The cursor has ${after.length} values; this order has ${order.length} columns.`,
      { fix: 'Pass the cursor of a page with the same order.' },
    )
  }
  const parts: string[] = []
  const first = order[0] as OrderedColumn
  const bound = after[0] ?? null
  if (bound !== null && !(first.descending && first.column.nullable)) {
    parts.push(`r.${first.column.name} ${first.descending ? '<=' : '>='} ?`)
    args.push(bound)
  }
  const branches: string[] = []
  order.forEach((last, depth) => {
    const value = after[depth] ?? null
    const behind = behindSql(last, value)
    if (behind === null) return
    const equal = order.slice(0, depth).map((o, i) => {
      args.push(after[i] ?? null)
      return `r.${o.column.name} ${after[i] === null ? 'IS' : '='} ?`
    })
    if (value !== null) args.push(value)
    branches.push([...equal, behind].join(' AND '))
  })
  parts.push(branches.length === 0 ? '0' : `(${branches.map((b) => `(${b})`).join(' OR ')})`)
  return parts
}

/** What is behind a value in one column; null: nothing. NULL is the smallest value. */
function behindSql(order: OrderedColumn, value: SqlValue): string | null {
  const name = `r.${order.column.name}`
  if (!order.descending) return value === null ? `${name} IS NOT NULL` : `${name} > ?`
  if (value === null) return null
  return order.column.nullable ? `(${name} < ? OR ${name} IS NULL)` : `${name} < ?`
}

function columnAt(table: CompiledTable, index: number): PhysicalColumn {
  const column = table.physical[index]
  if (column === undefined) {
    throw new MeridianError('INVALID_ARGUMENT', `Table '${table.name}' has no column ${index}.`)
  }
  return column
}

/** What of a table's reads depends on the table alone. */
interface TableSql {
  readonly columns: string
  readonly live: string
  readonly takesNow: boolean
  readonly wide: boolean
  readonly one: string
  readonly many: string
  readonly keyIndexes: readonly number[]
}

const texts = new WeakMap<CompiledTable, TableSql>()

function sqlOf(table: CompiledTable): TableSql {
  let sql = texts.get(table)
  if (sql === undefined) {
    sql = tableSql(table)
    texts.set(table, sql)
  }
  return sql
}

function tableSql(table: CompiledTable): TableSql {
  const columns = rowColumns(table, 'r')
  const live = liveRow(table, 'r')
  const key = keyColumns(table)
  const one = key.map((c) => `r.${c.name} = ?`).join(' AND ')
  const many = key.map((c, i) => `r.${c.name} = ${fromJsonCell(c, 'j.value', i)}`).join(' AND ')
  const from = `FROM ${table.physicalName} r`
  return {
    columns,
    live: live.sql,
    takesNow: live.takesNow,
    wide: table.physical.some((c) => c.wide),
    one: `SELECT ${columns} ${from} WHERE r.tenant = ? AND ${one} AND ${live.sql}`,
    // CROSS JOIN fixes the order: one seek for each key.
    many: `SELECT ${columns}, j.key FROM json_each(?) j CROSS JOIN ${table.physicalName} r
      WHERE r.tenant = ? AND ${many} AND ${live.sql}`,
    keyIndexes: table.primaryKey.map((c) => table.physical.findIndex((p) => p.name === `c${c.id}`)),
  }
}

function keyIndexes(table: CompiledTable): readonly number[] {
  return sqlOf(table).keyIndexes
}
