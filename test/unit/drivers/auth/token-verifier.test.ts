import { createHmac, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { SignJWT, type JWTPayload } from 'jose'
import { beforeEach, describe, expect, it } from 'vitest'
import type { AuthConfig, NodeConfig } from '../../../../src/config/process-sections.ts'
import { FULL_PRINCIPAL } from '../../../../src/core/principal.ts'
import { createNodeTokens } from '../../../../src/drivers/auth/node-tokens.ts'
import { generateKeyPair, parsePrivateKey } from '../../../../src/drivers/auth/signing-keys.ts'
import {
  createTokenVerifier,
  type TokenVerifier,
} from '../../../../src/drivers/auth/token-verifier.ts'
import { MeridianError } from '../../../../src/core/errors.ts'
import type { Clock } from '../../../../src/core/ports/runtime.ts'

const issuer = generateKeyPair()
const us = generateKeyPair()
const eu = generateKeyPair()
const stranger = generateKeyPair()

const AUTH: AuthConfig = {
  issuers: [{ issuer: 'shop', audience: 'meridian', publicKey: issuer.publicKey }],
}
const NODES: Record<string, readonly NodeConfig[]> = {
  'us-east': [{ url: 'http://us', publicKey: us.publicKey }],
  'eu-west': [{ url: 'http://eu', publicKey: eu.publicKey }],
}

/** Time that moves when a test says so. */
class TestClock implements Clock {
  #ms = 1_750_000_000_000

  nowMs = (): number => this.#ms
  monotonicMs = (): number => this.#ms
  bootMs = (): number => this.#ms

  advance(ms: number): void {
    this.#ms += ms
  }
}

let clock: TestClock
let files: Record<string, string>
let reads: number
let verifier: TokenVerifier

function open(auth: AuthConfig = AUTH, nodes = NODES): Promise<TokenVerifier> {
  const readText = async (path: string): Promise<string> => {
    reads += 1
    const text = files[path]
    if (text === undefined) throw new Error('ENOENT')
    return text
  }
  return createTokenVerifier({ auth, nodes, regions: ['eu-west'], readText, clock })
}

beforeEach(async () => {
  clock = new TestClock()
  files = {}
  reads = 0
  verifier = await open()
})

const now = (): number => Math.floor(clock.nowMs() / 1_000)

function claims(changes: Record<string, unknown> = {}): JWTPayload {
  return {
    iss: 'shop',
    aud: 'meridian',
    sub: 'web',
    exp: now() + 600,
    tenants: ['acme'],
    scopes: ['read'],
    ...changes,
  }
}

function sign(
  payload: JWTPayload,
  privateKey = issuer.privateKeyPem,
  header: Record<string, unknown> = {},
): Promise<string> {
  return new SignJWT(payload)
    .setProtectedHeader({ alg: 'EdDSA', ...header })
    .sign(parsePrivateKey(privateKey))
}

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

async function expectRefused(token: string | undefined): Promise<MeridianError> {
  const error = await verifier
    .verify(token === undefined ? undefined : `Bearer ${token}`)
    .then(() => undefined)
    .catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(MeridianError)
  expect(error).toMatchObject({ code: 'UNAUTHENTICATED', retry: 'never' })
  const typed = error as MeridianError
  if (token !== undefined) {
    for (const piece of token.split('.')) {
      if (piece.length > 3) expect(JSON.stringify([typed, typed.message])).not.toContain(piece)
    }
  }
  return typed
}

describe('a token of a client', () => {
  it('says who calls and what is allowed', async () => {
    const token = await sign(claims({ scopes: ['read', 'write'], regions: ['eu-west'] }))
    expect(await verifier.verify(`Bearer ${token}`)).toEqual({
      kind: 'client',
      subject: 'web',
      principal: { tenants: ['acme'], scopes: ['read', 'write'], regions: ['eu-west'] },
    })
  })

  it('is for all tenants with "*", for none with an empty list', async () => {
    const all = await verifier.verify(`bearer ${await sign(claims({ tenants: '*' }))}`)
    expect(all.principal.tenants).toBeNull()
    const none = await verifier.verify(`Bearer ${await sign(claims({ tenants: [] }))}`)
    expect(none.principal.tenants).toEqual([])
  })

  it.each<[string, Record<string, unknown>]>([
    ['kind', { kind: 'node' }],
    ['principal', { principal: FULL_PRINCIPAL }],
    ['subject of a region', { sub: 'us-east' }],
    ['audience of a node besides', { aud: ['meridian', 'meridian:node:eu-west'] }],
  ])('is a client’s whatever it claims: %s', async (_what, more) => {
    const caller = await verifier.verify(`Bearer ${await sign(claims(more))}`)
    expect(caller.kind).toBe('client')
    expect(caller.principal).toEqual({ tenants: ['acme'], scopes: ['read'] })
  })

  it('of each issuer is verified with that issuer’s key', async () => {
    const other = generateKeyPair()
    verifier = await open({
      issuers: [...AUTH.issuers, { issuer: 'bank', audience: 'money', publicKey: other.publicKey }],
    })
    const theirs = claims({ iss: 'bank', aud: 'money' })
    const good = await sign(theirs, other.privateKeyPem)
    expect((await verifier.verify(`Bearer ${good}`)).subject).toBe('web')
    await expectRefused(await sign(theirs, issuer.privateKeyPem))
    await expectRefused(await sign(claims(), other.privateKeyPem))
  })
})

describe('a token is refused', () => {
  it('when there is none, or no bearer token', async () => {
    expect((await expectRefused(undefined)).message).toContain('no token')
    for (const header of ['', 'Basic abc', 'Bearer', 'Bearer a b', 'token']) {
      await expect(verifier.verify(header)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    }
  })

  it('with `alg: none`, signed or not', async () => {
    const [, payload, signature] = (await sign(claims())).split('.')
    for (const alg of ['none', 'None', 'NONE', '']) {
      expect((await expectRefused(`${part({ alg })}.${payload}.`)).message).toContain('Ed25519')
      await expectRefused(`${part({ alg })}.${payload}.${signature}`)
    }
  })

  it('with HS256 keyed with the public key in any form', async () => {
    const input = `${part({ alg: 'HS256' })}.${part(claims())}`
    const raw = Buffer.from(issuer.publicKey, 'base64url')
    const pem = createPublicKey(parsePrivateKey(issuer.privateKeyPem))
      .export({ format: 'pem', type: 'spki' })
      .toString()
    for (const secret of [raw, issuer.publicKey, pem]) {
      const mac = createHmac('sha256', secret).update(input).digest('base64url')
      expect((await expectRefused(`${input}.${mac}`)).message).toContain('Ed25519')
    }
  })

  it('with another algorithm', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const token = await new SignJWT(claims()).setProtectedHeader({ alg: 'ES256' }).sign(privateKey)
    await expectRefused(token)
  })

  it('with another key, or a key of its own in the header', async () => {
    expect((await expectRefused(await sign(claims(), stranger.privateKeyPem))).message).toContain(
      'key',
    )
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: stranger.publicKey }
    await expectRefused(await sign(claims(), stranger.privateKeyPem, { jwk }))
  })

  it('with a payload that was changed after signing', async () => {
    const [header, , signature] = (await sign(claims())).split('.')
    await expectRefused(`${header}.${part(claims({ tenants: '*' }))}.${signature}`)
  })

  it('when it has expired, with 30 seconds for clocks that differ', async () => {
    const token = await sign(claims({ exp: now() - 10 }))
    expect((await verifier.verify(`Bearer ${token}`)).subject).toBe('web')
    expect((await expectRefused(await sign(claims({ exp: now() - 60 })))).message).toContain(
      'expired',
    )
    const long = await sign(claims({ exp: now() + 600 }))
    await verifier.verify(`Bearer ${long}`)
    clock.advance(700_000)
    expect((await expectRefused(long)).message).toContain('expired')
  })

  it('when it is not valid yet, with 30 seconds for clocks that differ', async () => {
    await verifier.verify(`Bearer ${await sign(claims({ nbf: now() + 10 }))}`)
    expect((await expectRefused(await sign(claims({ nbf: now() + 60 })))).message).toContain('yet')
  })

  it.each<[string, Record<string, unknown>, string]>([
    ['without `exp`', { exp: undefined }, 'exp'],
    ['with an `exp` that is no number', { exp: 'never' }, 'exp'],
    ['without `sub`', { sub: undefined }, 'sub'],
    ['with an empty `sub`', { sub: '' }, 'sub'],
    ['with an overlong `sub`', { sub: 's'.repeat(300) }, 'sub'],
    ['without an issuer', { iss: undefined }, 'issuer'],
    ['of an unknown issuer', { iss: 'thief' }, 'issuer'],
    ['of an issuer that is a list', { iss: ['shop'] }, 'issuer'],
    ['of an issuer named as an inherited property', { iss: 'constructor' }, 'issuer'],
    ['without an audience', { aud: undefined }, 'aud'],
    ['for another audience', { aud: 'bank' }, 'aud'],
    ['without tenants', { tenants: undefined }, 'tenants'],
    ['with tenants that are neither list nor "*"', { tenants: 'acme' }, 'tenants'],
    ['with tenants null', { tenants: null }, 'tenants'],
    ['with a tenant that is no text', { tenants: [1] }, 'tenants'],
    ['with the empty tenant', { tenants: [''] }, 'tenants'],
    ['with an overlong tenant', { tenants: ['t'.repeat(129)] }, 'tenants'],
    ['with too many tenants', { tenants: Array.from({ length: 501 }, (_, i) => `${i}`) }, '500'],
    ['without scopes', { scopes: undefined }, 'scopes'],
    ['with scopes as a text', { scopes: 'read write' }, 'scopes'],
    ['with an unknown scope', { scopes: ['read', 'everything'] }, 'scopes'],
    ['with regions that are no list', { regions: 'eu-west' }, 'regions'],
    ['with regions that are no texts', { regions: [null] }, 'regions'],
  ])('%s', async (_what, changes, hint) => {
    expect((await expectRefused(await sign(claims(changes)))).message).toContain(hint)
  })

  it('when it is longer than 8 kB', async () => {
    expect(
      (await expectRefused(await sign(claims({ more: 'x'.repeat(9_000) })))).message,
    ).toContain('8192')
  })

  it.each(['a', 'a.b', 'a.b.c', '..', 'eyJhbGciOiJFZERTQSJ9..', 'eyJhbGciOiJFZERTQSJ9.W10.AA'])(
    'when it is no token: %s',
    async (text) => {
      await expectRefused(text)
    },
  )

  it('with a header that demands what is not understood', async () => {
    await expectRefused(await sign(claims(), issuer.privateKeyPem).then((t) => `${t}.x`))
    const input = `${part({ alg: 'EdDSA', crit: ['magic'], magic: 1 })}.${part(claims())}`
    await expectRefused(`${input}.AAAA`)
  })
})

