/** The typed face: what `connect` gives, inferred from the schema. */
import type { CompiledQuery, Kysely } from 'kysely'
import type { Consistency as Mode } from '../schema/compiled.ts'
import type { Schema, Table } from '../schema/define.ts'
import type {
  InsertRow,
  KyselyTables,
  QueryRow,
  RowKey,
  SelectRow,
  TableNames,
  UpdateRow,
  ViewNames,
} from '../schema/row-types.ts'
import type { View, ViewGroup, ViewRow } from '../schema/view-builder.ts'
import type { Call, ReadOptions, WriteOptions } from './call.ts'
import type { Comparison } from './list.ts'
import type { ClientSession } from './sessions.ts'

/** A page of a list. */
export interface Page<Row> {
  readonly rows: readonly Row[]
  /** Pass it to the same list for the next page; `null`: there is none. */
  readonly cursor: string | null
}

/** What a list asks for. Without `orderBy` rows come in the order of the primary key. */
export interface ListOptions<T extends Table> extends ReadOptions {
  /** By column: a value to equal (`null` for none), or comparisons. All must hold. */
  readonly where?: {
    readonly [K in keyof SelectRow<T>]?: SelectRow<T>[K] | Comparison<SelectRow<T>[K]>
  }
  /** Columns in order of precedence; the primary key breaks ties. */
  readonly orderBy?: { readonly [K in keyof SelectRow<T>]?: 'asc' | 'desc' }
  /** Rows of a page, 1 to 10,000; 100 when left out. */
  readonly limit?: number
  /** Of the page before. */
  readonly cursor?: string
}

/** Conditions on the stored row, judged where the write is applied. */
export interface ConditionOptions<T extends Table> extends WriteOptions {
  /** All must hold, else `CONDITION_FAILED` and nothing is written. */
  readonly if?: ListOptions<T>['where']
}

/** A table of one tenant, or of the global scope. */
export interface TableHandle<T extends Table> {
  /** The row, or `undefined`. */
  get(key: RowKey<T>, options?: ReadOptions): Call<SelectRow<T> | undefined>
  /** The rows of up to 10,000 keys, in their order; `undefined` where there is none. */
  getMany(
    keys: readonly RowKey<T>[],
    options?: ReadOptions,
  ): Call<readonly (SelectRow<T> | undefined)[]>
  /** A page of rows. */
  list(options?: ListOptions<T>): Call<Page<SelectRow<T>>>
  /** Adds a row; one with its key is `ALREADY_EXISTS`. */
  insert(row: InsertRow<T>, options?: WriteOptions): Call<void>
  /** Adds up to 10,000 rows as one transaction: all or none. */
  insertMany(rows: readonly InsertRow<T>[], options?: WriteOptions): Call<void>
  /** Adds the row, or replaces the one with its key. */
  upsert(row: InsertRow<T>, options?: WriteOptions): Call<void>
  /** Changes columns of a row and gives the row after it; a missing row is `NOT_FOUND`. */
  update(key: RowKey<T>, changes: UpdateRow<T>, options?: ConditionOptions<T>): Call<SelectRow<T>>
  /** Removes a row; afterwards it is absent, whether or not it was there. */
  delete(key: RowKey<T>, options?: ConditionOptions<T>): Call<void>
}

/** A table within a transaction: reads are remembered, writes wait for the commit. */
export interface TransactionTable<T extends Table> {
  /** The row as this transaction sees it. When it changes before the commit, `fn` runs again. */
  get(key: RowKey<T>): Promise<SelectRow<T> | undefined>
  getMany(keys: readonly RowKey<T>[]): Promise<readonly (SelectRow<T> | undefined)[]>
  insert(row: InsertRow<T>): void
  insertMany(rows: readonly InsertRow<T>[]): void
  upsert(row: InsertRow<T>): void
  update(key: RowKey<T>, changes: UpdateRow<T>, options?: Pick<ConditionOptions<T>, 'if'>): void
  delete(key: RowKey<T>, options?: Pick<ConditionOptions<T>, 'if'>): void
}

/** What a list within a transaction asks for. */
export type TransactionListOptions<T extends Table> = Pick<
  ListOptions<T>,
  'where' | 'orderBy' | 'limit' | 'cursor'
>

