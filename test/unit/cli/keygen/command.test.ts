import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parsePrivateKey } from '../../../../src/drivers/auth/signing-keys.ts'
import { runMeridian, type Ran } from '../../../support/run-command.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'meridian-keygen-'))
})

afterEach(() => rm(folder, { recursive: true }))

function keygen(...args: readonly string[]): Promise<Ran> {
  return runMeridian('keygen', ...args)
}

const publicKeyOf = (privateKey: string): string =>
  String(parsePrivateKey(privateKey).export({ format: 'jwk' })['x'])

describe('meridian keygen', () => {
  it('writes the private key to a file for its owner alone, and prints the public one', async () => {
    const file = join(folder, 'node.pem')
    const { code, stdout, stderr } = await keygen('--out', file)
    expect(code).toBe(0)
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    const text = await readFile(file, 'utf8')
    expect(text).toMatch(/^-----BEGIN PRIVATE KEY-----/)
    expect(stdout.trim()).toMatch(/^[A-Za-z0-9_-]{43}$/)
    expect(publicKeyOf(text)).toBe(stdout.trim())
    expect(stdout + stderr).not.toContain(text.split('\n')[1])
  })

  it('never replaces a file', async () => {
    const file = join(folder, 'precious')
    await writeFile(file, 'precious')
    const { code, stderr } = await keygen('--out', file)
    expect(code).toBe(2)
    expect(stderr).toContain('exists already')
    expect(await readFile(file, 'utf8')).toBe('precious')
  })

  it.each([
    { args: [], start: '-----BEGIN' },
    { args: ['--jwk'], start: '{"kty":"OKP"' },
  ])('without a file, standard output is the private key and nothing else: %j', async (given) => {
    const { code, stdout, stderr } = await keygen(...given.args)
    expect(code).toBe(0)
    expect(stdout.startsWith(given.start)).toBe(true)
    expect(stderr).toContain(publicKeyOf(stdout))
  })

  it('prints JSON that says where both are', async () => {
    const both = JSON.parse((await keygen('--json')).stdout) as Record<string, string>
    expect(publicKeyOf(both['privateKey'] ?? '')).toBe(both['publicKey'])
    const file = join(folder, 'k')
    const kept = JSON.parse((await keygen('--json', '--jwk', '--out', file)).stdout) as unknown
    expect(kept).toEqual({ publicKey: publicKeyOf(await readFile(file, 'utf8')), file })
  })

  it('explains where each key goes', async () => {
    const { stdout } = await keygen('--help')
    for (const place of ['auth.issuers[].publicKey', 'nodes.<region>.publicKey', 'auth.nodeKey']) {
      expect(stdout).toContain(place)
    }
  })
})
