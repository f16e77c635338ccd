/**
 * Who calls, by the token that comes with a request: a JSON Web Token (RFC 7519) signed with
 * Ed25519 (RFC 8037), of a configured issuer or of another node. Every other algorithm is refused,
 * and so is what is not understood. A verified token is remembered until it expires, so that a
 * request with a known one costs a hash.
 */
import { hash, type KeyObject } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader, errors, jwtVerify, type JWTPayload } from 'jose'
import type { AuthConfig, NodeConfig } from '../../config/process-sections.ts'
import { MeridianError } from '../../core/errors.ts'
import { Lru } from '../../core/lru.ts'
import type { Clock } from '../../core/ports/runtime.ts'
import { FULL_PRINCIPAL, type Caller } from '../../core/principal.ts'
import { clientCaller } from './claims.ts'
import { NODE_ISSUER, NODE_TOKEN_LIFE_MS, nodeAudience } from './node-identity.ts'
import { unauthenticated } from './unauthenticated.ts'
import {
  fixedKeys,
  openVerificationKeys,
  readPublicKey,
  type VerificationKeys,
} from './verification-keys.ts'

/** How far the clocks of issuers and nodes may be apart. */
const LEEWAY_MS = 30_000
const MAX_TOKEN_LENGTH = 8_192
const MAX_CACHED_TOKENS = 10_000

/** What a verifier is made of. */
export interface TokenVerifierOptions {
  readonly auth: AuthConfig
  /** By region: any of them proves the region. */
  readonly nodes: Readonly<Record<string, readonly NodeConfig[]>>
  /** The regions served here: tokens of nodes must be for one of them. */
  readonly regions: readonly string[]
  readonly readText: (path: string) => Promise<string>
  readonly clock: Clock
}

/** Tells who calls. */
export interface TokenVerifier {
  /**
   * The caller by the header `authorization` (`Bearer <token>`).
   *
   * @throws MeridianError `UNAUTHENTICATED`, saying what is wrong with the token and none of it
   */
  verify(authorization: string | undefined): Promise<Caller>
}

/** Reads the keys of all issuers. @throws MeridianError `CONFIG_INVALID` */
export async function createTokenVerifier(options: TokenVerifierOptions): Promise<TokenVerifier> {
  const { auth, nodes, regions, readText, clock } = options
  requireDistinct(auth, nodes)
  const authorities = new Map<string, Authority>()
  for (const issuer of auth.issuers) {
    const keys = await openVerificationKeys(issuer, readText, clock)
    authorities.set(issuer.issuer, { keys, audience: issuer.audience })
  }
  const peers = new Map<string, Authority>()
  for (const [region, ofRegion] of Object.entries(nodes)) {
    const texts = ofRegion.flatMap((node) => node.publicKey ?? [])
    if (texts.length === 0) continue
    const keys = fixedKeys([...new Set(texts)].map(readPublicKey))
    peers.set(region, { keys, audience: regions.map(nodeAudience) })
  }
  return new JwtVerifier(authorities, peers, clock)
}

/** Whose signature counts, and for whom its tokens must be. */
interface Authority {
  readonly keys: VerificationKeys
  readonly audience: string | readonly string[]
}

interface Verified {
  readonly caller: Caller
  readonly expiresAtMs: number
}

/** A token that was taken apart; nothing in it is to be believed yet. */
interface Unverified {
  readonly token: string
  readonly keyId: string | undefined
  readonly issuer: unknown
  readonly subject: unknown
}

class JwtVerifier implements TokenVerifier {
  readonly #authorities: ReadonlyMap<string, Authority>
  /** By region. */
  readonly #peers: ReadonlyMap<string, Authority>
  readonly #clock: Clock
  /** By the token's hash: the memory of a node holds no token that someone could use. */
  readonly #cache = new Lru<Verified>(MAX_CACHED_TOKENS)

  constructor(
    authorities: ReadonlyMap<string, Authority>,
    peers: ReadonlyMap<string, Authority>,
    clock: Clock,
  ) {
    this.#authorities = authorities
    this.#peers = peers
    this.#clock = clock
  }

  async verify(authorization: string | undefined): Promise<Caller> {
    const token = bearerToken(authorization)
    await this.#refreshKeys()
    const key = hash('sha256', token, 'base64')
    const known = this.#cache.get(key)
    if (known !== undefined && known.expiresAtMs > this.#clock.nowMs()) return known.caller
    const verified = await this.#check(takeApart(token))
    this.#cache.set(key, verified)
    return verified.caller
  }

  /** A key that was taken out of a set must not live on in what it once verified. */
  async #refreshKeys(): Promise<void> {
    for (const { keys } of this.#authorities.values()) {
      if (await keys.refresh()) this.#cache.clear()
    }
  }

