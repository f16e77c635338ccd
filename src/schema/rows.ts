/** Public rows and keys to row images and stored keys, and back. */
import type { RowImage } from '../core/change.ts'
import { MeridianError } from '../core/errors.ts'
import type { SqlValue } from '../core/values.ts'
import type { CompiledColumn, CompiledTable } from './compiled.ts'
import { fromStored, invalidValue, kindOf, toStored } from './convert.ts'

/**
 * The image of a row to insert, with defaults filled in. Encrypted columns hold their plaintext's
 * stored value and blind indexes null: the cipher step replaces both (`table.encrypted`).
 *
 * @throws MeridianError `UNKNOWN_COLUMN`, `INVALID_VALUE`
 */
export function rowToImage(
  table: CompiledTable,
  row: Readonly<Record<string, unknown>>,
): SqlValue[] {
  checkNames(table, row)
  return table.physical.map((physical) => {
    if (physical.kind === 'blind') return null
    const column = table.columnById.get(physical.columnId) as CompiledColumn
    if (Object.hasOwn(row, column.name)) return toStored(table, column, row[column.name])
    if (column.default === undefined) throw invalidValue(table, column, 'is missing')
    return column.default
  })
}

/** The public row of an image whose encrypted cells are decrypted. */
export function imageToRow(table: CompiledTable, image: RowImage): Record<string, unknown> {
  const row: Record<string, unknown> = {}
  for (const column of table.columns) {
    const index = table.valueIndex.get(column.id) as number
    row[column.name] = fromStored(column, image[index] ?? null)
  }
  return row
}

/**
 * The stored key of a public key: the bare value of a single key column, else an object with every
 * key column.
 *
 * @throws MeridianError `UNKNOWN_COLUMN`, `INVALID_VALUE`
 */
export function keyToStored(table: CompiledTable, key: unknown): SqlValue[] {
  const [first] = table.primaryKey
  if (table.primaryKey.length === 1 && first !== undefined) return [toStored(table, first, key)]
  if (typeof key !== 'object' || key === null) {
    const names = table.primaryKey.map((column) => column.name).join(', ')
    throw new MeridianError(
      'INVALID_VALUE',
      `The key of \`${table.name}\` is ${kindOf(key)}; it has ${table.primaryKey.length} columns.`,
      { fix: `Give an object with ${names}.`, details: { table: table.name } },
    )
  }
  const given = key as Readonly<Record<string, unknown>>
  checkNames(table, given, true)
  return table.primaryKey.map((column) => toStored(table, column, given[column.name]))
}

/** The stored key of a row's image. */
export function keyOfImage(table: CompiledTable, image: RowImage): SqlValue[] {
  return table.primaryKey.map((c) => image[table.valueIndex.get(c.id) as number] ?? null)
}

/** The column of this name. @throws MeridianError `UNKNOWN_COLUMN` */
export function columnNamed(table: CompiledTable, name: string): CompiledColumn {
  const column = table.columnByName.get(name)
  if (column !== undefined) return column
  throw new MeridianError(
    'UNKNOWN_COLUMN',
    `Table \`${table.name}\` has no column ${JSON.stringify(name)}.`,
    {
      fix: `Its columns are ${table.columns.map((c) => c.name).join(', ')}.`,
      details: { table: table.name, column: name },
    },
  )
}

function checkNames(
  table: CompiledTable,
  given: Readonly<Record<string, unknown>>,
  keyOnly = false,
): void {
  for (const name of Object.keys(given)) {
    const column = columnNamed(table, name)
    if (keyOnly && !column.primaryKey) {
      throw invalidValue(table, column, 'is not part of the primary key')
    }
  }
}
