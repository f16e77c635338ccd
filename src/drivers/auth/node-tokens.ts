/** The tokens by which a node proves to another that it is a node: short-lived, for one recipient. */
import { SignJWT } from 'jose'
import type { Clock } from '../../core/ports/runtime.ts'
import { NODE_ISSUER, NODE_TOKEN_LIFE_MS, nodeAudience } from './node-identity.ts'
import { parsePrivateKey } from './signing-keys.ts'

/** A token with less than this left is replaced before it is used. */
const RENEW_MS = NODE_TOKEN_LIFE_MS / 2

/** What signs. */
export interface NodeTokensOptions {
  /** Ed25519: PKCS #8 PEM, or a JSON Web Key. */
  readonly privateKey: string
  /** The node's own region, whose public key the configuration has. */
  readonly region: string
  readonly clock: Clock
}

/** Tokens for other nodes. */
export interface NodeTokens {
  /** The header `authorization` for requests to the node of a region. */
  authorization(to: string): Promise<string>
}

/** @throws MeridianError `CONFIG_INVALID` for a key that is none */
export function createNodeTokens(options: NodeTokensOptions): NodeTokens {
  const { region, clock } = options
  const key = parsePrivateKey(options.privateKey)
  const byRegion = new Map<string, { readonly header: Promise<string>; expiresAtMs: number }>()
  const sign = async (to: string, issuedAtMs: number): Promise<string> => {
    const issuedAt = Math.floor(issuedAtMs / 1_000)
    const token = await new SignJWT()
      .setProtectedHeader({ alg: 'EdDSA' })
      .setIssuer(NODE_ISSUER)
      .setSubject(region)
      .setAudience(nodeAudience(to))
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + NODE_TOKEN_LIFE_MS / 1_000)
      .sign(key)
    return `Bearer ${token}`
  }
  return {
    authorization(to) {
      const nowMs = clock.nowMs()
      const known = byRegion.get(to)
      // Also when the clock was set back: what seems to live too long was signed before that.
      if (known !== undefined && isFresh(known.expiresAtMs - nowMs)) return known.header
      const header = sign(to, nowMs)
      byRegion.set(to, { header, expiresAtMs: nowMs + NODE_TOKEN_LIFE_MS })
      return header
    },
  }
}

function isFresh(leftMs: number): boolean {
  return leftMs > RENEW_MS && leftMs <= NODE_TOKEN_LIFE_MS
}
