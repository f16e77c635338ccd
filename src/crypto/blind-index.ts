/**
 * Blind indexes: what lets an encrypted column be found by an exact value. HMAC-SHA-256 of the
 * value under a key of its own for each tenant and column, cut to 128 bits: equal values collide
 * (that is the leak, and the purpose), different ones do with a probability of 2^-128 a pair, and
 * a caller compares again after decryption.
 */
import type { SqlValue } from '../core/values.ts'
import type { CompiledColumn } from '../schema/compiled.ts'
import { concatBytes, utf8 } from './bytes.ts'
import { encodePlaintext } from './plaintext.ts'

/** Bytes of a blind index. */
const BLIND_INDEX_BYTES = 16
const DOMAIN = utf8('flb1')
/** How values are made comparable before they are signed. 1: not at all, equal means identical. */
const NORMALISATION_EXACT = 1

/** What is signed for a value. @throws MeridianError `INVALID_VALUE` */
export function blindIndexMessage(
  column: CompiledColumn,
  value: Exclude<SqlValue, null>,
): Uint8Array {
  return concatBytes([DOMAIN, Uint8Array.of(NORMALISATION_EXACT), encodePlaintext(column, value)])
}

/** The blind index of a signature. */
export function blindIndexOf(signature: Uint8Array): Uint8Array {
  return new Uint8Array(signature.subarray(0, BLIND_INDEX_BYTES))
}
