/**
 * Rows as a cache holds them: MessagePack of [schema version, row version, …image]. Integers keep
 * their kind; encrypted cells are the ciphertext that the store holds. A row of another schema
 * version is none: nodes of both versions use one cache while they are renewed one by one.
 */
import { requireBounded } from '../protocol/bounded-bytes.ts'
import { packMessage, unpackMessage } from '../protocol/message-pack.ts'
import type { CompiledSchema, CompiledTable, PhysicalColumn } from '../schema/compiled.ts'
import type { StoredRow } from '../sql/select.ts'

const HEAD = 2

/** The bytes of a row. */
export function encodeRow(schema: CompiledSchema, row: StoredRow): Uint8Array {
  return packMessage([schema.version, row.version, ...row.image])
}

/** The row; `undefined` for bytes that are not a row of this table and schema version. */
export function decodeRow(
  schema: CompiledSchema,
  table: CompiledTable,
  bytes: Uint8Array,
): StoredRow | undefined {
  let raw: unknown
  try {
    requireBounded(bytes)
    raw = unpackMessage(bytes)
  } catch {
    return undefined
  }
  if (!Array.isArray(raw) || raw.length !== HEAD + table.physical.length) return undefined
  const [schemaVersion, version, ...image] = raw as [unknown, unknown, ...StoredRow['image']]
  if (schemaVersion !== schema.version || typeof version !== 'string') return undefined
  if (!table.physical.every((column, i) => isCell(column, image[i]))) return undefined
  return { image, version }
}

/** Whether the column's store could have given it: what others wrote there is no row. */
function isCell({ storage }: PhysicalColumn, cell: unknown): boolean {
  if (cell === null) return true
  switch (storage) {
    case 'TEXT':
      return typeof cell === 'string'
    case 'BLOB':
      return cell instanceof Uint8Array
    case 'INTEGER':
      return Number.isSafeInteger(cell) || typeof cell === 'bigint'
    case 'REAL':
      return typeof cell === 'number' || typeof cell === 'bigint'
  }
}

/** The instant from which on a row is absent; null: never. */
export function rowExpiryMs(table: CompiledTable, row: StoredRow): number | null {
  if (table.ttl === null) return null
  const name = `c${table.ttl.id}`
  const value = row.image[table.physical.findIndex((column) => column.name === name)] ?? null
  return value === null ? null : Number(value)
}
