/**
 * Stored values inside one JSON parameter. A bulk statement passes all its rows as one JSON text
 * and reads them with json_each: one bind instead of thousands, 5 times the rows a second of a
 * batch. JSON has no bytes, JavaScript's JSON no 64-bit integers and SQLite reads decimal reals
 * with an error in the last digit, so each storage class has an exact form.
 */
import type { SqlValue } from '../core/values.ts'
import { fromHex, toHex } from '../core/values.ts'
import type { CompiledColumn, CompiledTable, StorageType } from '../schema/compiled.ts'
import { MERGE_STATE_COLUMN, textStateColumn } from '../schema/ddl.ts'
import { realToJson } from '../schema/image.ts'

/** A column of a physical table as far as its JSON form depends on it. */
export interface CellColumn {
  readonly name: string
  readonly storage: StorageType
  /** A 64-bit integer that must not pass through a JavaScript number. */
  readonly wide: boolean
}

/** The primary key's columns, in the order of their declaration. */
export function keyColumns(table: CompiledTable): readonly CellColumn[] {
  return table.primaryKey.map(keyColumn)
}

function keyColumn(column: CompiledColumn): CellColumn {
  return { name: `c${column.id}`, storage: column.storage, wide: column.type === 'bigint' }
}

/**
 * What rows of eventual tables hold behind `_epoch`: merge state, visibility and the Yjs state of
 * each collaborative text, in this order. Empty for other tables.
 */
export function mergeColumns(table: CompiledTable): readonly CellColumn[] {
  if (table.consistency !== 'eventual') return []
  const texts = table.columns.filter((column) => column.type === 'collaborativeText')
  return [
    { name: MERGE_STATE_COLUMN, storage: 'BLOB', wide: false },
    { name: '_visible', storage: 'INTEGER', wide: false },
    ...texts.map((c): CellColumn => ({
      name: textStateColumn(c.id),
      storage: 'BLOB',
      wide: false,
    })),
  ]
}

/** The JSON form of a stored value. */
export function toJsonCell(column: CellColumn, value: SqlValue): unknown {
  if (value === null) return null
  if (value instanceof Uint8Array) return toHex(value)
  if (column.storage === 'REAL') return realToJson(Number(value))
  if (column.wide) return String(value)
  return typeof value === 'bigint' ? Number(value) : value
}

/** The stored value of a JSON form. */
export function parseJsonCell(column: CellColumn, json: unknown): SqlValue {
  if (json === null || json === undefined) return null
  if (column.storage === 'BLOB') return fromHex(json as string)
  if (column.storage === 'REAL') return Number(json)
  return column.wide ? BigInt(json as string) : (json as string | number)
}

/** SQL that reads the stored value back from element `index` of the JSON array `json`. */
export function fromJsonCell(column: CellColumn, json: string, index: number): string {
  const element = `${json}->>${index}`
  if (column.storage === 'BLOB') return `unhex(${element})`
  if (column.storage === 'REAL') return `CAST(${element} AS REAL)`
  return column.wide ? `CAST(${element} AS INTEGER)` : element
}

/** Whether the values of these columns are their own JSON form, so that none needs converting. */
export function isPlainJson(columns: readonly CellColumn[]): boolean {
  return columns.every((c) => !c.wide && (c.storage === 'TEXT' || c.storage === 'INTEGER'))
}
