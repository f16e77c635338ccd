/**
 * The one place where user SQL becomes a statement. Public names do not exist in a store: each one
 * that the text reads is shadowed by a common table expression over the physical table, bound to
 * the tenant, the instant and visibility. What could get around that is refused (`references.ts`).
 */
import { MeridianError } from '../core/errors.ts'
import { MAX_QUERY_BYTES, MAX_QUERY_ROWS } from '../core/limits.ts'
import { StatementFailed, type ColumnOrigin, type Statement } from '../core/ports/store.ts'
import type { SqlRow, SqlValue } from '../core/values.ts'
import type { CompiledSchema, CompiledTable, CompiledView } from '../schema/compiled.ts'
import { viewColumns } from '../schema/view-columns.ts'
import { liveRow } from './live-row.ts'
import { catalogScope, catalogTable, publicCatalogNames, type CatalogTable } from './catalog.ts'
import { bindParameters, parameterNames, writtenNames, type QueryArguments } from './parameters.ts'
import { parseQuery, publicNamed, type ParsedQuery, type QuerySurface } from './parse-query.ts'
import { joinTokens, quoteName, tokenize, type Token } from './tokens.ts'

/** SQL that reads a view, its columns in the order of `viewColumns`; parameters are plain `?`. */
export interface ViewSource {
  readonly sql: string
  readonly args: readonly SqlValue[]
}

/** Where a query runs. */
export interface QueryScope {
  readonly schema: CompiledSchema
  /** '' for the global scope. */
  readonly tenant: string
  /** The instant that expiry of this table's rows is judged at. */
  readonly nowMs: (table: CompiledTable) => number
  /** How the rows of a view are read for this tenant. */
  readonly viewSource: (view: CompiledView, tenant: string, nowMs: number) => ViewSource
  /** Default `client`. */
  readonly surface?: QuerySurface
}

/** What a query reads. */
export interface QueryReads {
  readonly tables: readonly CompiledTable[]
  readonly views: readonly CompiledView[]
}

/** A query, ready to run with `Store.query`. Read its rows with `queryRows`. */
export interface ScopedQuery extends QueryReads {
  readonly statement: Statement
  /** Where the values of the views' stored columns come from, by `<table>.<column>`. */
  readonly viewOrigins: ReadonlyMap<string, ColumnIds>
  /** A result column's name, as the user wrote it. */
  readonly columnName: (name: string) => string
}

/** A column and its table, by ids. */
export interface ColumnIds {
  readonly table: number
  readonly column: number
}

/**
 * Finds what a query reads, without running it.
 *
 * @throws MeridianError `QUERY_REFUSED` (names what and what to do), `UNKNOWN_TABLE`,
 * `TENANT_REQUIRED`
 */
export function queryReads(
  schema: CompiledSchema,
  tenant: string,
  sql: string,
  surface: QuerySurface = 'client',
): QueryReads {
  return readsOf(schema, tenant, parseQuery(schema, sql, surface))
}

/**
 * The parameters of a query by number: a name, or null.
 *
 * @throws MeridianError `QUERY_REFUSED`, `UNKNOWN_TABLE`
 */
export function queryParameters(
  schema: CompiledSchema,
  sql: string,
  surface: QuerySurface,
): readonly (string | null)[] {
  return parameterNames(parseQuery(schema, sql, surface).tokens)
}

/**
 * Turns user SQL into a statement that reads the rows of one tenant, and of global tables.
 *
 * @throws MeridianError as `queryReads`, and `INVALID_ARGUMENT` when the number of parameters
 * differs from that of the arguments
 */
