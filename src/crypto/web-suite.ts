/**
 * Suite 1 on WebCrypto, for browsers, workers and every runtime that has `crypto.subtle`. Keys
 * are non-extractable. Same bytes as the `node:crypto` implementation, which is faster: here every
 * cell costs four calls into the platform.
 */
import { doubleBlock } from '../core/gf128.ts'
import {
  SECRET_BYTES,
  TAG_BYTES,
  type AeadSuite,
  type CellCipher,
  type DerivationKey,
  type Mac,
  type PlainItem,
  type SealedItem,
} from '../core/ports/aead-suite.ts'
import { concatBytes } from './bytes.ts'

const BLOCK_BYTES = 16
/** Calls into the platform that are under way at once, in cells. */
const BATCH_CELLS = 256
const ZERO_BLOCK = new Uint8Array(BLOCK_BYTES)

/** XAES-256-GCM, HKDF-SHA-256 and HMAC-SHA-256 on WebCrypto. */
export const webAeadSuite: AeadSuite = {
  id: 1,
  async importKey(secret) {
    const base = await crypto.subtle.importKey('raw', source(secret), 'HKDF', false, ['deriveKey'])
    return new WebDerivationKey(base)
  },
}

class WebDerivationKey implements DerivationKey {
  readonly #base: CryptoKey

  constructor(base: CryptoKey) {
    this.#base = base
  }

  async deriveCellCipher(info: Uint8Array): Promise<CellCipher> {
    const aes = { name: 'AES-CBC', length: 8 * SECRET_BYTES }
    const key = await crypto.subtle.deriveKey(hkdf(info), this.#base, aes, false, ['encrypt'])
    return webXaesCipher(key)
  }

  async deriveMac(info: Uint8Array): Promise<Mac> {
    const algorithm = { name: 'HMAC', hash: 'SHA-256', length: 8 * SECRET_BYTES }
    const key = await crypto.subtle.deriveKey(hkdf(info), this.#base, algorithm, false, ['sign'])
    return {
      async sign(messages) {
        return inBatches(messages, async (message) => {
          return new Uint8Array(await crypto.subtle.sign('HMAC', key, source(message)))
        })
      },
    }
  }
}

/** XAES-256-GCM under a key that may encrypt AES-CBC: a block of it is AES of the block itself. */
export async function webXaesCipher(key: CryptoKey): Promise<CellCipher> {
  const k1 = doubleBlock(await encryptBlock(key, ZERO_BLOCK))

  async function seal(item: PlainItem): Promise<Uint8Array> {
    const subkey = await deriveSubkey(key, k1, item.nonce, 'encrypt')
    const parameters = gcm(item.nonce, item.associatedData)
    return new Uint8Array(await crypto.subtle.encrypt(parameters, subkey, source(item.plaintext)))
  }

  async function open(item: SealedItem): Promise<Uint8Array | undefined> {
    if (item.sealed.length < TAG_BYTES) return undefined
    const subkey = await deriveSubkey(key, k1, item.nonce, 'decrypt')
    try {
      const parameters = gcm(item.nonce, item.associatedData)
      return new Uint8Array(await crypto.subtle.decrypt(parameters, subkey, source(item.sealed)))
    } catch (error) {
      // The platform's name for a tag that does not match.
      if (error instanceof DOMException && error.name === 'OperationError') return undefined
      throw error
    }
  }

  return {
    encrypt: (items) => inBatches(items, seal),
    decrypt: (items) => inBatches(items, open),
  }
}

function gcm(nonce: Uint8Array, additionalData: Uint8Array): AesGcmParams {
  return {
    name: 'AES-GCM',
    iv: source(nonce.subarray(12)),
    additionalData: source(additionalData),
    tagLength: 8 * TAG_BYTES,
  }
}

/** Steps 3 to 5 of the specification: CMAC as a counter-mode KDF over half the nonce. */
async function deriveSubkey(
  key: CryptoKey,
  k1: Uint8Array,
  nonce: Uint8Array,
  usage: 'encrypt' | 'decrypt',
): Promise<CryptoKey> {
  const blocks = [1, 2].map((counter) => {
    const block = Uint8Array.of(0, counter, 0x58, 0, ...nonce.subarray(0, 12))
    for (let i = 0; i < BLOCK_BYTES; i++) block[i] = (block[i] as number) ^ (k1[i] as number)
    return encryptBlock(key, block)
  })
  const raw = concatBytes(await Promise.all(blocks))
  try {
    return await crypto.subtle.importKey('raw', source(raw), 'AES-GCM', false, [usage])
  } finally {
    raw.fill(0)
  }
}

async function encryptBlock(key: CryptoKey, block: Uint8Array): Promise<Uint8Array> {
  const parameters = { name: 'AES-CBC', iv: ZERO_BLOCK }
  // CBC adds a block of padding behind the one that is wanted.
  return new Uint8Array(await crypto.subtle.encrypt(parameters, key, source(block)), 0, BLOCK_BYTES)
}

function hkdf(info: Uint8Array): HkdfParams {
  return { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(0), info: source(info) }
}

async function inBatches<T, R>(items: readonly T[], run: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  for (let start = 0; start < items.length; start += BATCH_CELLS) {
    results.push(...(await Promise.all(items.slice(start, start + BATCH_CELLS).map(run))))
  }
  return results
}

/** WebCrypto's types refuse views of shared memory, which nobody hands in here. */
function source(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>
}
