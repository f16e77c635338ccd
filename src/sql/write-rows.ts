/**
 * Writes of physical rows, each as ONE statement: plain parameters for one row, one JSON parameter
 * for many. SQL texts depend on the table alone and are made once per compiled table.
 */
import type { RowImage } from '../core/change.ts'
import type { Statement } from '../core/ports/store.ts'
import type { SqlValue } from '../core/values.ts'
import type { CompiledTable } from '../schema/compiled.ts'
import {
  fromJsonCell,
  isPlainJson,
  keyColumns,
  mergeColumns,
  toJsonCell,
  type CellColumn,
} from './json-cells.ts'

/** A row to write. */
export interface RowWrite {
  /** '' in tables of global scope. */
  readonly tenant: string
  readonly image: RowImage
  readonly version: string
  readonly epoch: number
  /** Eventual tables: the values of `mergeColumns`, in their order. */
  readonly merge?: readonly SqlValue[]
}

/** The key of a row to delete. */
export interface KeyWrite {
  readonly tenant: string
  readonly key: readonly SqlValue[]
}

/** A delete that older knowledge must not carry out. */
export interface VersionedKey extends KeyWrite {
  /** Rows with a higher version stay. */
  readonly version: string
}

/** Which stored rows an upsert replaces. */
export type Replace =
  | 'always'
  /** Only rows whose version is lower (protocol rule 3: a lower version never overwrites). */
  | 'lower-version'

/** Inserts rows; fails (kind `unique`) when one with the same key or unique key is there. */
export function insertRows(table: CompiledTable, rows: readonly RowWrite[]): Statement {
  const sql = sqlOf(table)
  return writeRows(sql, rows, '')
}

/** Inserts rows; one that is there with the same key is replaced, as `replace` says. */
export function upsertRows(
  table: CompiledTable,
  rows: readonly RowWrite[],
  replace: Replace = 'always',
): Statement {
  const sql = sqlOf(table)
  return writeRows(sql, rows, replace === 'always' ? sql.onConflict : sql.onConflictIfLower)
}

/** Deletes the rows with these keys; missing ones are no error. */
export function deleteRows(table: CompiledTable, keys: readonly KeyWrite[]): Statement {
  const sql = sqlOf(table)
  const only = keys.length === 1 ? keys[0] : undefined
  if (only !== undefined) return { sql: sql.deleteOne, args: [only.tenant, ...only.key] }
  const json = keys.map((k) => [k.tenant, ...k.key.map((v, i) => jsonCell(sql.key, i, v))])
  return { sql: sql.deleteMany, args: [JSON.stringify(json)] }
}

/** Deletes the rows with these keys whose version is not above the given one. */
export function deleteRowsUpTo(table: CompiledTable, keys: readonly VersionedKey[]): Statement {
  const sql = sqlOf(table)
  const json = keys.map((k) => [
    k.tenant,
    ...k.key.map((v, i) => jsonCell(sql.key, i, v)),
    k.version,
  ])
  return { sql: sql.deleteManyUpTo, args: [JSON.stringify(json)] }
}

function writeRows(sql: TableSql, rows: readonly RowWrite[], onConflict: string): Statement {
  const [first] = rows
  if (first !== undefined && rows.length === 1) {
    const { tenant, image, version, epoch, merge = [] } = first
    return { sql: sql.one + onConflict, args: [tenant, version, epoch, ...image, ...merge] }
  }
  // A value read out of JSON costs about 0.4 µs: what all rows share is bound once.
  if (first !== undefined && rows.every((row) => sameHead(row, first))) {
    const { tenant, version, epoch } = first
    const json = JSON.stringify(rows.map((row) => jsonRow(sql, row, [])))
    return { sql: sql.manyOfOne + onConflict, args: [tenant, version, epoch, json] }
  }
  const json = rows.map((row) => jsonRow(sql, row, [row.tenant, row.version, row.epoch]))
  return { sql: sql.many + onConflict, args: [JSON.stringify(json)] }
}

function sameHead(a: RowWrite, b: RowWrite): boolean {
  return a.tenant === b.tenant && a.version === b.version && a.epoch === b.epoch
}

