/** What a reader has seen of some columns of a row, in a few bytes. */
import type { RowImage } from '../core/change.ts'
import { sha256Hex } from '../core/sha256.ts'
import type { CompiledTable } from '../schema/compiled.ts'
import { encodeCells } from '../schema/image.ts'

const DIGITS = 32

/**
 * The digest of the values that a row's image has in `columns` (places in images), as 32 hexadecimal
 * digits. Of encrypted columns: of the ciphertext as it is stored. Equal values have equal digests,
 * however a message or a store brought them (an integer as a number or a bigint, a blob as a view of
 * another), and different values different ones. Clients and regions compute it, and the log carries
 * it: what it is of never changes.
 */
export function columnDigest(
  table: CompiledTable,
  columns: readonly number[],
  image: RowImage,
): string {
  // With the places: a digest of one column must not be that of another with the same value.
  const text = JSON.stringify([columns, encodeCells(table, columns, image)])
  return sha256Hex(text).slice(0, DIGITS)
}
