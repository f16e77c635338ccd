/**
 * Sessions as compact tokens, for the next function of a request: MessagePack and a truncated
 * HMAC-SHA-256, in base64url. A token is no credential; the key keeps clients from inventing
 * positions.
 */
import { MeridianError } from '../core/errors.ts'
import { decodeValue, encodeValue } from '../protocol/codec.ts'
import type { SessionState } from '../protocol/messages.ts'
import { fromBase64Url, toBase64Url } from './base64-url.ts'

const TOKEN_VERSION = 1
const MAC_BYTES = 16

/** Writes a token. `key`: 32 bytes shared by all nodes and services of a deployment. */
export async function sealSession(state: SessionState, key: Uint8Array): Promise<string> {
  const payload = encodeValue([TOKEN_VERSION, Object.entries(state.positions), state.nowMs])
  const mac = await hmac(key, payload)
  const bytes = new Uint8Array(payload.length + MAC_BYTES)
  bytes.set(payload)
  bytes.set(mac, payload.length)
  return toBase64Url(bytes)
}

/** Reads a token. @throws MeridianError `SESSION_INVALID` */
export async function openSession(token: string, key: Uint8Array): Promise<SessionState> {
  const bytes = typeof token === 'string' ? fromBase64Url(token) : undefined
  if (bytes === undefined || bytes.length <= MAC_BYTES) throw invalidToken()
  const payload = bytes.slice(0, -MAC_BYTES)
  const mac = await hmac(key, payload)
  if (!equalInConstantTime(mac, bytes.slice(-MAC_BYTES))) throw invalidToken()
  const [version, positions, nowMs] = decodeValue(payload) as [number, [string, number][], number]
  if (version !== TOKEN_VERSION) throw invalidToken()
  return { positions: Object.fromEntries(positions), nowMs }
}

async function hmac(key: Uint8Array, payload: Uint8Array): Promise<Uint8Array> {
  const algorithm = { name: 'HMAC', hash: 'SHA-256' }
  const imported = await crypto.subtle.importKey('raw', new Uint8Array(key), algorithm, false, [
    'sign',
  ])
  const mac = await crypto.subtle.sign('HMAC', imported, new Uint8Array(payload))
  return new Uint8Array(mac, 0, MAC_BYTES)
}

function equalInConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] ?? 0)
  return difference === 0
}

function invalidToken(): MeridianError {
  return new MeridianError('SESSION_INVALID', 'The session token was not issued here.', {
    fix: 'Use a token that `session.export()` gave under the same session key.',
  })
}