/** Of a row within a strong transaction: the columns to read, and no others. */
export interface ColumnReadOptions<T extends Table, C extends keyof SelectRow<T>> {
  readonly columns: readonly C[]
}

/** A strong table within a transaction: single columns and ranges can be read, too. */
export interface StrongTransactionTable<T extends Table> extends TransactionTable<T> {
  get(key: RowKey<T>): Promise<SelectRow<T> | undefined>
  /**
   * Columns of the row as this transaction sees it. `fn` runs again when one of them has another
   * value at the commit, or the row came or went: whoever writes its other columns, a counter that
   * everybody increments, does not conflict. Without columns only whether the row is there counts.
   */
  get<C extends keyof SelectRow<T>>(
    key: RowKey<T>,
    options: ColumnReadOptions<T, C>,
  ): Promise<Pick<SelectRow<T>, C> | undefined>
  getMany(keys: readonly RowKey<T>[]): Promise<readonly (SelectRow<T> | undefined)[]>
  /** As `get`, for each of the rows. */
  getMany<C extends keyof SelectRow<T>>(
    keys: readonly RowKey<T>[],
    options: ColumnReadOptions<T, C>,
  ): Promise<readonly (Pick<SelectRow<T>, C> | undefined)[]>
  /**
   * A page of rows as this transaction sees them, its own writes included. When a row comes into
   * the range, leaves it or changes before the commit, up to the last row of the page, `fn` runs
   * again. A full page has a cursor, whether or not rows follow; `null` says that none do, and
   * then a row that comes at the end counts, too. Every region reads the range again at the
   * commit: the columns of `where` and `orderBy` should have an index.
   *
   * @throws MeridianError `TRANSACTION_TOO_LARGE` when the lists of one transaction cover more than
   * 1,000 rows together
   */
  list(options?: TransactionListOptions<T>): Promise<Page<SelectRow<T>>>
}

type Scoped<S extends Schema, W extends Table['scope']> = {
  readonly [N in TableNames<S, Mode, W>]: TableHandle<S['tables'][N]>
}

/** What a transaction of mode `M` may touch: tables of that mode and scope, and nothing else. */
export type Transaction<S extends Schema, M extends Mode, W extends Table['scope']> = {
  readonly [N in TableNames<S, M, W>]: M extends 'strong'
    ? StrongTransactionTable<S['tables'][N]>
    : TransactionTable<S['tables'][N]>
} & (M extends 'strong' ? TransactionQueries<S, W> : unknown)

/** What SQL of a strong transaction reads: strong tables of its scope. */
type StrongQueryTables<S extends Schema, W extends Table['scope']> = {
  [N in TableNames<S, 'strong', W>]: KyselyTables<S, W>[N & keyof KyselyTables<S, W>]
}

interface TransactionQueries<S extends Schema, W extends Table['scope']> {
  /**
   * Rows of a query over strong tables, built with Kysely, without the transaction's own writes. The
   * same query must give the same at the commit, else `fn` runs again: no phantoms, joins and
   * aggregates included. Every region runs it again there, so only SQL is passed that gives the same
   * in each: `docs/transactions.md` lists what is refused, and why.
   *
   * @throws MeridianError `QUERY_REFUSED` (`details.kind` and the message say what of it, and what to
   * do), also of a table that the transaction has written; `RESULT_TOO_LARGE` beyond 1,000 rows or
   * 1 MiB; `TRANSACTION_TOO_LARGE` beyond 8 queries; `QUERY_FAILED`
   */
  query<Row>(
    build: (q: QueryBuilder<StrongQueryTables<S, W>>) => Compilable<Row>,
  ): Promise<readonly QueryRow<Row>[]>
}

/** Options of a transaction. */
export interface TransactionOptions extends WriteOptions {
  /** How often `fn` may run; 10 when left out. Then it fails with `CONFLICT`. */
  readonly maxAttempts?: number
}

/** The same object type, written out: what an editor shows is what there is. */
type Flat<T> = { [K in keyof T]: T[K] }

/** A materialized view. */
export interface ViewHandle<V extends View> {
  /**
   * Its rows, at most 10,000: groups in order of the group columns, a top list in its order.
   *
   * @throws MeridianError `RESULT_TOO_LARGE` when there are more and no `limit` was given
   */
  list(options?: ReadOptions & { readonly limit?: number }): Call<readonly Flat<ViewRow<V>>[]>
  /** The row of one group, or `undefined`. */
  get(group: ViewGroup<V>, options?: ReadOptions): Call<Flat<ViewRow<V>> | undefined>
}

