/**
 * Port: the primitives of field encryption, asynchronous and batched, so that WebCrypto and
 * `node:crypto` both serve with the same bytes. Suite 1 is XAES-256-GCM (c2sp.org/XAES-256-GCM)
 * with HKDF-SHA-256 (RFC 5869, empty salt) and HMAC-SHA-256. Keys never leave an implementation:
 * what it hands out are objects that use them.
 */

/** Bytes of a data encryption key. */
export const SECRET_BYTES = 32
/** Bytes of a nonce: random, 2^80 messages a key at a collision risk of 2^-32. */
export const NONCE_BYTES = 24
/** Bytes of an authentication tag, never shorter. */
export const TAG_BYTES = 16

/** What to encrypt. A nonce is used once under a key. */
export interface PlainItem {
  readonly nonce: Uint8Array
  readonly plaintext: Uint8Array
  readonly associatedData: Uint8Array
}

/** What to decrypt: ciphertext followed by its tag. */
export interface SealedItem {
  readonly nonce: Uint8Array
  readonly sealed: Uint8Array
  readonly associatedData: Uint8Array
}

/** Authenticated encryption under one key. */
export interface CellCipher {
  /** In order: ciphertext followed by its 16-byte tag. */
  encrypt(items: readonly PlainItem[]): Promise<Uint8Array[]>
  /** In order: the plaintext, or `undefined` where authentication failed. */
  decrypt(items: readonly SealedItem[]): Promise<(Uint8Array | undefined)[]>
}

/** HMAC-SHA-256 under one key. */
export interface Mac {
  /** In order: 32 bytes a message. */
  sign(messages: readonly Uint8Array[]): Promise<Uint8Array[]>
}

/** A data encryption key: never used itself, only to derive a subkey for each purpose. */
export interface DerivationKey {
  deriveCellCipher(info: Uint8Array): Promise<CellCipher>
  deriveMac(info: Uint8Array): Promise<Mac>
}

/** One implementation of a suite. */
export interface AeadSuite {
  /** The number that envelopes carry. */
  readonly id: number
  /** Takes 32 bytes; the caller overwrites its copy once the promise settles. */
  importKey(secret: Uint8Array): Promise<DerivationKey>
}
