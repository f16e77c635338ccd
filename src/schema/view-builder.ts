/** Declares materialized views: `v('orders').where(…).groupBy('day').select(a => ({ … }))`. */
import type { ColumnFlagsOf, ColumnTypeOf, ColumnValueOf } from './columns.ts'
import type { CompiledAggregate, CompiledPredicate, CompiledView } from './compiled.ts'
import type { Table, Tables } from './define.ts'
import type { SelectRow } from './row-types.ts'

/** Whose rows one result of a view covers: a tenant's, or all that are in the region. */
export type ViewSpan = CompiledView['span']

declare const SPEC: unique symbol

/** A declared view. `Row`: one row of its result; `GroupRow`: the columns it is grouped by. */
export interface View<Row = unknown, Span extends ViewSpan = ViewSpan, GroupRow = unknown> {
  readonly definition: ViewDefinition
  /** For the type checker alone. */
  readonly [SPEC]?: { readonly row: Row; readonly span: Span; readonly group: GroupRow }
}

/** One row of a view's result. */
export type ViewRow<V extends View> = NonNullable<V[typeof SPEC]>['row']
/** The columns that a view is grouped by, in order; none for other shapes. */
export type ViewGroup<V extends View> = NonNullable<V[typeof SPEC]>['group']
/** `'tenant'` or `'region'`. */
export type ViewSpanOf<V extends View> = NonNullable<V[typeof SPEC]>['span']

/** A declaration at run time: names, and values in their public form. */
export interface ViewDefinition {
  readonly source: string
  readonly filter: readonly ViewPredicate[]
  readonly shape: ViewShape
  readonly span: ViewSpan
}

/** A comparison of a view's filter. */
export interface ViewPredicate {
  readonly column: string
  readonly op: CompiledPredicate['op']
  readonly value: unknown
}

/** What a view makes of the rows that pass its filter. */
export type ViewShape =
  | {
      readonly kind: 'group'
      readonly groupBy: readonly string[]
      readonly aggregates: Readonly<Record<string, Aggregate>>
    }
  | {
      readonly kind: 'top'
      readonly orderBy: readonly { readonly column: string; readonly descending: boolean }[]
      readonly limit: number
      readonly columns: readonly string[]
    }
  | { readonly kind: 'select'; readonly columns: readonly string[] }

/** Begins a view over a table. */
export type ViewFactory<T extends Tables> = <N extends keyof T & string>(
  table: N,
) => ViewSource<T[N]>

type Ordered = 'text' | 'integer' | 'bigint' | 'real' | 'timestamp' | 'counter'
type Numeric = 'integer' | 'bigint' | 'real' | 'counter'

/** Names of the columns of these types that are not encrypted. */
type PlainColumn<T extends Table, Types> = {
  [K in keyof T['columns'] & string]: ColumnTypeOf<T['columns'][K]> extends Types
    ? 'encrypted' extends ColumnFlagsOf<T['columns'][K]>
      ? never
      : K
    : never
}[keyof T['columns'] & string]

type ColumnName<T extends Table> = keyof T['columns'] & string
type Value<T extends Table, K extends ColumnName<T>> = ColumnValueOf<T['columns'][K]>
type OrNull<T extends Table, K extends ColumnName<T>, V> =
  'optional' extends ColumnFlagsOf<T['columns'][K]> ? V | null : V

/** Views of global tables belong to no tenant. */
type OwnSpan<T extends Table> = T['scope'] extends 'global' ? 'region' : 'tenant'

/** A row of a view that spans tenants says whose it is. */
type WithTenant<Row> = Row & { tenant: string }

/** A view that can still be made to span tenants. */
export interface TenantView<Row, RegionRow, GroupRow> extends View<Row, 'tenant', GroupRow> {
  /**
   * One result over all tenants whose rows are in the region, read without a tenant. Rows that are
   * not grouped say whose they are in the column `tenant`.
   */
  acrossTenants(): View<RegionRow, 'region', GroupRow>
}

/** What a view's `select` gives: only views of tenants' tables can span tenants. */
type Shaped<T extends Table, Row, RegionRow, GroupRow> =
  OwnSpan<T> extends 'tenant' ? TenantView<Row, RegionRow, GroupRow> : View<Row, 'region', GroupRow>

type SelectView<T extends Table, K extends ColumnName<T>> = Shaped<
  T,
  Pick<SelectRow<T>, K>,
  WithTenant<Pick<SelectRow<T>, K>>,
  Record<never, never>
>

/** The rows of a table that pass a filter. */
export interface ViewSource<T extends Table> {
  /** Keeps rows for which the comparison holds; several must all hold. NULL passes none. */
  where<K extends PlainColumn<T, Ordered | 'boolean'>>(
    column: K,
    op: '=' | '!=' | '<' | '<=' | '>' | '>=',
    value: Value<T, K>,
  ): ViewSource<T>
  /** Keeps rows without, or with, a value. */
  where(column: PlainColumn<T, Ordered | 'boolean'>, op: 'is null' | 'is not null'): ViewSource<T>
  /** One row a group; without columns, one over all rows, where there are any. */
  groupBy<K extends PlainColumn<T, Exclude<Ordered, 'counter'> | 'boolean'> = never>(
    ...columns: readonly K[]
  ): GroupedSource<T, K>
  /** The first rows of an order. Ties are broken by the primary key. */
  orderBy(column: PlainColumn<T, Ordered>, direction?: 'asc' | 'desc'): OrderedSource<T>
  /** The rows themselves, with these columns. */
  select<K extends ColumnName<T>>(...columns: readonly K[]): SelectView<T, K>
}