/** Kysely without its ways to write: `selectFrom`, `with`, `fn`, … */
export type QueryBuilder<Tables> = Pick<
  Kysely<Tables>,
  'selectFrom' | 'selectNoFrom' | 'with' | 'withRecursive' | 'fn' | 'dynamic'
>

/** A query that Kysely has built and can compile: a SELECT, nothing that writes. */
export interface Compilable<Row> {
  readonly isSelectQueryBuilder: true
  compile(): CompiledQuery<Row>
}

/** What a query of a scope reads: a tenant's also reads global tables. */
type QueryTables<S extends Schema, W extends Table['scope']> = KyselyTables<S, W> &
  Pick<KyselyTables<S, 'global'>, TableNames<S, Mode, 'global'>>

interface Queryable<S extends Schema, W extends Table['scope']> {
  /**
   * Runs a read-only query over the tables and views of this scope, and global tables, built with
   * Kysely. An encrypted column comes back decrypted under any alias, and cannot be compared.
   *
   * @throws MeridianError `QUERY_REFUSED`, `QUERY_FAILED`, `RESULT_TOO_LARGE`
   */
  query<Row>(
    build: (q: QueryBuilder<QueryTables<S, W>>) => Compilable<Row>,
    options?: ReadOptions,
  ): Call<readonly QueryRow<Row>[]>
}

interface Transactional<S extends Schema, W extends Table['scope']> {
  /**
   * Runs `fn` as an optimistic transaction of one mode. Nothing is locked while it runs; what it
   * read is checked at the commit, and on a conflict it runs again: keep it free of side effects.
   *
   * @throws MeridianError `CONFLICT` after `maxAttempts` (`details.conflicts` says what the last run
   * had read that was not so any more: tables, keys and ranges), and what the writes throw
   */
  transaction<M extends Mode, R>(
    mode: M,
    fn: (tx: Transaction<S, M, W>) => Promise<R> | R,
    options?: TransactionOptions,
  ): Call<R>
}

/** One tenant's tables, views, queries and transactions. */
export type TenantHandle<S extends Schema> = Scoped<S, 'tenant'> &
  Queryable<S, 'tenant'> &
  Transactional<S, 'tenant'> & {
    readonly id: string
    view<N extends ViewNames<S, 'tenant'>>(name: N): ViewHandle<S['views'][N]>
  }

/** A tenant as the directory knows it. */
export interface Tenant {
  readonly id: string
  /** The region that its pinned rows are written in. */
  readonly home: string
  /** Rises with every move of the home. */
  readonly epoch: number
  /** Its class, which residency rules speak of. */
  readonly tenantClass: string
  /** The regions that may hold and read its data. */
  readonly regions: readonly string[]
}

/** Creates and finds tenants. */
export interface Tenants {
  /**
   * Creates a tenant. Its class is `default` when none is named.
   *
   * @throws MeridianError `TENANT_EXISTS`, `REGION_UNKNOWN`, `RESIDENCY_DENIED`
   */
  create(
    tenant: { readonly id: string; readonly home: string; readonly tenantClass?: string },
    options?: WriteOptions,
  ): Call<Tenant>
  /** The tenant, or `undefined`. */
  get(id: string, options?: ReadOptions): Call<Tenant | undefined>
}

/** A connection to Meridian from one region. */
export type Database<S extends Schema> = Scoped<S, 'global'> &
  Queryable<S, 'global'> &
  Transactional<S, 'global'> & {
    readonly region: string
    readonly tenants: Tenants
    /** One tenant's data. Makes no call by itself. */
    tenant(id: string): TenantHandle<S>
    view<N extends ViewNames<S, 'global'>>(name: N): ViewHandle<S['views'][N]>
    /** A new session; calls that name none share the client's own. */
    session(): ClientSession
    /** Takes a session over from another function. @throws MeridianError `SESSION_INVALID` */
    importSession(token: string): Promise<ClientSession>
    /** Ends the client; calls in flight fail with `CLOSED`. */
    close(): Promise<void>
    [Symbol.asyncDispose](): Promise<void>
  }