export function scopeQuery(
  scope: QueryScope,
  sql: string,
  args: readonly SqlValue[] | QueryArguments,
): ScopedQuery {
  const query = parseQuery(scope.schema, sql, scope.surface ?? 'client')
  const reads = readsOf(scope.schema, scope.tenant, query)
  const given = 'positional' in args ? args : { positional: args }
  const { texts, values } = bindParameters(query.tokens, given)
  const written = writtenNames(query.tokens)
  const shadows = new Shadows(scope, values)
  for (const table of reads.tables) shadows.addTable(table)
  for (const view of reads.views) shadows.addView(view)
  for (const name of query.publicNames) {
    const table = catalogTable(name)
    if (table !== undefined) shadows.addCatalog(table)
  }
  return {
    ...reads,
    viewOrigins: shadows.viewOrigins,
    columnName: (name) => publicCatalogNames(written(name)),
    statement: {
      sql: mergeWith(shadows.expressions, query.tokens, texts),
      args: shadows.args,
      bigints: true,
      maxRows: MAX_QUERY_ROWS,
      maxBytes: MAX_QUERY_BYTES,
    },
  }
}

/** A result column of a query: its name, and the column it comes from where it is a plain one. */
export interface QueryColumn {
  readonly name: string
  /** Table id. */
  readonly table: number | null
  /** Column id. */
  readonly column: number | null
}

/** What result columns are, so that values can be converted and decrypted under any alias. */
export function queryColumns(
  schema: CompiledSchema,
  query: Pick<ScopedQuery, 'viewOrigins'>,
  origins: readonly ColumnOrigin[],
): QueryColumn[] {
  return origins.map(({ name, table, column }) => {
    const viewed = query.viewOrigins.get(`${table}.${column}`)
    if (viewed !== undefined) return { name, ...viewed }
    const source = schema.tables.find((t) => t.physicalName === table)
    const found = source?.physical.find((c) => c.kind === 'value' && c.name === column)
    if (source === undefined || found === undefined) return { name, table: null, column: null }
    return { name, table: source.id, column: found.columnId }
  })
}

/**
 * The rows of a query. Integers are `bigint` in 64-bit columns and beyond 2^53, else numbers.
 */
export function queryRows(
  schema: CompiledSchema,
  columns: readonly QueryColumn[],
  rows: readonly SqlRow[],
): SqlRow[] {
  const wide = columns.map(({ table, column }) => {
    const source = table === null ? undefined : schema.tableById.get(table)
    return source?.physical.some((c) => c.columnId === column && c.wide) === true
  })
  return rows.map((row) => row.map((value, i) => narrow(value, wide[i] === true)))
}

/** The error of a query that SQLite refused or that failed in it, as `QUERY_FAILED`. */
export function queryError(error: unknown): unknown {
  if (!(error instanceof StatementFailed)) return error
  const message = publicCatalogNames(error.message)
  return new MeridianError('QUERY_FAILED', `The query failed: ${message}.`, {
    fix: 'Correct it.',
    cause: error,
  })
}

