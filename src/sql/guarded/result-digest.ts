/** What a reader has seen of a statement's result, in a few bytes. */
import { MAX_GUARD_QUERY_BYTES, MAX_GUARD_QUERY_ROWS } from '../../core/limits.ts'
import { sha256Hex } from '../../core/sha256.ts'
import { rowBytes, toHex, type SqlRow, type SqlValue } from '../../core/values.ts'

const DIGITS = 32

/**
 * The digest of a result, as 32 hexadecimal digits: of its rows in their order, or of which there
 * are how often. Numbers that SQL holds equal are the same here, since DISTINCT and GROUP BY may
 * show any of them. `undefined`: there is more than a transaction may read. The log carries it:
 * what it is of never changes.
 */
export function resultDigest(rows: readonly SqlRow[], isOrdered: boolean): string | undefined {
  if (rows.length > MAX_GUARD_QUERY_ROWS) return undefined
  let bytes = 0
  for (const row of rows) bytes += rowBytes(row)
  if (bytes > MAX_GUARD_QUERY_BYTES) return undefined
  const texts = rows.map((row) => `${row.map(cellText).join(',')}\n`)
  if (!isOrdered) texts.sort()
  return sha256Hex(`${rows.length}\n${texts.join('')}`).slice(0, DIGITS)
}

/** Texts of different values differ, and none is the beginning of another one's. */
function cellText(value: SqlValue): string {
  if (value === null) return 'n'
  if (typeof value === 'string') return `t${value.length}:${value}`
  if (value instanceof Uint8Array) return `b${toHex(value)}`
  if (typeof value === 'bigint') return `i${value}`
  return Number.isInteger(value) ? `i${BigInt(value)}` : `r${realHex(value)}`
}

function realHex(value: number): string {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setFloat64(0, value)
  return toHex(bytes)
}