  async #check(token: Unverified): Promise<Verified> {
    if (token.issuer === NODE_ISSUER) return this.#checkNode(token)
    const authority =
      typeof token.issuer === 'string' ? this.#authorities.get(token.issuer) : undefined
    if (authority === undefined) {
      throw unauthenticated(
        'is of an issuer that is not known here',
        'Take one of an issuer among `auth.issuers` of the configuration.',
      )
    }
    const claims = await this.#verifySignature(token, authority)
    return { caller: clientCaller(claims), expiresAtMs: expiryMs(claims) }
  }

  async #checkNode(token: Unverified): Promise<Verified> {
    const region = token.subject
    const authority = typeof region === 'string' ? this.#peers.get(region) : undefined
    if (typeof region !== 'string' || authority === undefined) {
      throw unauthenticated(
        'is of a node whose public key is not known here',
        'Give the node a `publicKey` in the configuration of every node.',
      )
    }
    const claims = await this.#verifySignature(token, authority)
    const expiresAtMs = expiryMs(claims)
    if (expiresAtMs > this.#clock.nowMs() + NODE_TOKEN_LIFE_MS + LEEWAY_MS) {
      throw unauthenticated('of a node lives too long', 'Set the clocks of the nodes.')
    }
    const principal = { ...FULL_PRINCIPAL, regions: [region] }
    return { caller: { kind: 'node', subject: region, principal }, expiresAtMs }
  }

  async #verifySignature(token: Unverified, authority: Authority): Promise<JWTPayload> {
    const keys = await authority.keys.find(token.keyId)
    for (const key of keys) {
      const claims = await this.#verifyWith(token, key, authority.audience)
      if (claims !== undefined) return claims
    }
    throw unauthenticated(
      'is not signed with a key of its issuer',
      'Sign it with the private key whose public key is configured.',
    )
  }

  /** `undefined`: another key's signature. */
  async #verifyWith(
    { token, issuer }: Unverified,
    key: KeyObject,
    audience: Authority['audience'],
  ): Promise<JWTPayload | undefined> {
    try {
      const { payload } = await jwtVerify(token, key, {
        algorithms: ['EdDSA'],
        issuer: issuer as string,
        audience: typeof audience === 'string' ? audience : [...audience],
        requiredClaims: ['exp', 'sub'],
        clockTolerance: LEEWAY_MS / 1_000,
        currentDate: new Date(this.#clock.nowMs()),
      })
      return payload
    } catch (error) {
      if (error instanceof errors.JWSSignatureVerificationFailed) return undefined
      throw refusal(error)
    }
  }
}

/** @throws MeridianError `UNAUTHENTICATED` */
function bearerToken(authorization: string | undefined): string {
  const fix = 'Send `authorization: Bearer <token>`.'
  if (authorization === undefined || authorization === '') {
    throw new MeridianError('UNAUTHENTICATED', 'The request has no token.', { fix })
  }
  if (authorization.length > MAX_TOKEN_LENGTH) {
    throw unauthenticated(`has more than ${MAX_TOKEN_LENGTH} characters`, 'Take a shorter one.')
  }
  const token = /^bearer +([^ ]+) *$/i.exec(authorization)?.[1]
  if (token !== undefined) return token
  throw new MeridianError('UNAUTHENTICATED', 'The header `authorization` is no bearer token.', {
    fix,
  })
}

/** Reads which keys a token asks for. @throws MeridianError `UNAUTHENTICATED` */
function takeApart(token: string): Unverified {
  try {
    const { alg, kid } = decodeProtectedHeader(token)
    if (alg !== 'EdDSA') throw wrongAlgorithm()
    const { iss, sub } = decodeJwt(token)
    return { token, keyId: kid, issuer: iss, subject: sub }
  } catch (error) {
    throw error instanceof MeridianError ? error : malformed()
  }
}

/** What `jose` says, in words that hold nothing of the token. */
function refusal(error: unknown): MeridianError {
  if (error instanceof errors.JWTExpired) {
    return unauthenticated('has expired', 'Take a new one, and check the clocks.')
  }
  if (error instanceof errors.JOSEAlgNotAllowed) return wrongAlgorithm()
  if (error instanceof errors.JWTClaimValidationFailed) {
    const { claim, reason } = error
    if (claim === 'nbf' && reason === 'check_failed') {
      return unauthenticated('is not valid yet', 'Check the clocks of its issuer and of the node.')
    }
    if (claim === 'aud') {
      return unauthenticated(
        'is for another audience',
        'Set `aud` to the `audience` of its issuer in the configuration.',
      )
    }
    return unauthenticated(`lacks a valid claim \`${claim}\``, 'Sign one with `exp` and `sub`.')
  }
  return malformed()
}

function wrongAlgorithm(): MeridianError {
  return unauthenticated('is not signed with Ed25519', 'Sign it with `alg: EdDSA`.')
}

function malformed(): MeridianError {
  return unauthenticated('is not a signed JSON Web Token', 'Take one of `meridian token`.')
}

function expiryMs(claims: JWTPayload): number {
  return (claims.exp ?? 0) * 1_000
}

/** An issuer of clients' tokens that passed for a node could speak for anyone. */
function requireDistinct(auth: AuthConfig, nodes: TokenVerifierOptions['nodes']): void {
  const names = new Set<string>()
  const nodeKeys = new Set(
    Object.values(nodes).flatMap((ofRegion) => ofRegion.map((node) => node.publicKey)),
  )
  for (const { issuer, publicKey } of auth.issuers) {
    if (issuer === NODE_ISSUER) throw invalid(`'${NODE_ISSUER}' is reserved`, 'Call it otherwise.')
    if (names.has(issuer)) throw invalid(`'${issuer}' is there twice`, 'Leave one of them out.')
    names.add(issuer)
    if (publicKey !== undefined && nodeKeys.has(publicKey)) {
      throw invalid(`'${issuer}' has the key of a node`, 'Make it a key of its own.')
    }
  }
}

function invalid(problem: string, fix: string): MeridianError {
  return new MeridianError('CONFIG_INVALID', `auth.issuers: the issuer ${problem}.`, { fix })
}
