/** Row types, inferred from the declared tables: what inserts and updates take and reads give. */
import type { ColumnType as KyselyColumn } from 'kysely'
import type { ColumnFlagsOf, ColumnTypeOf, ColumnValueOf } from './columns.ts'
import type { ColumnType, Consistency, Scope } from './compiled.ts'
import type { Schema, Table } from './define.ts'
import type { Extremum, Increment, SetEdit, TextOperator } from './operators.ts'
import type { View, ViewRow, ViewSpanOf } from './view-builder.ts'

type Merged = 'counter' | 'set' | 'collaborativeText'

type OrNull<C extends Table['columns'][string], V> =
  'optional' extends ColumnFlagsOf<C> ? V | null : V

/** A row as reads give it. */
export type SelectRow<T extends Table> = {
  [K in keyof T['columns'] & string]: OrNull<T['columns'][K], ColumnValueOf<T['columns'][K]>>
}

/** Sets are written from anything that gives texts one by one. */
type WrittenValue<C extends Table['columns'][string]> =
  ColumnTypeOf<C> extends 'set' ? Iterable<string> : OrNull<C, ColumnValueOf<C>>

/** Whether an insert may leave the column out. */
type IsOmittable<C extends Table['columns'][string]> =
  ColumnTypeOf<C> extends Merged
    ? true
    : [ColumnFlagsOf<C> & ('optional' | 'default')] extends [never]
      ? false
      : true

/** A row as inserts take it: optional, defaulted and merged columns may be left out. */
export type InsertRow<T extends Table> = {
  [
    K in keyof T['columns'] & string as IsOmittable<T['columns'][K]> extends true ? never : K
  ]: WrittenValue<T['columns'][K]>
} & {
  [
    K in keyof T['columns'] & string as IsOmittable<T['columns'][K]> extends true ? K : never
  ]?: WrittenValue<T['columns'][K]>
}

/** What an update takes: any columns but the key's, each a new value or an operator. */
export type UpdateRow<T extends Table> = {
  [K in Exclude<keyof T['columns'] & string, KeyColumns<T>>]?: UpdateValue<
    T['columns'][K],
    T['consistency']
  >
}

/** A counter has no new value, only increments: replacing it would lose those of other regions. */
type UpdateValue<C extends Table['columns'][string], M extends Consistency> =
  ColumnTypeOf<C> extends 'counter'
    ? Increment<number>
    : WrittenValue<C> | Operators<ColumnTypeOf<C>, ColumnFlagsOf<C>, M>

/** The operators besides a new value. Nobody computes with ciphertext, nor with a register. */
type Operators<T extends ColumnType, F, M extends Consistency> = T extends 'set'
  ? SetEdit
  : T extends 'collaborativeText'
    ? TextOperator | readonly TextOperator[]
    : M extends 'eventual'
      ? never
      : 'encrypted' extends F
        ? never
        : T extends keyof OperatorsByType
          ? OperatorsByType[T]
          : never

interface OperatorsByType {
  text: Extremum<string>
  timestamp: Extremum<Date>
  integer: Increment<number, 'increment' | 'flooredIncrement'> | Extremum<number>
  real: Increment<number, 'increment' | 'flooredIncrement'> | Extremum<number>
  bigint: Increment<number | bigint, 'increment' | 'flooredIncrement'> | Extremum<bigint>
}

type KeyColumns<T extends Table> = {
  [K in keyof T['columns'] & string]: 'primaryKey' extends ColumnFlagsOf<T['columns'][K]>
    ? K
    : never
}[keyof T['columns'] & string]

/** A row's key: the bare value of a single key column, an object of several. */
export type RowKey<T extends Table> = SingleOrAll<Pick<SelectRow<T>, KeyColumns<T>>>

type SingleOrAll<Row> = {
  [K in keyof Row]: [keyof Row] extends [K] ? Row[K] : Row
}[keyof Row]

/** Names of the tables of these modes and scopes. */
export type TableNames<
  S extends Schema,
  M extends Consistency = Consistency,
  W extends Scope = Scope,
> = {
  [N in keyof S['tables'] & string]: S['tables'][N]['consistency'] extends M
    ? S['tables'][N]['scope'] extends W
      ? N
      : never
    : never
}[keyof S['tables'] & string]

/** Names of the views that are read with a tenant (`'tenant'`) or without one (`'global'`). */
export type ViewNames<S extends Schema, W extends Scope = Scope> = {
  [N in keyof S['views'] & string]: ViewSpanOf<S['views'][N]> extends ViewSpanOfScope[W] ? N : never
}[keyof S['views'] & string]

interface ViewSpanOfScope {
  tenant: 'tenant'
  global: 'region'
}

declare const SELECT_ONLY: unique symbol

/**
 * In Kysely, the type of a column that can be selected and not compared: no value is of this type.
 * `QueryRow` turns it back into the value's type.
 */
export interface SelectOnly<out V> {
  readonly [SELECT_ONLY]: V
}

/** A result row of a Kysely query, as the client gives it: decrypted and converted. */
export type QueryRow<Row> = { [K in keyof Row]: Plain<Row[K]> }

type Plain<V> = V extends SelectOnly<infer P> ? P : V

/** JSON and sets are stored as text, encrypted columns as ciphertext: comparing them misleads. */
type SelectValue<C extends Table['columns'][string]> =
  'encrypted' extends ColumnFlagsOf<C>
    ? SelectOnly<ColumnValueOf<C>>
    : ColumnTypeOf<C> extends 'json' | 'set'
      ? SelectOnly<ColumnValueOf<C>>
      : ColumnValueOf<C>

type ReadOnly<V> = KyselyColumn<V, never, never>

type KyselyTable<T extends Table> = {
  [K in keyof T['columns'] & string]: ReadOnly<
    OrNull<T['columns'][K], SelectValue<T['columns'][K]>>
  >
}

type KyselyView<V extends View> = { [K in keyof ViewRow<V>]: ReadOnly<ViewRow<V>[K]> }

/** The tables and views of a scope, as Kysely takes them: for reading alone. */
export type KyselyTables<S extends Schema, W extends Scope> = {
  [N in TableNames<S, Consistency, W>]: KyselyTable<S['tables'][N]>
} & {
  [N in ViewNames<S, W>]: KyselyView<S['views'][N]>
}
