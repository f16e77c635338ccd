/** Declares tables and schemas: `table(columns, options)` and `defineSchema({ tables, views })`. */
import type { Column, ColumnFlagsOf, ColumnTypeOf } from './columns.ts'
import type { Consistency, ReadsOption, Scope } from './compiled.ts'
import { validateTables, validateViews } from './validate.ts'
import { createViewSource, type View, type ViewFactory } from './view-builder.ts'

/** Columns by name. */
export type Columns = Readonly<Record<string, Column>>

/** Options of a table. */
export interface TableOptions<C extends Columns, M extends Consistency, S extends Scope> {
  /** How consistent the table is: `'strong'`, `'pinned'` or `'eventual'`. */
  readonly consistency: M
  /** Whose the rows are: a tenant's (the default) or everybody's. Pinned tables are a tenant's. */
  readonly scope?: S
  /** The timestamp column at whose instant a row ends; a row where it is null stays. */
  readonly ttl?: TtlColumnName<C>
  /** Secondary indexes, each a list of columns. */
  readonly indexes?: readonly (readonly IndexableColumnName<C>[])[]
  /**
   * Strong tables: where strong reads are answered. `'log'` (the default): by asking the log how far
   * it is, a round trip. `'local'`: by each region's own store under a lease, without a message;
   * writes then wait until no region answers with older rows. Not with `ttl`; a transaction has
   * tables of one kind.
   */
  readonly reads?: M extends 'strong' ? ReadsOption : never
  /** Eventual tables: what wins when a row is deleted and updated at once; `'deleteWins'`. */
  readonly onConcurrentDelete?: M extends 'eventual' ? 'deleteWins' | 'updateWins' : never
  /** Keeps the data of a table that had this name before. */
  readonly renamedFrom?: string
}

/** A declared table. */
export interface Table<
  C extends Columns = Columns,
  M extends Consistency = Consistency,
  S extends Scope = Scope,
> {
  readonly columns: C
  readonly consistency: M
  readonly scope: S
  readonly ttl: string | null
  readonly reads: ReadsOption
  readonly indexes: readonly (readonly string[])[]
  readonly onConcurrentDelete: 'deleteWins' | 'updateWins'
  readonly renamedFrom: string | null
}

/** Tables and views by name. */
export type Tables = Readonly<Record<string, Table>>
export type Views = Readonly<Record<string, View>>

/** A declared schema. */
export interface Schema<T extends Tables = Tables, V extends Views = Views> {
  readonly tables: T
  readonly views: V
}

type ColumnNameWhere<C extends Columns, Types, WithoutFlags> = {
  [K in keyof C & string]: ColumnTypeOf<C[K]> extends Types
    ? [ColumnFlagsOf<C[K]> & WithoutFlags] extends [never]
      ? K
      : never
    : never
}[keyof C & string]

type TtlColumnName<C extends Columns> = ColumnNameWhere<C, 'timestamp', 'encrypted'>
type IndexableColumnName<C extends Columns> = ColumnNameWhere<
  C,
  'text' | 'integer' | 'bigint' | 'real' | 'boolean' | 'timestamp' | 'counter',
  'encrypted'
>

/** Columns that are only for eventual tables, and those that are not: a sentence as their type. */
type CheckedColumns<C extends Columns, M extends Consistency> = {
  readonly [K in keyof C]: M extends 'eventual'
    ? 'unique' extends ColumnFlagsOf<C[K]>
      ? 'Eventual tables cannot keep unique columns: regions write without asking each other.'
      : C[K]
    : ColumnTypeOf<C[K]> extends 'counter' | 'set' | 'collaborativeText'
      ? 'counter(), set() and collaborativeText() are for eventual tables.'
      : C[K]
}

/** Declares a table. `defineSchema` checks it as a whole. */
export function table<
  C extends Columns,
  M extends Consistency,
  S extends (M extends 'pinned' ? 'tenant' : Scope) = 'tenant',
>(
  columns: C & CheckedColumns<C, M>,
  options: TableOptions<C, M, S>,
  // Where a table of any scope is wanted, one without `scope` is still a tenant's.
): Table<C, M, NoInfer<S>> {
  const declared: Table = {
    columns,
    consistency: options.consistency,
    scope: options.scope ?? 'tenant',
    ttl: options.ttl ?? null,
    reads: options.reads ?? 'log',
    indexes: options.indexes ?? [],
    onConcurrentDelete: options.onConcurrentDelete ?? 'deleteWins',
    renamedFrom: options.renamedFrom ?? null,
  }
  return Object.freeze(declared) as Table<C, M, S>
}

/**
 * Declares a schema: its tables, and its materialized views as a function of them.
 *
 * @throws MeridianError `SCHEMA_INVALID`
 */
export function defineSchema<T extends Tables, V extends Views = Record<never, never>>(definition: {
  readonly tables: T
  readonly views?: (v: ViewFactory<T>) => V
}): Schema<T, V> {
  const { tables } = definition
  validateTables(tables)
  const factory = ((name: string) => createViewSource(tables, name)) as unknown as ViewFactory<T>
  const views = definition.views?.(factory) ?? {}
  validateViews(tables, views)
  return Object.freeze({ tables, views: views as V })
}
