/**
 * SQL that a strong transaction reads and every region runs again at its place in the log. What the
 * log carries says all that the statement means: its text, its values, and of each table the ids of
 * the columns that it reads, by the names that it has for them. So a column or a table that is
 * added or renamed changes nothing in it.
 */
import { MeridianError } from '../../core/errors.ts'
import {
  MAX_GUARD_ARGUMENT_BYTES,
  MAX_GUARD_QUERY_BYTES,
  MAX_GUARD_QUERY_ROWS,
  MAX_GUARD_SQL_LENGTH,
} from '../../core/limits.ts'
import { Lru } from '../../core/lru.ts'
import type { GuardedTable, SqlGuard } from '../../core/operations.ts'
import type { Statement } from '../../core/ports/store.ts'
import { rowBytes, textProblem, type SqlValue } from '../../core/values.ts'
import type { CompiledColumn, CompiledSchema, CompiledTable } from '../../schema/compiled.ts'
import { liveRow } from '../live-row.ts'
import { bindParameters } from '../parameters.ts'
import { joinTokens, quoteName, refused } from '../tokens.ts'
import { checkQuery, type CheckedQuery } from './check-query.ts'
import type { SqlTable } from './scopes.ts'

/** A statement as the log carries it, before its result is known. */
export type SqlRead = Omit<SqlGuard, 'digest'>

/** Where a statement runs. */
export interface GuardScope {
  readonly schema: CompiledSchema
  /** '' for the global scope. */
  readonly tenant: string
  /** Rows that have expired by then are absent. */
  readonly nowMs: number
}

/** A statement that is ready to run. */
export interface GuardedStatement {
  readonly statement: Statement
  /** Whether its rows come in one order alone. */
  readonly isOrdered: boolean
}

/** A driver counts bytes roughly: what it lets through is counted exactly by `resultDigest`. */
const ROUGHLY = 4

/**
 * Checks the SQL of a transaction.
 *
 * @throws MeridianError `QUERY_REFUSED`, which names what, where, and what to do instead
 */
export function readSql(
  schema: CompiledSchema,
  tenant: string,
  sql: string,
  args: readonly SqlValue[],
): SqlRead {
  requireText(sql)
  requireArguments(args)
  const scope = tenant === '' ? 'global' : 'tenant'
  const readable = schema.tables.filter(
    (table) => table.consistency === 'strong' && table.scope === scope,
  )
  const { tables } = checked(schema, `${scope}\n${sql}`, () =>
    checkQuery(
      sql,
      readable.map((table) => sqlTable(table, table.columns)),
    ),
  )
  const read = tables.map(({ id, name, columns }): GuardedTable => ({
    id,
    name,
    columns: columns.map((column) => [column.id, column.name]),
  }))
  return { table: read[0]?.id ?? 0, tables: read, sql, args }
}

/**
 * The statement of a read. It depends on the read, the tenant and the instant alone.
 *
 * @throws MeridianError `QUERY_REFUSED`, `SCHEMA_INCOMPATIBLE` for tables and columns that are not
 * there, `INVALID_ARGUMENT` for arguments that are not its parameters'
 */
export function guardedStatement(scope: GuardScope, read: SqlRead): GuardedStatement {
  requireText(read.sql)
  requireArguments(read.args)
  const known = read.tables.map((table) => ({ table, compiled: compiledOf(scope, table) }))
  const tables = known.map(({ table, compiled }) => knownTable(table, compiled))
  requireNames(tables)
  const query = checked(scope.schema, `${JSON.stringify(read.tables)}\n${read.sql}`, () =>
    checkQuery(read.sql, tables),
  )
  const { texts, values } = bindParameters(query.tokens, { positional: read.args })
  requireCounts(query, texts, values)
  const expires = known.some(({ compiled }) => compiled.ttl !== null)
  const [tenant, now] = [`?${values.length + 1}`, `?${values.length + 2}`]
  const shadows = known.map(({ compiled }, i) =>
    shadowSql(tables[i] as SqlTable, compiled, tenant, now),
  )
  const written = texts.map((text, i) => query.rewritten.get(i) ?? text)
  return {
    isOrdered: query.isOrdered,
    statement: {
      sql: `WITH ${shadows.join(', ')} ${joinTokens(query.tokens, written)}`,
      args: [...values, scope.tenant, ...(expires ? [scope.nowMs] : [])],
      bigints: true,
      maxRows: MAX_GUARD_QUERY_ROWS,
      maxBytes: ROUGHLY * MAX_GUARD_QUERY_BYTES,
    },
  }
}

