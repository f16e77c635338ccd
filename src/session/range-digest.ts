/** What a reader has seen of a range, in a few bytes. */
import type { SqlValue } from '../core/values.ts'
import type { CompiledTable } from '../schema/compiled.ts'
import { encodeKey } from '../schema/image.ts'
import { sha256Hex } from '../core/sha256.ts'

/** A row by its key and version: no two states of a row have both in common. */
export interface VersionedKey {
  readonly key: readonly SqlValue[]
  readonly version: string
}

const DIGITS = 32

/**
 * The digest of the rows in their order, as 32 hexadecimal digits. Clients and regions compute it,
 * and the log carries it: what it is of never changes.
 */
export function rangeDigest(table: CompiledTable, rows: readonly VersionedKey[]): string {
  // Neither a key as JSON nor a version holds a line feed.
  const lines = rows.map(({ key, version }) => `${encodeKey(table, key)}\n${version}\n`)
  return sha256Hex(lines.join('')).slice(0, DIGITS)
}
