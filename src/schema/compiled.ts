/**
 * The compiled schema: what every part below the typed face works with. Tables and columns are
 * known by immutable numeric ids; public names appear only at the edges.
 */
import type { SqlValue } from '../core/values.ts'

/** How consistent a table is. */
export type Consistency = 'strong' | 'pinned' | 'eventual'

/** Whether a table's rows belong to tenants or to everybody. */
export type Scope = 'tenant' | 'global'

/** Where strong reads of a strong table are answered. */
export type ReadsOption = 'log' | 'local'

/** What a column holds, as the user declared it. */
export type ColumnType =
  | 'text'
  | 'integer'
  | 'bigint'
  | 'real'
  | 'boolean'
  | 'timestamp'
  | 'blob'
  | 'json'
  | 'counter'
  | 'set'
  | 'collaborativeText'

/** The storage class of a physical column. */
export type StorageType = 'TEXT' | 'INTEGER' | 'REAL' | 'BLOB'

/** A column of a compiled table. */
export interface CompiledColumn {
  readonly id: number
  readonly name: string
  /** Names that it had under earlier schemas. */
  readonly formerNames: readonly string[]
  readonly type: ColumnType
  /** The stored form: what `physical` columns and row images hold. Encrypted cells are BLOB. */
  readonly storage: StorageType
  readonly optional: boolean
  readonly primaryKey: boolean
  readonly unique: boolean
  /** Encrypted in the client; `lookup` names the blind index, if it has one. */
  readonly encrypted: { readonly lookup: 'exact' | 'none' } | null
  /** The stored value that the client fills in when an insert leaves the column out. */
  readonly default: SqlValue | undefined
}

/** A column of the physical table: `c<id>` for values, `b<id>` for blind indexes. */
export interface PhysicalColumn {
  readonly name: string
  readonly columnId: number
  readonly kind: 'value' | 'blind'
  readonly storage: StorageType
  /** A 64-bit integer that must not pass through a JavaScript number. */
  readonly wide: boolean
  readonly nullable: boolean
}

/** An encrypted column's places in the row image. */
export interface EncryptedCell {
  readonly column: CompiledColumn
  readonly valueIndex: number
  /** Of the blind index; null: the column has none. */
  readonly blindIndex: number | null
}

/** A declared secondary index, by column ids. */
export interface CompiledIndex {
  readonly columns: readonly number[]
  readonly unique: boolean
}

/** A table, compiled. */
export interface CompiledTable {
  readonly id: number
  readonly name: string
  /** Names that it had under earlier schemas. */
  readonly formerNames: readonly string[]
  readonly consistency: Consistency
  readonly scope: Scope
  /** The commit-log group of a strong table: `main`, or `local` where its reads are. */
  readonly logGroup: string | null
  /** Eventual tables: which wins when a row is deleted and updated concurrently. */
  readonly onConcurrentDelete: 'deleteWins' | 'updateWins'
  /** Physical name: `t<id>`. */
  readonly physicalName: string
  /** Ascending id. */
  readonly columns: readonly CompiledColumn[]
  /** In the order of the primary key's declaration. */
  readonly primaryKey: readonly CompiledColumn[]
  /** Ascending column id, a blind index right behind its value: the order of row images. */
  readonly physical: readonly PhysicalColumn[]
  /** Column id to the index of its value in `physical` and in row images. */
  readonly valueIndex: ReadonlyMap<number, number>
  /** The encrypted columns, ascending id. */
  readonly encrypted: readonly EncryptedCell[]
  readonly indexes: readonly CompiledIndex[]
  /** The column whose timestamp ends the row, if any. */
  readonly ttl: CompiledColumn | null
  readonly columnByName: ReadonlyMap<string, CompiledColumn>
  readonly columnById: ReadonlyMap<number, CompiledColumn>
}

/** An aggregate of a group-by view. `columnId` is null for `count()`. */
export interface CompiledAggregate {
  readonly name: string
  readonly fn: 'count' | 'sum' | 'avg' | 'min' | 'max'
  readonly columnId: number | null
}

/** A comparison of a view's filter: a column against a constant in its stored form. */
export interface CompiledPredicate {
  readonly columnId: number
  readonly op: '=' | '!=' | '<' | '<=' | '>' | '>=' | 'is null' | 'is not null'
  /** `bigint` on bigint columns. */
  readonly value: SqlValue
}

/**
 * A materialized view, compiled. A view of tenant span is kept per tenant: the tenant is its first
 * group column. Aggregates skip NULL (but `count`), and are NULL over nothing but NULLs.
 */
export interface CompiledView {
  readonly id: number
  readonly name: string
  readonly source: CompiledTable
  /** All must hold. */
  readonly filter: readonly CompiledPredicate[]
  readonly shape:
    | {
        readonly kind: 'group'
        readonly groupBy: readonly number[]
        readonly aggregates: readonly CompiledAggregate[]
      }
    | {
        readonly kind: 'top'
        readonly orderBy: readonly { readonly columnId: number; readonly descending: boolean }[]
        readonly limit: number
        readonly columns: readonly number[]
      }
    | { readonly kind: 'select'; readonly columns: readonly number[] }
  /**
   * `tenant`: one result a tenant (the default of tenant tables); `region`: one result over all
   * tenants whose rows are in the region, read without a tenant; what global tables have. The
   * rows of `top` and `select` views of this span over tenant tables show their tenant.
   */
  readonly span: 'tenant' | 'region'
}

/** A whole schema, compiled against its lock. */
export interface CompiledSchema {
  /** Rises with every change of the schema; every message and change carries it. */
  readonly version: number
  /** Equal exactly where nothing differs, ids included (`fingerprint.ts`). Peers compare it. */
  readonly fingerprint: string
  readonly tables: readonly CompiledTable[]
  readonly views: readonly CompiledView[]
  readonly tableByName: ReadonlyMap<string, CompiledTable>
  readonly tableById: ReadonlyMap<number, CompiledTable>
  readonly viewByName: ReadonlyMap<string, CompiledView>
}
