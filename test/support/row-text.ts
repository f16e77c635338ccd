/** Rows and values as texts, to compare and to name them. */
import type { SqlRow, SqlValue } from '../../src/core/values.ts'

/** Equal values in equal order, as often. */
export function sameRows(a: readonly SqlRow[], b: readonly SqlRow[]): boolean {
  const text = (rows: readonly SqlRow[]): string =>
    rows.map((row) => row.map(showKey).join('|')).join('\n')
  return text(a) === text(b)
}

export function showKey(value: SqlValue): string {
  if (value instanceof Uint8Array) return `x${Buffer.from(value).toString('hex')}`
  return typeof value === 'bigint' ? `${value}n` : JSON.stringify(value)
}
