/**
 * SHA-256 of texts, synchronous, for where WebCrypto cannot be waited for: a tenant is looked up on
 * every call, and what a log holds is evaluated in one turn. For names and identities; secrets go
 * through WebCrypto.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { toHex } from './values.ts'

const encoder = new TextEncoder()

/** The SHA-256 of a text's UTF-8 bytes, as 64 hexadecimal digits. */
export function sha256Hex(text: string): string {
  return toHex(sha256(encoder.encode(text)))
}

/** The SHA-256 of bytes, as 64 hexadecimal digits. */
export function sha256Bytes(bytes: Uint8Array): string {
  return toHex(sha256(bytes))
}
