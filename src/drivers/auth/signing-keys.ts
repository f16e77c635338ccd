/** Ed25519 private keys: made, written down, and read back from the two forms they are kept in. */
import {
  createPrivateKey,
  generateKeyPairSync,
  type JsonWebKeyInput,
  type KeyObject,
} from 'node:crypto'
import { MeridianError } from '../../core/errors.ts'

/** A new pair. */
export interface KeyPairText {
  /** PKCS #8, PEM (RFC 5958): to be kept secret. */
  readonly privateKeyPem: string
  /** The same as a JSON Web Key (RFC 8037) on one line, for environment variables. */
  readonly privateKeyJwk: string
  /** The raw public key, base64url: what the configuration takes. */
  readonly publicKey: string
}

/** Makes a pair from the operating system's randomness. */
export function generateKeyPair(): KeyPairText {
  const { privateKey } = generateKeyPairSync('ed25519')
  const { x = '', d = '' } = privateKey.export({ format: 'jwk' })
  return {
    privateKeyPem: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    privateKeyJwk: JSON.stringify({ kty: 'OKP', crv: 'Ed25519', x, d }),
    publicKey: x,
  }
}

/**
 * Reads a private key: PKCS #8 PEM (line ends may be written `\n`, as environments hold them), or a
 * JSON Web Key.
 *
 * @throws MeridianError `CONFIG_INVALID`, which holds nothing of the key
 */
export function parsePrivateKey(text: string): KeyObject {
  const key = readKey(text.trim())
  if (key?.asymmetricKeyType === 'ed25519') return key
  throw new MeridianError('CONFIG_INVALID', 'The private key is not an Ed25519 key.', {
    fix: 'Use one of `meridian keygen`: a PEM file, or a JSON Web Key.',
  })
}

// The cause would quote what it could not read.
function readKey(text: string): KeyObject | undefined {
  try {
    if (!text.startsWith('{')) return createPrivateKey(text.replaceAll('\\n', '\n'))
    return createPrivateKey({ key: JSON.parse(text) as JsonWebKeyInput['key'], format: 'jwk' })
  } catch {
    return undefined
  }
}
