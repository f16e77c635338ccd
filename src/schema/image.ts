/**
 * Row images as JSON text, the form in which triggers can write them. JSON in SQLite keeps 15
 * digits of a real and fails on BLOBs, and JavaScript rounds integers beyond 2^53, so each storage
 * class has an exact encoding: reals as text of 17 digits, wide integers as text, blobs as hex.
 *
 * Why 17 digits: SQLite reads decimals in extended precision, with a relative error below 3e-18.
 * The shortest text of a double may lie right at the border between two, and comes back wrong once
 * in 10,000 times. A decimal of 17 digits lies within 0.50e-16 of its double, and the border at
 * 0.555e-16 or further. More digits would make the largest double infinite. Builds of SQLite 3.45
 * without extended precision (macOS on ARM, Windows) keep this between 1e-80 and 1e100; beyond,
 * the last bit of a real may change there.
 */
import type { RowImage } from '../core/change.ts'
import { fromHex, toHex, type SqlValue } from '../core/values.ts'
import type { CompiledColumn, CompiledTable, PhysicalColumn, StorageType } from './compiled.ts'

interface Cell {
  readonly storage: StorageType
  readonly wide: boolean
}

/** SQL that yields the JSON image of a row; `row` is `new`, `old` or an alias. */
export function imageSql(table: CompiledTable, row: string): string {
  return `json_array(${table.physical.map((c) => cellSql(c, `${row}.${c.name}`)).join(', ')})`
}

/** SQL that yields the JSON key of a row. */
export function keySql(table: CompiledTable, row: string): string {
  return `json_array(${table.primaryKey.map((c) => cellSql(keyCell(c), `${row}.c${c.id}`)).join(', ')})`
}

function cellSql(cell: Cell, expression: string): string {
  // hex() and printf() turn NULL into text, so NULL needs its own branch.
  if (cell.storage === 'BLOB') return `iif(${expression} IS NULL, NULL, hex(${expression}))`
  if (cell.storage === 'REAL') {
    return `iif(${expression} IS NULL, NULL, printf('%!.17g', ${expression}))`
  }
  return cell.wide ? `CAST(${expression} AS TEXT)` : expression
}

/** A real in JSON that SQLite reads exactly: a text, for `CAST(… AS REAL)`. */
export function realToJson(value: number): string {
  return value.toExponential(16)
}

/**
 * Reads the JSON image of a row. One from an older schema is shorter: it is completed; one from a
 * newer schema is longer: what this schema does not know is left out.
 */
export function decodeImage(table: CompiledTable, json: string): SqlValue[] {
  const raw = JSON.parse(json) as (string | number | null)[]
  const image: SqlValue[] = []
  for (let i = 0; i < table.physical.length; i++) {
    const column = table.physical[i] as PhysicalColumn
    image.push(i < raw.length ? decodeCell(column, raw[i] ?? null) : defaultCell(table, column))
  }
  return image
}

/** The image with the defaults of the columns that the schema it was made under did not have. */
export function completeImage(table: CompiledTable, image: RowImage): RowImage {
  if (image.length >= table.physical.length) return image
  return [...image, ...table.physical.slice(image.length).map((c) => defaultCell(table, c))]
}

function defaultCell(table: CompiledTable, column: PhysicalColumn): SqlValue {
  if (column.kind === 'blind') return null
  return table.columnById.get(column.columnId)?.default ?? null
}

/** Writes the JSON image of a row; an image from an older schema is completed. */
export function encodeImage(table: CompiledTable, image: RowImage): string {
  const complete = completeImage(table, image)
  return JSON.stringify(table.physical.map((c, i) => encodeCell(c, complete[i] ?? null)))
}

/** The cells in these columns (places in the image) as the JSON image has them: exact and canonical. */
export function encodeCells(
  table: CompiledTable,
  columns: readonly number[],
  image: RowImage,
): (string | number | null)[] {
  return columns.map((at) => encodeCell(table.physical[at] as PhysicalColumn, image[at] ?? null))
}

/** Reads the JSON key of a row. */
export function decodeKey(table: CompiledTable, json: string): SqlValue[] {
  const raw = JSON.parse(json) as (string | number | null)[]
  return table.primaryKey.map((c, i) => decodeCell(keyCell(c), raw[i] ?? null))
}

/** Writes the JSON key of a row. */
export function encodeKey(table: CompiledTable, key: readonly SqlValue[]): string {
  return JSON.stringify(table.primaryKey.map((c, i) => encodeCell(keyCell(c), key[i] ?? null)))
}

function keyCell(column: CompiledColumn): Cell {
  return { storage: column.storage, wide: column.type === 'bigint' }
}

function decodeCell(cell: Cell, raw: string | number | null): SqlValue {
  if (raw === null) return null
  if (cell.storage === 'BLOB') return fromHex(raw as string)
  if (cell.storage === 'REAL') return Number(raw)
  return cell.wide ? BigInt(raw) : raw
}

function encodeCell(cell: Cell, value: SqlValue): string | number | null {
  if (value === null) return null
  if (value instanceof Uint8Array) return toHex(value)
  if (cell.storage === 'REAL') return realToJson(Number(value))
  if (cell.wide) return String(value)
  return typeof value === 'bigint' ? Number(value) : value
}
