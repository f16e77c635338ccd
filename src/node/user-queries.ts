/** Read-only SQL of users: what it reads, and its rows with the columns they come from. */
import type { Store } from '../core/ports/store.ts'
import type { BodyOf, ResponseValues } from '../protocol/messages.ts'
import type { CompiledSchema, CompiledTable } from '../schema/compiled.ts'
import {
  queryColumns,
  queryError,
  queryReads,
  queryRows,
  scopeQuery,
  type QueryReads,
  type QueryScope,
} from '../sql/scope-query.ts'

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
  readsOf(sql: string, tenant: string): QueryReads {
    return queryReads(this.#parts.schema, tenant, sql)
  }

  /** @throws MeridianError `QUERY_REFUSED`, `QUERY_FAILED`, `RESULT_TOO_LARGE`, `INVALID_ARGUMENT` */
  async run(
    body: BodyOf<'query'>,
    nowMs: (table: CompiledTable) => number,
  ): Promise<ResponseValues['query']> {
    const { schema, store, viewSource } = this.#parts
    const scope = { schema, tenant: body.tenant, nowMs, viewSource }
    const query = scopeQuery(scope, body.sql, body.args)
    const result = await store.query(query.statement).catch((error: unknown) => {
      throw queryError(error)
    })
    const columns = queryColumns(schema, query, result.columns)
    return { columns, rows: queryRows(schema, columns, result.rows) }
  }
}
