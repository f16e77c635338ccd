/**
 * The tables that a log group's state is in, as a snapshot of it names them, and the statements by
 * which one region reads them in pages and another makes its own rows the same. Rows travel as
 * JSON cells (`json-cells.ts`): what was read goes into the other store's statement as it is.
 */
import type { Statement } from '../../src/core/ports/store.ts'
import type { SqlRow, SqlValue } from '../../src/core/values.ts'
import type { CompiledTable, PhysicalColumn } from '../../src/schema/compiled.ts'
import { factsOf } from '../../src/schema/table-facts.ts'
import {
  fromJsonCell,
  keyColumns,
  parseJsonCell,
  toJsonCell,
  type CellColumn,
} from '../../src/sql/json-cells.ts'

/** A table of a snapshot. The key's columns come first. */
export interface SnapshotTable {
  /** Its name in the store and on the wire. */
  readonly name: string
  readonly columns: readonly CellColumn[]
  readonly keyWidth: number
  /** Places of the columns of each unique constraint. */
  readonly uniques: readonly (readonly number[])[]
  /** The table of the schema; undefined for one of the system. */
  readonly compiled?: CompiledTable
}

/** Cells of a row, or of the first columns of its key. */
export type Cells = readonly unknown[]

/** A table of a schema. */
export function snapshotTable(compiled: CompiledTable): SnapshotTable {
  const key = [textColumn('tenant'), ...keyColumns(compiled)]
  const isKey = (column: PhysicalColumn): boolean => key.some((k) => k.name === column.name)
  const columns: CellColumn[] = [
    ...key,
    textColumn('_ver'),
    { name: '_epoch', storage: 'INTEGER', wide: false },
    ...compiled.physical.filter((column) => !isKey(column)),
  ]
  const placeOf = (place: number): number =>
    columns.findIndex((column) => column.name === compiled.physical[place]?.name)
  const uniques = factsOf(compiled).uniques.map(({ columns: places }) => [
    0,
    ...places.map(placeOf),
  ])
  return { name: compiled.physicalName, columns, keyWidth: key.length, uniques, compiled }
}

/** The directory's tables. Each key begins with the tenant's. */
export const DIRECTORY_TABLES: readonly SnapshotTable[] = [
  {
    name: '_tenants',
    columns: [
      textColumn('tenant_key'),
      textColumn('home'),
      { name: 'epoch', storage: 'INTEGER', wide: false },
      textColumn('state'),
      textColumn('class'),
    ],
    keyWidth: 1,
    uniques: [],
  },
  {
    name: '_keys',
    columns: [
      textColumn('tenant_key'),
      { name: 'generation', storage: 'INTEGER', wide: false },
      textColumn('region'),
      textColumn('lineage'),
      { name: 'wrapped', storage: 'BLOB', wide: false },
    ],
    keyWidth: 3,
    uniques: [],
  },
]

/** The lease table of a group with local reads: small, and part of what the log has made. */
export const LEASE_TABLE: SnapshotTable = {
  name: '_leases',
  columns: [
    textColumn('region'),
    textColumn('database_id'),
    ...['log_index', 'incarnation', 'seq', 'is_live'].map((name): CellColumn => ({
      name,
      storage: 'INTEGER',
      wide: false,
    })),
  ],
  keyWidth: 2,
  uniques: [],
}

/** Reads the `limit` rows behind a key, in key order. */
export function selectPage(
  table: SnapshotTable,
  after: Cells | null,
  limit: number,
  maxBytes: number | undefined,
): Statement {
  const { name, columns } = table
  const key = keyOf(table)
  const behind = after === null ? '' : `WHERE (${names(key)}) > (${marks(key)})`
  return {
    sql: `SELECT ${names(columns)} FROM ${name} ${behind} ORDER BY ${names(key)} LIMIT ?`,
    args: [...(after === null ? [] : valuesOf(key, after)), limit],
    bigints: columns.some((column) => column.wide),
    ...(maxBytes === undefined ? {} : { maxBytes }),
  }
}

/** Reads the rows whose keys begin with one of these. */
export function selectPrefixes(table: SnapshotTable, prefixes: readonly Cells[]): Statement {
  const key = table.columns.slice(0, prefixes[0]?.length ?? 1)
  return {
    sql: `SELECT ${names(table.columns)} FROM ${table.name}
      WHERE (${names(key)}) IN (SELECT ${fromJson(key)} FROM json_each(?)) ORDER BY ${names(keyOf(table))}`,
    args: [JSON.stringify(prefixes)],
    bigints: table.columns.some((column) => column.wide),
  }
}