describe('a token of a node', () => {
  it('makes its caller the node of its region, for the region that it is for', async () => {
    const tokens = createNodeTokens({ privateKey: us.privateKeyPem, region: 'us-east', clock })
    expect(await verifier.verify(await tokens.authorization('eu-west'))).toEqual({
      kind: 'node',
      subject: 'us-east',
      principal: { ...FULL_PRINCIPAL, regions: ['us-east'] },
    })
    await expect(verifier.verify(await tokens.authorization('us-east'))).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    })
  })

  const nodeClaims = (changes: Record<string, unknown> = {}): JWTPayload => ({
    iss: 'meridian:node',
    sub: 'us-east',
    aud: 'meridian:node:eu-west',
    exp: now() + 60,
    ...changes,
  })

  it('is verified with the key of the region that it names, and no other', async () => {
    await verifier.verify(`Bearer ${await sign(nodeClaims(), us.privateKeyPem)}`)
    await expectRefused(await sign(nodeClaims(), eu.privateKeyPem))
    await expectRefused(await sign(nodeClaims({ sub: 'eu-west' }), us.privateKeyPem))
    await expectRefused(await sign(nodeClaims({ sub: 'mars' }), us.privateKeyPem))
    await expectRefused(await sign(nodeClaims({ sub: 'constructor' }), us.privateKeyPem))
  })

  it('cannot be signed with the key of an issuer of clients', async () => {
    await expectRefused(await sign(nodeClaims(), issuer.privateKeyPem))
  })

  it('does not pass for a client’s', async () => {
    await expectRefused(await sign(claims(), us.privateKeyPem))
    await expectRefused(await sign(nodeClaims({ aud: 'meridian' }), us.privateKeyPem))
  })

  it('is refused when it would live longer than a minute', async () => {
    expect(
      (await expectRefused(await sign(nodeClaims({ exp: now() + 600 }), us.privateKeyPem))).message,
    ).toContain('too long')
  })
})

