/** The secrets of the composed deployment, made as its operator makes them. */
import { execFileSync } from 'node:child_process'
import { createPrivateKey, createPublicKey, verify } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { parse } from 'yaml'
import { checkDeployment } from '../../../src/config/check-deployment.ts'
import { parseConfig, type Config } from '../../../src/config/parse-config.ts'

const ROOT = join(import.meta.dirname, '../../..')
const SCRIPT = join(ROOT, 'deploy/make-secrets.mjs')
const REGIONS = ['us-east', 'eu-west', 'ap-south']

const parent = mkdtempSync(join(tmpdir(), 'meridian-secrets-'))
const folder = join(parent, 'secrets')
const run = (): string =>
  execFileSync(process.execPath, [SCRIPT, folder], { stdio: 'pipe' }).toString()
const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
const publicKeyOf = (pem: string): string | undefined =>
  createPublicKey(createPrivateKey(pem)).export({ format: 'jwk' }).x

let config: Config

beforeAll(() => {
  run()
  config = parseConfig(read('meridian.yaml'), 'meridian.yaml')
})

afterAll(() => rmSync(parent, { recursive: true }))

it('every file that Compose mounts is made, and no other but the key of the issuer', () => {
  const compose = parse(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8'), {
    merge: true,
  }) as Record<'secrets' | 'configs', Record<string, { file: string }>>
  const mounted = [...Object.values(compose.secrets), ...Object.values(compose.configs)]
    .map(({ file }) => /^\.\/deploy\/secrets\/(.*)$/.exec(file)?.[1])
    .filter((name) => name !== undefined)
  expect(readdirSync(folder).toSorted()).toEqual([...mounted, 'issuer.key'].toSorted())
})

it('the configuration can work and has the public half of each private key', () => {
  expect(checkDeployment(config).problems).toEqual([])
  for (const region of REGIONS) {
    expect(config.nodes[region]?.[0]?.publicKey).toBe(publicKeyOf(read(`node-${region}.key`)))
  }
  expect(config.auth?.issuers[0]?.publicKey).toBe(publicKeyOf(read('issuer.key')))
  expect(read('meridian.yaml')).not.toContain('made-by-make-secrets')
})

it('the token of a store is verified by the key that its server gets', () => {
  for (const region of REGIONS) {
    const [header = '', claims = '', signature = ''] = read(`store-${region}.token`)
      .trim()
      .split('.')
    const key = createPublicKey({
      format: 'jwk',
      key: { kty: 'OKP', crv: 'Ed25519', x: read(`store-${region}.pub`).trim() },
    })
    const text = Buffer.from(`${header}.${claims}`)
    expect(verify(null, text, key, Buffer.from(signature, 'base64url'))).toBe(true)
    expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toEqual({ a: 'rw' })
  }
})

it('no two secrets are the same, and the folder is open to its owner alone', () => {
  const secrets = readdirSync(folder)
    .filter((name) => name !== 'meridian.yaml')
    .map(read)
  expect(new Set(secrets).size).toBe(secrets.length)
  expect(statSync(folder).mode & 0o077).toBe(0)
})

it('what exists is not replaced', () => {
  const before = read('node-us-east.key')
  expect(run).toThrow(/has secrets already/)
  expect(read('node-us-east.key')).toBe(before)
})