/** A row that was read, in its cells. */
export function cellsOf(table: SnapshotTable, row: SqlRow): Cells {
  return table.columns.map((column, i) => toJsonCell(column, row[i] ?? null))
}

/** The key's cells of a row. */
export function keyCells(table: SnapshotTable, row: Cells): Cells {
  return row.slice(0, table.keyWidth)
}

/** Deletes own rows behind `after`, up to `upTo` (null: no bound), whose key is not in `rows`. */
export function deleteAbsentInRange(
  table: SnapshotTable,
  after: Cells | null,
  upTo: Cells | null,
  rows: string,
): Statement {
  const key = keyOf(table)
  const bounds: string[] = []
  const args: SqlValue[] = []
  for (const [bound, operator] of [
    [after, '>'],
    [upTo, '<='],
  ] as const) {
    if (bound === null) continue
    bounds.push(`(${names(key)}) ${operator} (${marks(key)}) AND`)
    args.push(...valuesOf(key, bound))
  }
  return {
    sql: `DELETE FROM ${table.name} WHERE ${bounds.join(' ')} ${notIn(key)}`,
    args: [...args, rows],
  }
}

/** Deletes own rows whose key begins with one of `prefixes` and is not in `rows`. */
export function deleteAbsentUnder(
  table: SnapshotTable,
  prefixWidth: number,
  prefixes: string,
  rows: string,
): Statement {
  const prefix = table.columns.slice(0, prefixWidth)
  return {
    sql: `DELETE FROM ${table.name}
      WHERE (${names(prefix)}) IN (SELECT ${fromJson(prefix)} FROM json_each(?)) AND ${notIn(keyOf(table))}`,
    args: [prefixes, rows],
  }
}

/**
 * Deletes own rows that hold a unique value of one of `rows` under another key. They are of the
 * past: where the snapshot has them it tells their present values, in this message or a later one.
 */
export function deleteHolders(table: SnapshotTable, rows: string): Statement[] {
  const key = keyOf(table)
  const { name, columns } = table
  return table.uniques.map((places) => {
    const cells = places.map((place) => columns[place] as CellColumn)
    const same = (all: readonly CellColumn[], at: readonly number[]): string =>
      all
        .map((c, i) => `o.${c.name} = ${fromJsonCell(c, 'j.value', at[i] as number)}`)
        .join(' AND ')
    return {
      // CROSS JOIN: one seek in the constraint's index for each row.
      sql: `DELETE FROM ${name} WHERE (${names(key)}) IN (
        SELECT ${key.map((c) => `o.${c.name}`).join(', ')} FROM json_each(?) j CROSS JOIN ${name} o
        WHERE ${same(cells, places)} AND NOT (${same(key, [...key.keys()])}))`,
      args: [rows],
    }
  })
}

/** Inserts the rows, and changes those that are there and differ. */
export function upsertRows(table: SnapshotTable, rows: string): Statement {
  const { columns, name } = table
  const key = keyOf(table)
  const rest = columns.slice(table.keyWidth)
  const own = rest.map((c) => `${name}.${c.name}`).join(', ')
  const given = rest.map((c) => `excluded.${c.name}`).join(', ')
  return {
    sql: `INSERT INTO ${name} (${names(columns)}) SELECT ${fromJson(columns)} FROM json_each(?) WHERE true
      ON CONFLICT (${names(key)}) DO UPDATE SET ${rest.map((c) => `${c.name} = excluded.${c.name}`).join(', ')}
      WHERE (${own}) IS NOT (${given})`,
    args: [rows],
  }
}

function keyOf(table: SnapshotTable): readonly CellColumn[] {
  return table.columns.slice(0, table.keyWidth)
}

function names(columns: readonly CellColumn[]): string {
  return columns.map((column) => column.name).join(', ')
}

function marks(columns: readonly CellColumn[]): string {
  return columns.map(() => '?').join(', ')
}

function fromJson(columns: readonly CellColumn[]): string {
  return columns.map((column, i) => fromJsonCell(column, 'value', i)).join(', ')
}

function notIn(key: readonly CellColumn[]): string {
  return `(${names(key)}) NOT IN (SELECT ${fromJson(key)} FROM json_each(?))`
}

function valuesOf(columns: readonly CellColumn[], cells: Cells): SqlValue[] {
  return columns.map((column, i) => parseJsonCell(column, cells[i]))
}

function textColumn(name: string): CellColumn {
  return { name, storage: 'TEXT', wide: false }
}
