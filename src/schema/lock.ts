/**
 * The lock of a schema, kept in `meridian.lock.json` and committed with it: which name has which
 * immutable id. Ids bind encryption, the change log and the stored rows; none is used twice.
 */

/** The ids of one table and of its columns. */
export interface TableLock {
  readonly id: number
  readonly nextColumnId: number
  readonly columns: Readonly<Record<string, number>>
  /** Names that columns had before, with their ids. */
  readonly renamed: Readonly<Record<string, number>>
  /** Ids of columns that were removed. */
  readonly retired: readonly number[]
}

/** The ids of a schema. */
export interface SchemaLock {
  /** Version of this file's form. */
  readonly format: 1
  /** The schema's version: rises with each change of it. */
  readonly version: number
  /** Stands for the content of the schema at this version. */
  readonly fingerprint: string
  readonly nextTableId: number
  readonly nextViewId: number
  readonly tables: Readonly<Record<string, TableLock>>
  readonly views: Readonly<Record<string, number>>
  /** Names that tables had before, with their ids. */
  readonly renamed: Readonly<Record<string, number>>
  /** Ids of tables and views that were removed. */
  readonly retired: { readonly tables: readonly number[]; readonly views: readonly number[] }
}

/** The lock before the first version. */
export const EMPTY_LOCK: SchemaLock = {
  format: 1,
  version: 0,
  fingerprint: '',
  nextTableId: 1,
  nextViewId: 1,
  tables: {},
  views: {},
  renamed: {},
  retired: { tables: [], views: [] },
}
