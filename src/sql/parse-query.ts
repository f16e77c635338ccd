/** User SQL as checked tokens and the public names that it reads. */
import { MeridianError } from '../core/errors.ts'
import { MAX_SQL_LENGTH } from '../core/limits.ts'
import { textProblem } from '../core/values.ts'
import type { CompiledSchema, CompiledTable, CompiledView } from '../schema/compiled.ts'
import { catalogTable, replaceCatalog } from './catalog.ts'
import { findReferences, type NameRules } from './references.ts'
import { isNamedParameter, lowerAscii, refused, tokenize, type Token } from './tokens.ts'

/**
 * Who asks, which decides what the text may hold. `sql`: any SQL client, which also has named
 * parameters and the catalogue (`catalog.ts`); `client`: Meridian's own.
 */
export type QuerySurface = 'client' | 'sql'

/** A query that may run. */
export interface ParsedQuery {
  readonly tokens: readonly Token[]
  /** The public tables and views that it reads, and those of the catalogue, in lower case. */
  readonly publicNames: ReadonlySet<string>
}

/** Texts are few and come again, their values being parameters: parsing one costs about 20 µs. */
const MAX_REMEMBERED_QUERIES = 500
const MAX_REMEMBERED_LENGTH = 4000

/** What is known of a schema. */
interface SchemaNames {
  readonly byName: ReadonlyMap<string, CompiledTable | CompiledView>
  readonly rules: Readonly<Record<QuerySurface, NameRules>>
  readonly queries: Readonly<Record<QuerySurface, Map<string, ParsedQuery>>>
}

const known = new WeakMap<CompiledSchema, SchemaNames>()

/**
 * Checks a query.
 *
 * @throws MeridianError `QUERY_REFUSED`, `UNKNOWN_TABLE`
 */
export function parseQuery(
  schema: CompiledSchema,
  sql: string,
  surface: QuerySurface,
): ParsedQuery {
  const names = namesOf(schema)
  const queries = names.queries[surface]
  const before = queries.get(sql)
  if (before !== undefined) return before
  const written = tokensOf(sql)
  if (surface === 'client') refuseNamed(written)
  const tokens = surface === 'sql' ? replaceCatalog(written) : written
  const query = { tokens, publicNames: findReferences(tokens, names.rules[surface]) }
  if (sql.length <= MAX_REMEMBERED_LENGTH) remember(queries, sql, query)
  return query
}

function refuseNamed(tokens: readonly Token[]): void {
  const named = tokens.find(isNamedParameter)
  if (named === undefined) return
  throw refused('a named parameter', named.at, "Use '?' and pass the values in order.")
}

/** The table or view of this name in lower case. */
export function publicNamed(
  schema: CompiledSchema,
  name: string,
): CompiledTable | CompiledView | undefined {
  return namesOf(schema).byName.get(name)
}

function remember(queries: Map<string, ParsedQuery>, sql: string, query: ParsedQuery): void {
  queries.set(sql, query)
  if (queries.size <= MAX_REMEMBERED_QUERIES) return
  for (const oldest of queries.keys()) {
    queries.delete(oldest)
    return
  }
}

function tokensOf(sql: string): readonly Token[] {
  if (sql.length > MAX_SQL_LENGTH) {
    throw new MeridianError(
      'QUERY_REFUSED',
      `The query has ${sql.length} characters; ${MAX_SQL_LENGTH} are allowed.`,
      { fix: 'Pass values as parameters.' },
    )
  }
  const problem = textProblem(sql)
  if (problem !== undefined) {
    throw new MeridianError('QUERY_REFUSED', `The query ${problem}.`, {
      fix: 'Pass text as a parameter.',
    })
  }
  const tokens = tokenize(sql)
  return tokens.at(-1)?.text === ';' ? tokens.slice(0, -1) : tokens
}

function namesOf(schema: CompiledSchema): SchemaNames {
  let names = known.get(schema)
  if (names === undefined) {
    const byName = new Map<string, CompiledTable | CompiledView>()
    for (const named of [...schema.tables, ...schema.views])
      byName.set(lowerAscii(named.name), named)
    const columns = new Set(
      schema.tables.flatMap((table) => table.columns.map((column) => lowerAscii(column.name))),
    )
    const isColumn = (name: string): boolean => columns.has(name)
    const isPublic = (name: string): boolean => byName.has(name)
    names = {
      byName,
      rules: {
        client: { isPublic, isColumn },
        sql: { isPublic: (name) => isPublic(name) || catalogTable(name) !== undefined, isColumn },
      },
      queries: { client: new Map(), sql: new Map() },
    }
    known.set(schema, names)
  }
  return names
}
