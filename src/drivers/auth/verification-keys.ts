/** The public keys that signatures are checked with: one from the configuration, or a set in a file. */
import { createPublicKey, type KeyObject } from 'node:crypto'
import type { IssuerConfig } from '../../config/process-sections.ts'
import { MeridianError } from '../../core/errors.ts'
import type { Clock } from '../../core/ports/runtime.ts'

/** A JWKS file that nothing asks for anew is read again after this long. */
const REREAD_MS = 30_000
/** A file is not read more often than this, whatever key ids tokens come with. */
const LEAST_REREAD_MS = 1_000
const MAX_KEYS = 100

/** Public keys of one issuer. */
export interface VerificationKeys {
  /** Candidates for a token with this key id; without one, all. */
  find(keyId: string | undefined): Promise<readonly KeyObject[]>
  /** Reads again what may have changed. Resolves to whether it has. */
  refresh(): Promise<boolean>
}

/** A raw Ed25519 public key, base64url (RFC 8037). */
export function readPublicKey(x: string): KeyObject {
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
}

/** The keys of an issuer that names them, whatever key id a token has. */
export function fixedKeys(keys: readonly KeyObject[]): VerificationKeys {
  return { find: async () => keys, refresh: async () => false }
}

/** The keys of an issuer. @throws MeridianError `CONFIG_INVALID` */
export async function openVerificationKeys(
  issuer: IssuerConfig,
  readText: (path: string) => Promise<string>,
  clock: Clock,
): Promise<VerificationKeys> {
  if (issuer.publicKey !== undefined) return fixedKeys([readPublicKey(issuer.publicKey)])
  const keys = new KeySetFile(issuer.jwksFile ?? '', readText, clock)
  await keys.load()
  return keys
}

interface SetKey {
  readonly keyId: string | undefined
  readonly key: KeyObject
}

/** A JSON Web Key Set (RFC 7517, section 5) in a file that may be replaced at any time. */
class KeySetFile implements VerificationKeys {
  readonly #path: string
  readonly #readText: (path: string) => Promise<string>
  readonly #clock: Clock
  #text = ''
  #keys: readonly SetKey[] = []
  #readAtMs = 0
  #reading: Promise<boolean> | undefined

  constructor(path: string, readText: (path: string) => Promise<string>, clock: Clock) {
    this.#path = path
    this.#readText = readText
    this.#clock = clock
  }

  /** The first read, without which there is no issuer. @throws MeridianError `CONFIG_INVALID` */
  async load(): Promise<boolean> {
    this.#readAtMs = this.#clock.monotonicMs()
    const text = await this.#readText(this.#path).catch((cause: unknown) => {
      throw invalidSet(this.#path, 'cannot be read', cause)
    })
    if (text === this.#text) return false
    this.#keys = parseKeySet(this.#path, text)
    this.#text = text
    return true
  }

  async find(keyId: string | undefined): Promise<readonly KeyObject[]> {
    const found = this.#matching(keyId)
    if (found.length > 0) return found
    await this.#reread(LEAST_REREAD_MS)
    return this.#matching(keyId)
  }

  refresh(): Promise<boolean> {
    return this.#reread(REREAD_MS)
  }

  #matching(keyId: string | undefined): readonly KeyObject[] {
    return this.#keys
      .filter((one) => keyId === undefined || one.keyId === keyId)
      .map((one) => one.key)
  }

  /** A file that is gone or half written leaves the keys as they are: the next read may mend it. */
  async #reread(minAgeMs: number): Promise<boolean> {
    if (this.#reading !== undefined) return this.#reading
    if (this.#clock.monotonicMs() - this.#readAtMs < minAgeMs) return false
    this.#reading = this.load().catch(() => false)
    try {
      return await this.#reading
    } finally {
      this.#reading = undefined
    }
  }
}

function parseKeySet(path: string, text: string): readonly SetKey[] {
  const entries = readEntries(path, text)
  const keys: SetKey[] = []
  for (const entry of entries) {
    const { kty, crv, x, kid } = (entry ?? {}) as Readonly<Record<string, unknown>>
    // Sets hold keys of other kinds, for others: they are not ours to judge.
    if (kty !== 'OKP' || crv !== 'Ed25519' || typeof x !== 'string') continue
    keys.push({ keyId: typeof kid === 'string' ? kid : undefined, key: readSetKey(path, x) })
  }
  if (keys.length > 0 && keys.length <= MAX_KEYS) return keys
  throw invalidSet(path, `has ${keys.length} Ed25519 keys, not 1 to ${MAX_KEYS}`)
}

function readSetKey(path: string, x: string): KeyObject {
  try {
    return readPublicKey(x)
  } catch (cause) {
    throw invalidSet(path, 'has an Ed25519 key that is none', cause)
  }
}

function readEntries(path: string, text: string): readonly unknown[] {
  let set: unknown
  try {
    set = JSON.parse(text)
  } catch {
    throw invalidSet(path, 'is not JSON')
  }
  const { keys } = (set ?? {}) as { readonly keys?: unknown }
  if (Array.isArray(keys)) return keys
  throw invalidSet(path, 'is not a JSON Web Key Set')
}

function invalidSet(path: string, problem: string, cause?: unknown): MeridianError {
  return new MeridianError('CONFIG_INVALID', `The key set ${path} ${problem}.`, {
    fix: 'Write `{ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": …, "x": … }] }`.',
    ...(cause === undefined ? {} : { cause }),
  })
}
