/**
 * Reads of one reader in one region: text is scoped (`src/sql/scope-query.ts`) and nothing else
 * reaches the store; what comes back is described by the public schema.
 */
import { MeridianError } from '../../core/errors.ts'
import type { SqlColumn, SqlDescription } from '../../core/ports/sql-session.ts'
import type { DescribedResult, Statement } from '../../core/ports/store.ts'
import type { SqlRow } from '../../core/values.ts'
import type { SessionState } from '../../protocol/messages.ts'
import type { CompiledTable } from '../../schema/compiled.ts'
import { declaredType, pragmaQuery } from '../../sql/catalog.ts'
import type { QueryArguments } from '../../sql/parameters.ts'
import {
  queryColumns,
  queryError,
  queryParameters,
  queryReads,
  scopeQuery,
  type QueryReads,
  type ScopedQuery,
} from '../../sql/scope-query.ts'
import type { SqlReader, SqlRegion } from './sql-region.ts'

/**
 * How current rows are: `local` what the region holds, `strong` as `read: 'strong'` of the client.
 */
export type SqlConsistency = 'local' | 'strong'

/** What runs a scoped statement: the store, or a snapshot of it. */
export interface RunsQueries {
  query(statement: Statement): Promise<DescribedResult>
}

/** The instant at which expiry is judged. */
export type InstantOf = (table: CompiledTable) => number

/** Rows and their columns. */
export interface SqlRows {
  readonly columns: readonly SqlColumn[]
  readonly rows: readonly SqlRow[]
}

const NO_SESSION: SessionState = { positions: {}, nowMs: 0 }
const SURFACE = 'sql'

export class SqlReads {
  readonly #region: SqlRegion
  readonly #reader: SqlReader
  readonly #consistency: SqlConsistency
  readonly #timeoutMs: number
  /** Fails where strong rows of the snapshot that was taken last are of no one moment. */
  #unsealSnapshot: () => void = () => undefined

  constructor(
    region: SqlRegion,
    reader: SqlReader,
    consistency: SqlConsistency,
    timeoutMs: number,
  ) {
    this.#region = region
    this.#reader = reader
    this.#consistency = consistency
    this.#timeoutMs = timeoutMs
  }

  /** One query by itself, at its own instant. */
  async query(sql: string, args: QueryArguments): Promise<SqlRows> {
    const text = pragmaQuery(sql) ?? sql
    const reads = await this.#admit(text)
    const instants = new Map(tablesOf(reads).map((table) => [table, this.#region.nowMs(table)]))
    const nowMs: InstantOf = (table) => instants.get(table) as number
    const unseal = this.#seal(tablesOf(reads))
    await this.#catchUp(reads, nowMs)
    const rows = await this.#run(text, args, nowMs, this.#region.store)
    unseal()
    await this.#settle(reads)
    return rows
  }

  /** One of several queries on a snapshot, all at the instant of its beginning. */
  async queryOn(
    snapshot: RunsQueries,
    nowMs: InstantOf,
    sql: string,
    args: QueryArguments,
  ): Promise<SqlRows> {
    const text = pragmaQuery(sql) ?? sql
    const reads = await this.#admit(text)
    if (tablesOf(reads).some(({ consistency }) => consistency === 'strong')) this.#unsealSnapshot()
    const rows = await this.#run(text, args, nowMs, snapshot)
    await this.#settle(reads)
    return rows
  }

  /** Brings every view that the reader can read to an instant, before a snapshot is taken. */
  async viewsReach(nowMs: InstantOf): Promise<void> {
    const { schema } = this.#region
    const { tenant } = this.#reader
    this.#unsealSnapshot = this.#sealLater(schema.tables)
    const views = schema.views.filter(({ span }) => (span === 'tenant') === (tenant !== ''))
    await this.#catchUp({ tables: [], views }, nowMs)
  }

  /** What a text is, without its rows. */
  async describe(sql: string): Promise<SqlDescription> {
    const text = pragmaQuery(sql) ?? sql
    await this.#admit(text)
    const { schema, store } = this.#region
    const names = queryParameters(schema, text, SURFACE)
    const { statement, query } = this.#scope(text, { positional: names.map(() => null) }, (table) =>
      this.#region.nowMs(table),
    )
    const shape = { ...statement, sql: `SELECT * FROM (${statement.sql}) LIMIT 0` }
    const { columns } = await store.query(shape).catch((error: unknown) => {
      throw queryError(error)
    })
    const described = this.#columns(query, columns)
    return {
      params: names.map((name) => ({ name })),
      columns: described.map((column) => ({ ...column, name: undoubled(column.name, described) })),
      isExplain: false,
      isReadonly: true,
    }
  }

  /** Whether the reader may read what the text names, now. */
  async #admit(text: string): Promise<QueryReads> {
    const { schema } = this.#region
    const { tenant } = this.#reader
    const { home } = await this.#region.admit(this.#reader, this.#timeoutMs)
    const reads = queryReads(schema, tenant, text, SURFACE)
    this.#region.admitViews(this.#reader, reads.views)
    if (this.#consistency === 'strong') await this.#admitStrong(reads, home)
    return reads
  }

  async #admitStrong(reads: QueryReads, home: string | undefined): Promise<void> {
    const scope = { tables: tablesOf(reads), home }
    const admission = await this.#region.freshness.admit(
      scope,
      'strong',
      NO_SESSION,
      this.#timeoutMs,
    )
    if (admission.kind === 'serve') return
    throw new MeridianError('NOT_HOME', `Only region ${home} reads these tables strongly.`, {
      fix: 'Connect to its node, or read what this region holds.',
    })
  }