function jsonRow(sql: TableSql, row: RowWrite, head: readonly unknown[]): readonly unknown[] {
  const { image, merge } = row
  if (sql.isPlain && merge === undefined) return head.length === 0 ? image : [...head, ...image]
  const json = [...head]
  image.forEach((value, i) => json.push(jsonCell(sql.image, i, value)))
  merge?.forEach((value, i) => json.push(jsonCell(sql.merge, i, value)))
  return json
}

function jsonCell(columns: readonly CellColumn[], index: number, value: SqlValue): unknown {
  return toJsonCell(columns[index] as CellColumn, value)
}

/** What the rows of a transaction share. */
const HEAD: readonly CellColumn[] = [
  textColumn('tenant'),
  textColumn('_ver'),
  { name: '_epoch', storage: 'INTEGER', wide: false },
]

/** The SQL texts of one table. */
interface TableSql {
  readonly image: readonly CellColumn[]
  readonly key: readonly CellColumn[]
  readonly merge: readonly CellColumn[]
  /** Whether images are their own JSON form. */
  readonly isPlain: boolean
  readonly one: string
  readonly many: string
  /** Rows of one tenant with one version. */
  readonly manyOfOne: string
  readonly onConflict: string
  readonly onConflictIfLower: string
  readonly deleteOne: string
  readonly deleteMany: string
  readonly deleteManyUpTo: string
}

function makeSql(table: CompiledTable): TableSql {
  const { physical: image, physicalName: t } = table
  const key = keyColumns(table)
  const merge = mergeColumns(table)
  const body = [...image, ...merge]
  const columns = [...HEAD, ...body]
  const into = `INSERT INTO ${t} (${columns.map((c) => c.name).join(', ')})`
  // `WHERE true` keeps SQLite from reading ON CONFLICT as a join's ON.
  const fromJson = 'FROM json_each(?) WHERE true'
  const keyCells = [textColumn('tenant'), ...key]
  const keyNames = keyCells.map((c) => c.name)
  const sets = columns
    .filter((c) => !keyNames.includes(c.name))
    .map((c) => `${c.name} = excluded.${c.name}`)
  const onConflict = ` ON CONFLICT (${keyNames.join(', ')}) DO UPDATE SET ${sets.join(', ')}`
  const same = keyCells.map((c, i) => `o.${c.name} = ${fromJsonCell(c, 'j.value', i)}`)
  const inKeys = `DELETE FROM ${t} WHERE (${keyNames.join(', ')}) IN`
  return {
    image,
    key,
    merge,
    isPlain: isPlainJson(image),
    one: `${into} VALUES (${columns.map(() => '?').join(', ')})`,
    many: `${into} SELECT ${jsonSelect(columns)} ${fromJson}`,
    manyOfOne: `${into} SELECT ?, ?, ?, ${jsonSelect(body)} ${fromJson}`,
    onConflict,
    onConflictIfLower: `${onConflict} WHERE ${t}._ver < excluded._ver`,
    deleteOne: `DELETE FROM ${t} WHERE ${keyNames.map((n) => `${n} = ?`).join(' AND ')}`,
    deleteMany: `${inKeys} (SELECT ${jsonSelect(keyCells)} FROM json_each(?))`,
    deleteManyUpTo: `${inKeys} (SELECT ${keyNames.map((n) => `o.${n}`).join(', ')}
      FROM json_each(?) j CROSS JOIN ${t} o
      WHERE ${same.join(' AND ')} AND o._ver <= j.value->>${keyCells.length})`,
  }
}

function textColumn(name: string): CellColumn {
  return { name, storage: 'TEXT', wide: false }
}

function jsonSelect(columns: readonly CellColumn[]): string {
  return columns.map((column, i) => fromJsonCell(column, 'value', i)).join(', ')
}

const texts = new WeakMap<CompiledTable, TableSql>()

function sqlOf(table: CompiledTable): TableSql {
  let sql = texts.get(table)
  if (sql === undefined) {
    sql = makeSql(table)
    texts.set(table, sql)
  }
  return sql
}
