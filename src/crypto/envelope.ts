/**
 * The encrypted message and what it is bound to.
 *
 *     ver(1) | suite(1) | lineage(4) | generation(4) | nonce(24) | ciphertext | tag(16)
 *
 * Associated data: "fle1" | the first ten bytes | LP(tenant) | LP(table id) | LP(column id) |
 * LP(row key). The header in it stops downgrades, the coordinates stop a swap of cells, and
 * immutable ids let renames pass.
 */
import { NONCE_BYTES, TAG_BYTES } from '../core/ports/aead-suite.ts'
import { concatBytes, lengthPrefixed, readUint32, uint32, utf8 } from './bytes.ts'
import { fromHex, toHex } from '../core/values.ts'

const ENVELOPE_VERSION = 1
const HEADER_BYTES = 10
const MIN_ENVELOPE_BYTES: number = HEADER_BYTES + NONCE_BYTES + TAG_BYTES
const DOMAIN = utf8('fle1')

/** Names one generation of a tenant's data keys. */
export interface KeyId {
  /** 8 hexadecimal digits. */
  readonly lineage: string
  /** From 1, 32 bits. */
  readonly generation: number
}

/** An envelope, taken apart. Nothing in it is authenticated yet. */
export interface Envelope {
  readonly header: Uint8Array
  readonly suite: number
  readonly keyId: KeyId
  readonly nonce: Uint8Array
  readonly sealed: Uint8Array
}

/** Where a cell is. */
export interface Coordinates {
  readonly tenant: string
  readonly tableId: number
  readonly columnId: number
  readonly rowKey: Uint8Array
}

/** The first ten bytes of an envelope. */
export function encodeHeader(suite: number, keyId: KeyId): Uint8Array {
  return concatBytes([
    Uint8Array.of(ENVELOPE_VERSION, suite),
    fromHex(keyId.lineage),
    uint32(keyId.generation),
  ])
}

/** Takes an envelope apart; `undefined` when it is none of this version. Copies nothing. */
export function parseEnvelope(bytes: Uint8Array): Envelope | undefined {
  if (bytes.length < MIN_ENVELOPE_BYTES || bytes[0] !== ENVELOPE_VERSION) return undefined
  return {
    header: bytes.subarray(0, HEADER_BYTES),
    suite: bytes[1] as number,
    keyId: { lineage: toHex(bytes.subarray(2, 6)), generation: readUint32(bytes, 6) },
    nonce: bytes.subarray(HEADER_BYTES, HEADER_BYTES + NONCE_BYTES),
    sealed: bytes.subarray(HEADER_BYTES + NONCE_BYTES),
  }
}

/** What an envelope's tag authenticates besides its content. */
export function associatedData(header: Uint8Array, at: Coordinates): Uint8Array {
  return concatBytes([
    DOMAIN,
    header,
    lengthPrefixed([utf8(at.tenant), uint32(at.tableId), uint32(at.columnId), at.rowKey]),
  ])
}
