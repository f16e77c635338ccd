/**
 * A cell of an encrypted column: an envelope that says where it belongs, so that it decrypts under
 * whatever name a query gives it.
 *
 *     magic(4) = f1 e1 dc e1 | version(1) | table id(4) | column id(4) | length(4) | row key | envelope
 *
 * The row key is typed: one letter a key column, then the key's JSON text.
 */
import type { CompiledColumn, CompiledTable } from '../schema/compiled.ts'
import { encodeKey } from '../schema/image.ts'
import type { SqlValue } from '../core/values.ts'
import { concatBytes, readUint32, uint32, utf8 } from './bytes.ts'

const PREFIX = Uint8Array.of(0xf1, 0xe1, 0xdc, 0xe1, 1)
const MAGIC_BYTES = 4
const FIXED_BYTES: number = PREFIX.length + 12

/** A cell, taken apart. Nothing in it is authenticated yet. */
export interface Cell {
  readonly tableId: number
  readonly columnId: number
  readonly rowKey: Uint8Array
  readonly envelope: Uint8Array
}

/** Writes a cell; the envelope comes in parts. */
export function encodeCell(
  at: Pick<Cell, 'tableId' | 'columnId' | 'rowKey'>,
  envelope: readonly Uint8Array[],
): Uint8Array {
  return concatBytes([
    PREFIX,
    uint32(at.tableId),
    uint32(at.columnId),
    uint32(at.rowKey.length),
    at.rowKey,
    ...envelope,
  ])
}

/**
 * Whether a value of a query's result is meant to be decrypted: it begins like a cell. A damaged
 * cell does too, so that it is refused instead of being handed out as bytes.
 */
export function isCell(value: SqlValue): value is Uint8Array {
  if (!(value instanceof Uint8Array)) return false
  for (let i = 0; i < MAGIC_BYTES; i++) if (value[i] !== PREFIX[i]) return false
  return true
}

/** Takes a cell apart; `undefined` when it is none of this version. Copies nothing. */
export function parseCell(bytes: Uint8Array): Cell | undefined {
  if (bytes.length < FIXED_BYTES) return undefined
  for (let i = 0; i < PREFIX.length; i++) if (bytes[i] !== PREFIX[i]) return undefined
  const keyEnd = FIXED_BYTES + readUint32(bytes, PREFIX.length + 8)
  if (keyEnd > bytes.length) return undefined
  return {
    tableId: readUint32(bytes, PREFIX.length),
    columnId: readUint32(bytes, PREFIX.length + 4),
    rowKey: bytes.subarray(FIXED_BYTES, keyEnd),
    envelope: bytes.subarray(keyEnd),
  }
}

/** The typed row key of a cell. */
export function encodeRowKey(table: CompiledTable, key: readonly SqlValue[]): Uint8Array {
  return utf8(table.primaryKey.map(typeLetter).join('') + encodeKey(table, key))
}

/** t: text, b: bytes, r: real, i: integer, w: integer of 64 bits. */
function typeLetter(column: CompiledColumn): string {
  if (column.type === 'bigint') return 'w'
  return column.storage.charAt(0).toLowerCase()
}
