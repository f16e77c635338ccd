/**
 * The values that cross ports: what a store holds and what messages carry. Richer types (Date,
 * boolean, JSON) exist only in the client, which converts them by the column's type.
 */

/** A value that a store can hold. Integral numbers are bound as 64-bit integers. */
export type SqlValue = null | string | number | bigint | Uint8Array

/** A row as a store returns it: values by position. */
export type SqlRow = readonly SqlValue[]

/** The bytes of a row's values, roughly: text counts a byte a character. */
export function rowBytes(row: SqlRow): number {
  let bytes = 0
  for (const value of row) {
    if (typeof value === 'string') bytes += value.length
    else if (value instanceof Uint8Array) bytes += value.byteLength
    else bytes += 8
  }
  return bytes
}

/** The smallest and the largest 64-bit integer. */
export const INT64_MIN: bigint = -(2n ** 63n)
export const INT64_MAX: bigint = 2n ** 63n - 1n

/** Why a text cannot be stored exactly, or `undefined` when it can. */
export function textProblem(text: string): string | undefined {
  // SQLite's text functions and the engine's reader stop at NUL: the rest would be lost silently.
  if (text.includes('\0')) return 'contains a NUL character'
  // A lone surrogate has no UTF-8 form: it would come back as U+FFFD.
  if (!text.isWellFormed()) return 'contains a lone surrogate'
  return undefined
}

/** Whether two stored values are the same value of the same type. */
export function sameValue(a: SqlValue, b: SqlValue): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return sameBytes(a, b)
  if (typeof a === 'bigint' || typeof b === 'bigint') {
    return isIntegral(a) && isIntegral(b) && BigInt(a) === BigInt(b)
  }
  return a === b
}

function isIntegral(value: SqlValue): value is number | bigint {
  return typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value))
}

/** Whether two byte strings are equal. Not constant-time: never for secrets. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Lower-case hexadecimal of bytes. */
export function toHex(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += HEX[byte]
  return text
}

/** Bytes of a hexadecimal text of either case. */
export function fromHex(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length / 2)
  for (let i = 0; i < bytes.length; i++)
    bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16)
  return bytes
}

const HEX: readonly string[] = Array.from({ length: 256 }, (_, i) =>
  i.toString(16).padStart(2, '0'),
)
