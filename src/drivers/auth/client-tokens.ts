/** Signs tokens of clients, for development and tests: who issues them for good is up to the user. */
import { SignJWT } from 'jose'
import type { Scope } from '../../core/principal.ts'
import { parsePrivateKey } from './signing-keys.ts'

/** What a token says. */
export interface ClientTokenClaims {
  readonly issuer: string
  readonly audience: string
  readonly subject: string
  /** `null`: all. */
  readonly tenants: readonly string[] | null
  readonly scopes: readonly Scope[]
  readonly regions?: readonly string[]
  /** Seconds since the epoch. */
  readonly issuedAt: number
  readonly expiresAt: number
}

/** Signs a token. @throws MeridianError `CONFIG_INVALID` for a key that is none */
export async function signClientToken(
  privateKey: string,
  claims: ClientTokenClaims,
): Promise<string> {
  const { tenants, scopes, regions } = claims
  const own = { tenants: tenants ?? '*', scopes, ...(regions === undefined ? {} : { regions }) }
  return new SignJWT(own)
    .setProtectedHeader({ alg: 'EdDSA', typ: 'JWT' })
    .setIssuer(claims.issuer)
    .setAudience(claims.audience)
    .setSubject(claims.subject)
    .setIssuedAt(claims.issuedAt)
    .setExpirationTime(claims.expiresAt)
    .sign(parsePrivateKey(privateKey))
}
