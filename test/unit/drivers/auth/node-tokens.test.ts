import { inspect } from 'node:util'
import { decodeJwt } from 'jose'
import { describe, expect, it } from 'vitest'
import { createNodeTokens, type NodeTokens } from '../../../../src/drivers/auth/node-tokens.ts'
import { generateKeyPair, parsePrivateKey } from '../../../../src/drivers/auth/signing-keys.ts'
import { systemRuntime } from '../../../../src/drivers/runtime/system-runtime.ts'
import { MovableClock } from '../../../../src/testing/index.ts'

const pair = generateKeyPair()
const clock = new MovableClock(systemRuntime.clock)

function open(privateKey = pair.privateKeyPem): NodeTokens {
  return createNodeTokens({ privateKey, region: 'us-east', clock })
}

describe('tokens of a node', () => {
  it('name the node, the recipient and an end within a minute', async () => {
    const header = await open().authorization('eu-west')
    const claims = decodeJwt(header.replace(/^Bearer /, ''))
    expect(claims).toMatchObject({
      iss: 'meridian:node',
      sub: 'us-east',
      aud: 'meridian:node:eu-west',
    })
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(60)
  })

  it('are used again, one a recipient, until half of their life is over', async () => {
    const tokens = open()
    const first = await tokens.authorization('eu-west')
    expect(await tokens.authorization('ap-south')).not.toBe(first)
    clock.advance(25_000)
    expect(await tokens.authorization('eu-west')).toBe(first)
    clock.advance(6_000)
    expect(await tokens.authorization('eu-west')).not.toBe(first)
  })

  it('are signed once when many ask at once', async () => {
    const tokens = open()
    const all = await Promise.all(Array.from({ length: 50 }, () => tokens.authorization('eu-west')))
    expect(new Set(all).size).toBe(1)
  })
})

describe('a private key', () => {
  it('is read as PEM, as PEM on one line, and as a JSON Web Key', () => {
    for (const text of [
      pair.privateKeyPem,
      pair.privateKeyPem.replaceAll('\n', '\\n'),
      pair.privateKeyJwk,
      `\n${pair.privateKeyJwk}\n`,
    ]) {
      expect(parsePrivateKey(text).export({ format: 'jwk' })['x']).toBe(pair.publicKey)
    }
  })

  it.each([
    '',
    'secret-text',
    '{"kty":"OKP"}',
    '{"d":"secret-text',
    '-----BEGIN PRIVATE KEY-----\nsecret-text\n-----END PRIVATE KEY-----',
  ])('is refused without a word of it: %j', (text) => {
    let error: unknown
    try {
      open(text)
    } catch (thrown) {
      error = thrown
    }
    expect(error).toMatchObject({ code: 'CONFIG_INVALID' })
    expect(inspect(error)).not.toContain('secret-text')
  })
})
