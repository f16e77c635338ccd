/**
 * What is inside an envelope: type(1) | value. The type is encrypted with the value, and numbers
 * have eight bytes whatever their size. A blind index signs the same bytes.
 */
import { MeridianError } from '../core/errors.ts'
import { INT64_MAX, INT64_MIN, textProblem, type SqlValue } from '../core/values.ts'
import type { ColumnType, CompiledColumn } from '../schema/compiled.ts'
import { concatBytes, utf8 } from './bytes.ts'

const TEXT = 1
/** An integer that is a JavaScript number. */
const INTEGER = 2
/** An integer that is a `bigint`. */
const WIDE_INTEGER = 3
const REAL = 4
const BLOB = 5

const TYPE_BY_COLUMN: Readonly<Partial<Record<ColumnType, number>>> = {
  text: TEXT,
  json: TEXT,
  integer: INTEGER,
  boolean: INTEGER,
  timestamp: INTEGER,
  bigint: WIDE_INTEGER,
  real: REAL,
  blob: BLOB,
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Writes a value of a column, in its stored form.
 * @throws MeridianError `INVALID_VALUE` when the column's type does not hold such a value
 */
export function encodePlaintext(
  column: CompiledColumn,
  value: Exclude<SqlValue, null>,
): Uint8Array {
  const type = TYPE_BY_COLUMN[column.type]
  const content = type === undefined ? undefined : encodeContent(type, value)
  if (type === undefined || content === undefined) {
    throw new MeridianError(
      'INVALID_VALUE',
      `The value for encrypted column ${column.name} is not a stored value of type ${column.type}.`,
      {
        fix: 'Pass a value of the type that the schema declares.',
        details: { column: column.name },
      },
    )
  }
  return concatBytes([Uint8Array.of(type), content])
}

function encodeContent(type: number, value: Exclude<SqlValue, null>): Uint8Array | undefined {
  if (type === TEXT) {
    return typeof value === 'string' && textProblem(value) === undefined ? utf8(value) : undefined
  }
  if (type === BLOB) return value instanceof Uint8Array ? value : undefined
  const eight = new DataView(new ArrayBuffer(8))
  if (type === REAL) {
    if (typeof value !== 'number') return undefined
    eight.setFloat64(0, value)
  } else {
    const integer = toInteger(value)
    if (integer === undefined || (type === INTEGER && !isSafe(integer))) return undefined
    eight.setBigInt64(0, integer)
  }
  return new Uint8Array(eight.buffer)
}

function toInteger(value: Exclude<SqlValue, null>): bigint | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : undefined
  if (typeof value !== 'bigint' || value < INT64_MIN || value > INT64_MAX) return undefined
  return value
}

function isSafe(integer: bigint): boolean {
  return Number.isSafeInteger(Number(integer))
}

/** Reads a value; `undefined` when the bytes are none that this version writes. */
export function decodePlaintext(bytes: Uint8Array): Exclude<SqlValue, null> | undefined {
  // Not `slice`: of a Node buffer that is no copy.
  const content = new Uint8Array(bytes.subarray(1))
  const type = bytes[0]
  if (type === BLOB) return content
  if (type === TEXT) return decodeText(content)
  if (content.length !== 8) return undefined
  const eight = new DataView(content.buffer)
  if (type === INTEGER) return Number(eight.getBigInt64(0))
  if (type === WIDE_INTEGER) return eight.getBigInt64(0)
  return type === REAL ? eight.getFloat64(0) : undefined
}

function decodeText(content: Uint8Array): string | undefined {
  try {
    return decoder.decode(content)
  } catch {
    return undefined
  }
}