/** An order; `limit` says how much of it is kept. */
export interface OrderedSource<T extends Table> {
  orderBy(column: PlainColumn<T, Ordered>, direction?: 'asc' | 'desc'): OrderedSource<T>
  /** The first rows: 1 to 10,000. */
  limit(rows: number): LimitedSource<T>
}

/** The first rows of an order. */
export interface LimitedSource<T extends Table> {
  select<K extends ColumnName<T>>(...columns: readonly K[]): SelectView<T, K>
}

/** Groups, to be aggregated. */
export interface GroupedSource<T extends Table, K extends ColumnName<T>> {
  select<A extends Readonly<Record<string, Aggregate>>>(
    aggregates: (a: Aggregates<T>) => A,
  ): Shaped<T, GroupedRow<T, K, A>, GroupedRow<T, K, A>, Pick<SelectRow<T>, K>>
}

type GroupedRow<T extends Table, K extends ColumnName<T>, A> = Pick<SelectRow<T>, K> & {
  [N in keyof A]: A[N] extends Aggregate<infer V> ? V : never
}

/** An aggregate whose value is a `V`. */
export interface Aggregate<V = unknown> {
  readonly fn: CompiledAggregate['fn']
  readonly column: string | null
  /** For the type checker alone. */
  readonly [SPEC]?: V
}

/** The aggregates. NULL is left out of all but `count`; of nothing but NULLs they are null. */
export interface Aggregates<T extends Table> {
  /** How many rows. */
  count(): Aggregate<number>
  sum<K extends PlainColumn<T, Numeric>>(column: K): Aggregate<OrNull<T, K, Value<T, K>>>
  avg<K extends PlainColumn<T, Numeric>>(column: K): Aggregate<OrNull<T, K, number>>
  min<K extends PlainColumn<T, Ordered>>(column: K): Aggregate<OrNull<T, K, Value<T, K>>>
  max<K extends PlainColumn<T, Ordered>>(column: K): Aggregate<OrNull<T, K, Value<T, K>>>
}

/** Begins a view over the table of this name. */
export function createViewSource(tables: Tables, source: string): ViewSource<Table> {
  const span = tables[source]?.scope === 'global' ? 'region' : 'tenant'
  return new Source(source, span, []) as unknown as ViewSource<Table>
}

type Order = Extract<ViewShape, { kind: 'top' }>['orderBy']

class Source {
  readonly #source: string
  readonly #span: ViewSpan
  readonly #filter: readonly ViewPredicate[]

  constructor(source: string, span: ViewSpan, filter: readonly ViewPredicate[]) {
    this.#source = source
    this.#span = span
    this.#filter = filter
  }

  where(column: string, op: CompiledPredicate['op'], value: unknown = null): Source {
    return new Source(this.#source, this.#span, [...this.#filter, { column, op, value }])
  }

  groupBy(...groupBy: readonly string[]): unknown {
    return {
      select: (aggregates: (a: typeof AGGREGATES) => Readonly<Record<string, Aggregate>>) =>
        this.#shaped({ kind: 'group', groupBy, aggregates: aggregates(AGGREGATES) }),
    }
  }

  orderBy(column: string, direction?: 'asc' | 'desc'): unknown {
    return this.#ordered([orderOf(column, direction)])
  }

  select(...columns: readonly string[]): View {
    return this.#shaped({ kind: 'select', columns })
  }

  #ordered(orderBy: Order): unknown {
    return {
      orderBy: (column: string, direction?: 'asc' | 'desc') =>
        this.#ordered([...orderBy, orderOf(column, direction)]),
      limit: (limit: number) => ({
        select: (...columns: readonly string[]) =>
          this.#shaped({ kind: 'top', orderBy, limit, columns }),
      }),
    }
  }

  #shaped(shape: ViewShape): View {
    const definition = { source: this.#source, filter: this.#filter, shape, span: this.#span }
    const across: View = { definition: { ...definition, span: 'region' } }
    return Object.assign({ definition }, { acrossTenants: () => across })
  }
}

function orderOf(column: string, direction: 'asc' | 'desc' = 'asc'): Order[number] {
  return { column, descending: direction === 'desc' }
}

const AGGREGATES = {
  count: (): Aggregate => ({ fn: 'count', column: null }),
  sum: (column: string): Aggregate => ({ fn: 'sum', column }),
  avg: (column: string): Aggregate => ({ fn: 'avg', column }),
  min: (column: string): Aggregate => ({ fn: 'min', column }),
  max: (column: string): Aggregate => ({ fn: 'max', column }),
}