function narrow(value: SqlValue, wide: boolean): SqlValue {
  if (typeof value !== 'bigint' || wide) return value
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

function readsOf(schema: CompiledSchema, tenant: string, query: ParsedQuery): QueryReads {
  const tables: CompiledTable[] = []
  const views: CompiledView[] = []
  for (const name of query.publicNames) {
    const found = publicNamed(schema, name)
    if (found === undefined) continue
    if ('source' in found) {
      requireSpan(found, tenant)
      views.push(found)
    } else {
      if (found.scope === 'tenant' && tenant === '') throw tenantRequired('table', found.name)
      tables.push(found)
    }
  }
  return { tables, views }
}

function requireSpan(view: CompiledView, tenant: string): void {
  if (view.span === 'tenant' && tenant === '') throw tenantRequired('view', view.name)
  // A view of the region over tenant tables holds rows of every tenant.
  if (view.span === 'region' && view.source.scope === 'tenant' && tenant !== '') {
    throw new MeridianError(
      'QUERY_REFUSED',
      `View '${view.name}' spans all tenants of the region.`,
      { fix: 'Query it without a tenant.' },
    )
  }
}

function tenantRequired(kind: string, name: string): MeridianError {
  return new MeridianError('TENANT_REQUIRED', `The rows of ${kind} '${name}' belong to tenants.`, {
    fix: 'Query through `db.tenant(id)`.',
    details: { name },
  })
}

/** The common table expressions that stand for public names. */
class Shadows {
  readonly expressions: string[] = []
  readonly viewOrigins = new Map<string, ColumnIds>()
  readonly args: SqlValue[]
  readonly #scope: QueryScope
  readonly #places = new Map<SqlValue, string>()

  constructor(scope: QueryScope, args: readonly SqlValue[]) {
    this.#scope = scope
    this.args = [...args]
  }

  addTable(table: CompiledTable): void {
    const columns = table.columns.map((c) => `r.c${c.id} AS ${quoteName(c.name)}`)
    const live = liveRow(table, 'r', table.ttl === null ? '' : this.#bind(this.#scope.nowMs(table)))
    const tenant = this.#bind(table.scope === 'global' ? '' : this.#scope.tenant)
    this.#add(
      table.name,
      `SELECT ${columns.join(', ')} FROM ${table.physicalName} r WHERE r.tenant = ${tenant} AND ${live.sql}`,
    )
  }

  addView(view: CompiledView): void {
    const nowMs = this.#scope.nowMs(view.source)
    const source = this.#scope.viewSource(view, this.#scope.tenant, nowMs)
    const tokens = tokenize(source.sql)
    let next = 0
    const texts = tokens.map((token) =>
      token.text === '?' ? this.#bind(source.args[next++] ?? null) : token.text,
    )
    const columns = viewColumns(view)
    this.#add(view.name, texts.join(' '), columns.map(({ name }) => quoteName(name)).join(', '))
    selectedColumns(tokens).forEach((stored, i) => {
      const column = columns[i]?.source
      if (stored === undefined || column === null || column === undefined) return
      const origin = { table: view.source.id, column: column.id }
      this.viewOrigins.set(`v${view.id}.${stored}`, origin)
    })
  }

  addCatalog(table: CatalogTable): void {
    const rows = table.rows(catalogScope(this.#scope.schema, this.#scope.tenant))
    const cells = table.columns.map((_, i) => `value->>${i}`).join(', ')
    const source = `SELECT ${cells} FROM json_each(${this.#bind(JSON.stringify(rows))})`
    this.#add(table.name, source, table.columns.map(quoteName).join(', '))
  }

  /** NOT MATERIALIZED: a name that is used twice would else be copied in full, without indexes. */
  #add(name: string, select: string, columns?: string): void {
    const head = columns === undefined ? quoteName(name) : `${quoteName(name)} (${columns})`
    this.expressions.push(`${head} AS NOT MATERIALIZED (${select})`)
  }

  /** The parameter that holds a value of the scope; behind those of the query. */
  #bind(value: SqlValue): string {
    let place = this.#places.get(value)
    if (place === undefined) {
      this.args.push(value)
      place = `?${this.args.length}`
      this.#places.set(value, place)
    }
    return place
  }
}

/** The stored columns that a SELECT gives, in order; undefined: something else than `table.column`. */
function selectedColumns(tokens: readonly Token[]): (string | undefined)[] {
  const end = tokens.findIndex((token) => token.name === 'FROM')
  const items: Token[][] = [[]]
  for (const token of tokens.slice(1, end)) {
    if (token.text === ',') items.push([])
    else items.at(-1)?.push(token)
  }
  return items.map((item) => {
    const [, dot, column] = item
    return item.length === 3 && dot?.text === '.' ? column?.text : undefined
  })
}

/** Puts the shadows before the query, into its own WITH clause where it has one. */
function mergeWith(
  shadows: readonly string[],
  tokens: readonly Token[],
  texts: readonly string[],
): string {
  const body = (from: number): string => joinTokens(tokens.slice(from), texts.slice(from))
  if (shadows.length === 0) return body(0)
  const own = texts[0]?.toUpperCase() === 'WITH'
  if (!own) return `WITH ${shadows.join(', ')} ${body(0)}`
  const recursive = texts[1]?.toUpperCase() === 'RECURSIVE'
  return `WITH ${recursive ? 'RECURSIVE ' : ''}${shadows.join(', ')}, ${body(recursive ? 2 : 1)}`
}