  async #settle(reads: QueryReads): Promise<void> {
    if (this.#consistency !== 'strong') return
    const scope = { tables: tablesOf(reads), home: undefined }
    await this.#region.freshness.settle(scope, 'strong', this.#timeoutMs)
  }

  #seal(tables: readonly CompiledTable[]): () => void {
    return this.#region.freshness.seal({ tables, home: undefined })
  }

  /** As above, but what fails now fails when the seal is checked: not every query needs it. */
  #sealLater(tables: readonly CompiledTable[]): () => void {
    try {
      return this.#seal(tables)
    } catch (error) {
      return () => {
        throw error
      }
    }
  }

  /** Views drop what has expired in steps of their own: a read waits for those that are due. */
  async #catchUp({ views }: QueryReads, nowMs: InstantOf): Promise<void> {
    if (views.length === 0) return
    const { positions, freshness } = this.#region
    if (this.#consistency === 'strong') {
      const tables = views.map((view) => view.source)
      await freshness.emitted({ tables }, 'strong', NO_SESSION, this.#timeoutMs)
    }
    const reached = this.#consistency === 'strong' ? await positions.refresh() : undefined
    const seq = reached?.get(positions.source) ?? 0
    const reads = views.map((view) => ({ view, nowMs: nowMs(view.source) }))
    await this.#region.views.waitApplied(seq, this.#timeoutMs, reads)
  }

  async #run(
    text: string,
    args: QueryArguments,
    nowMs: InstantOf,
    runner: RunsQueries,
  ): Promise<SqlRows> {
    const { statement, query } = this.#scope(text, args, nowMs)
    const result = await runner.query(statement).catch((error: unknown) => {
      throw queryError(error)
    })
    return { columns: this.#columns(query, result.columns), rows: result.rows }
  }

  #scope(
    text: string,
    args: QueryArguments,
    nowMs: InstantOf,
  ): { readonly statement: Statement; readonly query: ScopedQuery } {
    const { schema, viewSource } = this.#region
    const scope = {
      schema,
      tenant: this.#reader.tenant,
      nowMs,
      viewSource,
      surface: SURFACE,
    } as const
    const query = scopeQuery(scope, text, args)
    return { statement: query.statement, query }
  }

  #columns(query: ScopedQuery, origins: DescribedResult['columns']): SqlColumn[] {
    const { schema } = this.#region
    return queryColumns(schema, query, origins).map(({ name, table, column }) => {
      const source = table === null ? undefined : schema.tableById.get(table)
      const found = column === null ? undefined : source?.columnById.get(column)
      return {
        name: query.columnName(name),
        decltype: found === undefined ? null : declaredType(found),
      }
    })
  }
}

function tablesOf({ tables, views }: QueryReads): readonly CompiledTable[] {
  return [...new Set([...tables, ...views.map((view) => view.source)])]
}

/** In a subquery SQLite tells columns of one name apart: `id`, `id:1`. */
function undoubled(name: string | null, columns: readonly SqlColumn[]): string | null {
  const base = name?.replace(/:\d+$/, '') ?? null
  return columns.some((column) => column.name === base) ? base : name
}
