/** What evaluation needs of a compiled table, worked out once. */
import type { RowImage } from '../core/change.ts'
import { textProblem, INT64_MAX, INT64_MIN, type SqlValue } from '../core/values.ts'
import type { CompiledTable, PhysicalColumn } from './compiled.ts'

/** A unique constraint: its number in the table, and the places of its columns in images. */
export interface UniqueConstraint {
  readonly number: number
  readonly columns: readonly number[]
}

/** Places of a table's columns in row images. */
export interface TableFacts {
  readonly key: readonly number[]
  readonly uniques: readonly UniqueConstraint[]
  /** The column that ends the row; -1: none. */
  readonly ttl: number
}

const facts = new WeakMap<CompiledTable, TableFacts>()

/** The facts of a table. */
export function factsOf(table: CompiledTable): TableFacts {
  let known = facts.get(table)
  if (known === undefined) {
    const place = (columnId: number): number => table.valueIndex.get(columnId) ?? -1
    known = {
      key: table.primaryKey.map((column) => place(column.id)),
      uniques: table.indexes
        .filter((index) => index.unique)
        .map((index, number) => ({ number, columns: index.columns.map(place) })),
      ttl: table.ttl === null ? -1 : place(table.ttl.id),
    }
    facts.set(table, known)
  }
  return known
}

/** Whether the row is absent because its instant has passed on the log's clock. */
export function isExpired(table: CompiledTable, image: RowImage, logTimeMs: number): boolean {
  const { ttl } = factsOf(table)
  const instant = ttl < 0 ? null : (image[ttl] ?? null)
  return instant !== null && Number(instant) <= logTimeMs
}

/**
 * The image as the store gives it back: numbers of the column's kind, and what columns hold that
 * the sender's schema did not have. Evaluation on a fresh row and on one read back must not
 * differ. Returns the place of the first value that the column cannot hold instead.
 */
export function normalizeImage(
  table: CompiledTable,
  image: RowImage,
  existing?: RowImage,
): SqlValue[] | number {
  const normal: SqlValue[] = []
  for (let i = 0; i < table.physical.length; i++) {
    const column = table.physical[i] as PhysicalColumn
    const absent = existing === undefined ? defaultOf(table, column) : existing[i]
    const given = i < image.length ? image[i] : absent
    const value = normalizeValue(column, given ?? null)
    if (value === undefined) return i
    normal.push(value)
  }
  return normal
}

/** The key in its stored form, or the place of the first value that its column cannot hold. */
export function normalizeKey(table: CompiledTable, key: RowImage): SqlValue[] | number {
  const normal: SqlValue[] = []
  for (const place of factsOf(table).key) {
    const column = table.physical[place] as PhysicalColumn
    const value = normalizeValue(column, key[normal.length] ?? null)
    if (value === undefined) return place
    normal.push(value)
  }
  return normal
}

/** What the store would fill in. */
function defaultOf(table: CompiledTable, column: PhysicalColumn): SqlValue {
  const declared = table.columnById.get(column.columnId)
  if (column.kind !== 'value' || declared?.encrypted !== null) return null
  return declared.default ?? null
}

/** The value in its stored form; `undefined` where the column cannot hold it. */
export function normalizeValue(column: PhysicalColumn, value: SqlValue): SqlValue | undefined {
  if (value === null) return column.nullable ? null : undefined
  switch (column.storage) {
    case 'TEXT':
      return typeof value === 'string' && textProblem(value) === undefined ? value : undefined
    case 'BLOB':
      // A plain one, as stores give it: a decoder may have made one of Node's buffers.
      return value instanceof Uint8Array
        ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
        : undefined
    case 'REAL':
      // SQLite stores -0.0 as 0.0, and NaN as NULL.
      return typeof value === 'number' && Number.isFinite(value) ? value + 0 : undefined
    case 'INTEGER':
      return normalizeInteger(column, value)
  }
}

function normalizeInteger(column: PhysicalColumn, value: SqlValue): SqlValue | undefined {
  if (typeof value === 'number' && Number.isSafeInteger(value)) {
    return column.wide ? BigInt(value) : value + 0
  }
  if (typeof value !== 'bigint' || value < INT64_MIN || value > INT64_MAX) return undefined
  if (column.wide) return value
  const narrow = Number(value)
  return Number.isSafeInteger(narrow) ? narrow : undefined
}
