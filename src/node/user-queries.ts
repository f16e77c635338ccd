/** Read-only SQL of users: what it reads, and its rows with the columns they come from. */
import { MeridianError } from '../core/errors.ts'
import { MAX_GUARD_QUERY_BYTES, MAX_GUARD_QUERY_ROWS } from '../core/limits.ts'
import type { Store } from '../core/ports/store.ts'
import type { BodyOf, ResponseValues } from '../protocol/messages.ts'
import type { CompiledSchema, CompiledTable } from '../schema/compiled.ts'
import { guardedStatement, readSql } from '../sql/guarded/guarded-query.ts'
import { resultDigest } from '../sql/guarded/result-digest.ts'
import {
  queryColumns,
  queryError,
  queryReads,
  queryRows,
  scopeQuery,
  type QueryReads,
  type QueryScope,
} from '../sql/scope-query.ts'

function guardTooLarge(): MeridianError {
  return new MeridianError(
    'RESULT_TOO_LARGE',
    `SQL in a transaction gives at most ${MAX_GUARD_QUERY_ROWS} rows and ${MAX_GUARD_QUERY_BYTES} bytes.`,
    { fix: 'Every region reads it again: aggregate in SQL, or name more conditions.' },
  )
}

/** What runs user SQL. */
export interface UserQueryParts {
  readonly schema: CompiledSchema
  readonly store: Store
  readonly viewSource: QueryScope['viewSource']
}

export class UserQueries {
  readonly #parts: UserQueryParts

  constructor(parts: UserQueryParts) {
    this.#parts = parts
  }

  /** @throws MeridianError `QUERY_REFUSED`, `UNKNOWN_TABLE`, `TENANT_REQUIRED` */
  readsOf({ sql, tenant, args, guarded }: BodyOf<'query'>): QueryReads {
    const { schema } = this.#parts
    if (guarded !== true) return queryReads(schema, tenant, sql)
    const { tables } = readSql(schema, tenant, sql, args)
    return { tables: tables.map(({ id }) => schema.tableById.get(id) as CompiledTable), views: [] }
  }

  /** @throws MeridianError `QUERY_REFUSED`, `QUERY_FAILED`, `RESULT_TOO_LARGE`, `INVALID_ARGUMENT` */
  async run(
    body: BodyOf<'query'>,
    nowMs: (table: CompiledTable) => number,
  ): Promise<ResponseValues['query']> {
    const { schema, store, viewSource } = this.#parts
    if (body.guarded === true) return this.#runGuarded(body, nowMs)
    const scope = { schema, tenant: body.tenant, nowMs, viewSource }
    const query = scopeQuery(scope, body.sql, body.args)
    const result = await store.query(query.statement).catch((error: unknown) => {
      throw queryError(error)
    })
    const columns = queryColumns(schema, query, result.columns)
    return { columns, rows: queryRows(schema, columns, result.rows) }
  }

  /** SQL of a strong transaction: only such as gives the same in every region. */
  async #runGuarded(
    { tenant, sql, args }: BodyOf<'query'>,
    nowMs: (table: CompiledTable) => number,
  ): Promise<ResponseValues['query']> {
    const { schema, store } = this.#parts
    const read = readSql(schema, tenant, sql, args)
    const first = schema.tableById.get(read.table) as CompiledTable
    const scope = { schema, tenant, nowMs: nowMs(first) }
    const { statement, isOrdered } = guardedStatement(scope, read)
    const result = await store.query(statement).catch((error: unknown) => {
      throw queryError(error)
    })
    const digest = resultDigest(result.rows, isOrdered)
    if (digest === undefined) throw guardTooLarge()
    const columns = queryColumns(schema, { viewOrigins: new Map() }, result.columns)
    const rows = queryRows(schema, columns, result.rows)
    return { columns, rows, guard: { ...read, digest } }
  }
}