describe('a key set in a file', () => {
  const first = generateKeyPair()
  const second = generateKeyPair()
  const auth: AuthConfig = {
    issuers: [{ issuer: 'shop', audience: 'meridian', jwksFile: 'keys.json' }],
  }
  const setOf = (keys: Record<string, string>): string =>
    JSON.stringify({
      keys: [
        { kty: 'RSA', n: 'AQAB', e: 'AQAB', kid: 'rsa' },
        ...Object.entries(keys).map(([kid, x]) => ({ kty: 'OKP', crv: 'Ed25519', kid, x })),
      ],
    })

  beforeEach(async () => {
    files['keys.json'] = setOf({ a: first.publicKey })
    verifier = await open(auth)
  })

  it('verifies by key id, and by every key where a token has none', async () => {
    files['keys.json'] = setOf({ a: first.publicKey, b: second.publicKey })
    verifier = await open(auth)
    for (const header of [{}, { kid: 'b' }]) {
      const token = await sign(claims(), second.privateKeyPem, header)
      expect((await verifier.verify(`Bearer ${token}`)).subject).toBe('web')
    }
    await expectRefused(await sign(claims(), second.privateKeyPem, { kid: 'a' }))
  })

  it('is read again for a key id that is unknown, but not more than once a second', async () => {
    const token = await sign(claims(), second.privateKeyPem, { kid: 'b' })
    files['keys.json'] = setOf({ a: first.publicKey, b: second.publicKey })
    clock.advance(1_500)
    const before = reads
    expect((await verifier.verify(`Bearer ${token}`)).subject).toBe('web')
    expect(reads).toBe(before + 1)
    for (let i = 0; i < 20; i++) {
      await expectRefused(await sign(claims(), stranger.privateKeyPem, { kid: `made-up-${i}` }))
    }
    expect(reads).toBe(before + 1)
  })

  it('that lost a key ends the tokens that it signed, remembered or not', async () => {
    const token = await sign(claims(), first.privateKeyPem, { kid: 'a' })
    await verifier.verify(`Bearer ${token}`)
    files['keys.json'] = setOf({ b: second.publicKey })
    clock.advance(31_000)
    await expectRefused(token)
  })

  it('that is gone or half written for a moment leaves the keys as they were', async () => {
    const token = await sign(claims(), first.privateKeyPem, { kid: 'a' })
    for (const text of [undefined, '{"keys": [{"kt', '{"keys": []}']) {
      if (text === undefined) delete files['keys.json']
      else files['keys.json'] = text
      clock.advance(31_000)
      expect((await verifier.verify(`Bearer ${token}`)).subject).toBe('web')
    }
  })

  it.each<[string, string | undefined]>([
    ['is missing', undefined],
    ['is no JSON', 'keys'],
    ['is no key set', '[]'],
    ['has no Ed25519 key', '{"keys":[{"kty":"RSA"}]}'],
    ['has a broken key', '{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA"}]}'],
  ])('is refused at the start when it %s', async (_what, text) => {
    if (text === undefined) delete files['keys.json']
    else files['keys.json'] = text
    await expect(open(auth)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('keys.json'),
    })
  })
})

describe('a configuration is refused', () => {
  it.each<[string, AuthConfig['issuers']]>([
    ['whose issuer is called as nodes are', [{ issuer: 'meridian:node', audience: 'a' }]],
    ['with an issuer twice', [...AUTH.issuers, ...AUTH.issuers]],
    [
      'whose issuer has the key of a node',
      [{ issuer: 'shop', audience: 'a', publicKey: us.publicKey }],
    ],
  ])('%s', async (_what, issuers) => {
    await expect(open({ issuers })).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })
})
