import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { generateKeyPair } from '../../../../src/drivers/auth/signing-keys.ts'
import { createTokenVerifier } from '../../../../src/drivers/auth/token-verifier.ts'
import { systemRuntime } from '../../../../src/drivers/runtime/system-runtime.ts'
import type { Caller } from '../../../../src/core/principal.ts'
import { runMeridian, type Ran } from '../../../support/run-command.ts'

const pair = generateKeyPair()
let folder: string
let file: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'meridian-token-'))
  file = join(folder, 'key.pem')
  await writeFile(file, pair.privateKeyPem)
})

afterAll(() => rm(folder, { recursive: true }))

function token(...args: readonly string[]): Promise<Ran> {
  return runMeridian('token', ...args)
}

async function callerOf(jwt: string): Promise<Caller> {
  const verifier = await createTokenVerifier({
    auth: { issuers: [{ issuer: 'me', audience: 'meridian', publicKey: pair.publicKey }] },
    nodes: {},
    regions: ['us-east'],
    readText: async () => '',
    clock: systemRuntime.clock,
  })
  return verifier.verify(`Bearer ${jwt.trim()}`)
}

const NEEDED = ['--issuer', 'me', '--tenants', 'acme,zeta', '--scopes', 'read,write']

describe('meridian token', () => {
  it('signs a token that a node takes for what the options say', async () => {
    const more = ['--regions', 'us-east', '--subject', 'web', '--expires', '15m']
    const { code, stdout } = await token('--key', file, ...NEEDED, ...more)
    expect(code).toBe(0)
    expect(await callerOf(stdout)).toEqual({
      kind: 'client',
      subject: 'web',
      principal: {
        tenants: ['acme', 'zeta'],
        scopes: ['read', 'write'],
        regions: ['us-east'],
      },
    })
    const { iat = 0, exp = 0 } = decodeJwt(stdout.trim())
    expect(exp - iat).toBe(900)
  })

  it("takes the key from the environment, and '*' as all tenants, for an hour", async () => {
    vi.stubEnv('MERIDIAN_TEST_KEY', pair.privateKeyJwk)
    const args = ['--issuer', 'me', '--tenants', '*', '--scopes', 'admin', '--json']
    const { stdout } = await token('--key-env', 'MERIDIAN_TEST_KEY', ...args)
    vi.unstubAllEnvs()
    const printed = JSON.parse(stdout) as Record<string, unknown>
    expect(printed).toMatchObject({ issuer: 'me', tenants: null, scopes: ['admin'] })
    expect(Number(printed['expiresAt']) - Number(printed['issuedAt'])).toBe(3_600)
    const { principal } = await callerOf(String(printed['token']))
    expect(principal).toEqual({ tenants: null, scopes: ['admin'] })
  })

  const withKey = (...args: readonly string[]): readonly string[] => ['--key', file, ...args]

  it.each<[string, () => readonly string[], string]>([
    ['no key', () => NEEDED, '--key'],
    ['two keys', () => withKey('--key-env', 'A', ...NEEDED), '--key'],
    ['a key file that is not there', () => ['--key', `${file}.x`, ...NEEDED], 'cannot be read'],
    ['a variable that is not set', () => ['--key-env', 'NO_SUCH', ...NEEDED], 'NO_SUCH'],
    ['no issuer', () => withKey(...NEEDED.slice(2)), '--issuer'],
    ['no tenants', () => withKey('--issuer', 'me', '--scopes', 'read'), '--tenants'],
    ['an empty tenant', () => withKey(...NEEDED, '--tenants', 'a,,b'), 'empty'],
    ["'*' among tenants", () => withKey(...NEEDED, '--tenants', 'a,*'), '--tenants'],
    ['an unknown scope', () => withKey(...NEEDED, '--scopes', 'read,root'), 'root'],
    ['a time that is none', () => withKey(...NEEDED, '--expires', 'soon'), '--expires'],
    ['a time of nothing', () => withKey(...NEEDED, '--expires', '0s'), '--expires'],
  ])('refuses %s and signs nothing', async (_what, args, hint) => {
    const { code, stdout, stderr } = await token(...args())
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toContain(hint)
  })
})
