/**
 * Wraps data keys with key-encryption keys that this process holds: one a region.
 *
 *     version(1) = 1 | KEK id(4) | nonce(12) | wrapped key(32) | tag(16)
 *
 * AES-256-GCM; associated data: the JSON text of a label, the KEK's id and the key's context.
 */
import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  randomBytes,
  type KeyObject,
} from 'node:crypto'
import { MeridianError } from '../../core/errors.ts'
import type { KeyContext, KeyWrapper } from '../../core/ports/key-wrapper.ts'

/** Bytes of a key-encryption key, and of the data keys that it wraps. */
export const KEY_BYTES = 32
const VERSION = 1
const ID_BYTES = 4
const NONCE_BYTES = 12
const TAG_BYTES = 16
const NONCE_AT: number = 1 + ID_BYTES
const KEY_AT: number = NONCE_AT + NONCE_BYTES
const TAG_AT: number = KEY_AT + KEY_BYTES
const WRAPPED_BYTES: number = TAG_AT + TAG_BYTES

/** A region's key-encryption key. */
export interface RegionKek {
  readonly region: string
  /** 8 hexadecimal digits, which a wrapped key carries. */
  readonly id: string
  readonly key: KeyObject
}

/** A wrapper whose keys are on this machine. */
export interface LocalKeyWrapper extends KeyWrapper {
  /** Whether the keys were made for development: they protect nothing, and users are told so. */
  readonly development: boolean
}

/** Makes a region's key of 32 bytes, which are overwritten. */
export function regionKek(region: string, id: string, secret: Uint8Array): RegionKek {
  const key = createSecretKey(secret)
  secret.fill(0)
  return { region, id, key }
}

/** Makes a region's key of random bytes. */
export function randomRegionKek(region: string): RegionKek {
  return regionKek(region, randomBytes(ID_BYTES).toString('hex'), randomBytes(KEY_BYTES))
}

/** A wrapper over the regions' keys. */
export function createLocalKeyWrapper(
  keks: readonly RegionKek[],
  development: boolean,
): LocalKeyWrapper {
  const byRegion = new Map(keks.map((kek) => [kek.region, kek]))
  const kekOf = (region: string): RegionKek => {
    const kek = byRegion.get(region)
    if (kek === undefined) throw noKek(region)
    return kek
  }
  return {
    development,
    regions: async () => [...byRegion.keys()],
    wrap: async (key, context) => wrap(kekOf(context.region), key, context),
    unwrap: async (wrapped, context) => unwrap(kekOf(context.region), wrapped, context),
  }
}

function wrap(kek: RegionKek, key: Uint8Array, context: KeyContext): Uint8Array {
  if (key.length !== KEY_BYTES) {
    throw new MeridianError('INVALID_ARGUMENT', `A data key has ${KEY_BYTES} bytes.`)
  }
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', kek.key, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(associatedData(kek, context))
  const wrapped = new Uint8Array(WRAPPED_BYTES)
  wrapped[0] = VERSION
  wrapped.set(Buffer.from(kek.id, 'hex'), 1)
  wrapped.set(nonce, NONCE_AT)
  wrapped.set(cipher.update(key), KEY_AT)
  cipher.final()
  wrapped.set(cipher.getAuthTag(), TAG_AT)
  return wrapped
}

function unwrap(kek: RegionKek, wrapped: Uint8Array, context: KeyContext): Uint8Array {
  if (wrapped.length !== WRAPPED_BYTES || wrapped[0] !== VERSION) throw refused(context)
  const id = Buffer.from(wrapped.subarray(1, NONCE_AT)).toString('hex')
  if (id !== kek.id) throw otherKek(context, id)
  const nonce = wrapped.subarray(NONCE_AT, KEY_AT)
  const decipher = createDecipheriv('aes-256-gcm', kek.key, nonce, { authTagLength: TAG_BYTES })
  decipher.setAAD(associatedData(kek, context))
  decipher.setAuthTag(wrapped.subarray(TAG_AT))
  const pooled = decipher.update(wrapped.subarray(KEY_AT, TAG_AT))
  const key = new Uint8Array(pooled)
  pooled.fill(0)
  try {
    decipher.final()
    return key
  } catch {
    key.fill(0)
    throw refused(context)
  }
}

function associatedData(kek: RegionKek, context: KeyContext): Buffer {
  const { tenant, region, lineage, generation } = context
  return Buffer.from(
    JSON.stringify(['meridian.key.v1', kek.id, tenant, region, lineage, generation]),
  )
}

function noKek(region: string): MeridianError {
  return new MeridianError('KEY_UNAVAILABLE', `The keyring has no key for region ${region}.`, {
    fix: 'Add the region to the keyring, or give this process the keyring that has it.',
    retry: 'never',
    details: { region },
  })
}

function otherKek(context: KeyContext, id: string): MeridianError {
  const { region } = context
  return new MeridianError(
    'KEY_UNAVAILABLE',
    `The data key was wrapped with key ${id} of region ${region}, which the keyring does not hold.`,
    {
      fix: 'Put the keyring back with which the data was written.',
      retry: 'never',
      details: { region, kek: id },
    },
  )
}

function refused(context: KeyContext): MeridianError {
  const { region, lineage, generation } = context
  return new MeridianError('DECRYPT_FAILED', 'A wrapped data key could not be authenticated.', {
    fix: 'It was changed, or belongs to another tenant, region or generation.',
    details: { region, lineage, generation },
  })
}