/** The rows of one tenant that are live, under the names that the statement has for them. */
function shadowSql(table: SqlTable, compiled: CompiledTable, tenant: string, now: string): string {
  const columns = table.columns.map(({ id, name }) => `r.c${id} AS ${quoteName(name)}`)
  const live = liveRow(compiled, 'r', now)
  return `${quoteName(table.name)} AS NOT MATERIALIZED (SELECT ${columns.join(', ') || '1'}
    FROM ${compiled.physicalName} r WHERE r.tenant = ${tenant} AND ${live.sql})`
}

function sqlTable(
  { id, name, primaryKey }: CompiledTable,
  columns: readonly Pick<CompiledColumn, 'id' | 'name' | 'storage'>[],
): SqlTable {
  return {
    id,
    name,
    key: primaryKey.map((column) => column.id),
    columns: columns.map((column) => ({
      id: column.id,
      name: column.name,
      isInteger: column.storage === 'INTEGER',
    })),
  }
}

function compiledOf({ schema, tenant }: GuardScope, { id }: GuardedTable): CompiledTable {
  const compiled = schema.tableById.get(id)
  if (compiled?.consistency !== 'strong') throw incompatible(id)
  if ((compiled.scope === 'tenant') === (tenant !== '')) return compiled
  throw new MeridianError('TENANT_REQUIRED', `Table '${compiled.name}' is of another scope.`)
}

function knownTable({ name, columns }: GuardedTable, compiled: CompiledTable): SqlTable {
  const named = columns.map(([id, columnName]) => {
    const column = compiled.columnById.get(id)
    if (column === undefined) throw incompatible(compiled.id)
    return { ...column, name: columnName }
  })
  return { ...sqlTable(compiled, named), name }
}

const NAME = /^[a-z][A-Za-z0-9_]{0,62}$/
const INTERNAL = /^(?:[tvm]\d+$|sqlite_|libsql_|pragma_|json_)/i

/** They become part of the statement's text. */
function requireNames(tables: readonly SqlTable[]): void {
  const lists = [tables, ...tables.map(({ columns }) => columns)]
  const areSound = lists.every((list) => {
    const names = new Set(list.map(({ name }) => name.toLowerCase()))
    return names.size === list.length && list.every(({ name }) => NAME.test(name))
  })
  if (areSound && tables.length > 0 && !tables.some(({ name }) => INTERNAL.test(name))) return
  throw new MeridianError('INVALID_ARGUMENT', 'The tables of a statement have no sound names.')
}

/** Texts are few and come again, their values being parameters: checking one costs 100 µs or more. */
const MAX_REMEMBERED_QUERIES = 500
const remembered = new WeakMap<CompiledSchema, Lru<CheckedQuery>>()

/** `key`: the text, and all else that the check depends on. */
function checked(schema: CompiledSchema, key: string, check: () => CheckedQuery): CheckedQuery {
  let queries = remembered.get(schema)
  if (queries === undefined) {
    queries = new Lru(MAX_REMEMBERED_QUERIES)
    remembered.set(schema, queries)
  }
  const known = queries.get(key)
  if (known !== undefined) return known
  const query = check()
  queries.set(key, query)
  return query
}

function requireText(sql: string): void {
  const problem = textProblem(sql)
  if (problem !== undefined) throw refused(`a text that ${problem}`, 0, 'Pass it as a parameter.')
  if (sql.length > MAX_GUARD_SQL_LENGTH) {
    throw refused(`more than ${MAX_GUARD_SQL_LENGTH} characters`, 0, 'Pass values as parameters.')
  }
}

function requireArguments(args: readonly SqlValue[]): void {
  const sound = args.every(
    (value) =>
      (typeof value !== 'string' || textProblem(value) === undefined) &&
      (typeof value !== 'number' || Number.isFinite(value)),
  )
  if (sound && rowBytes(args) <= MAX_GUARD_ARGUMENT_BYTES) return
  throw refused(
    `arguments of more than ${MAX_GUARD_ARGUMENT_BYTES} bytes, or such that cannot be stored`,
    0,
    'Pass less.',
  )
}

/** SQLite fails on any other LIMIT. */
function requireCounts(
  { counts }: CheckedQuery,
  texts: readonly string[],
  values: readonly SqlValue[],
): void {
  for (const place of counts) {
    const value = values[Number(texts[place]?.slice(1)) - 1]
    if ((Number.isInteger(value) || typeof value === 'bigint') && Number(value) >= 0) continue
    throw new MeridianError('INVALID_ARGUMENT', 'A LIMIT or an OFFSET is no whole number.', {
      fix: 'Pass a number of rows.',
    })
  }
}

function incompatible(table: number): MeridianError {
  return new MeridianError('SCHEMA_INCOMPATIBLE', `Table ${table} is not as the reader knows it.`)
}
