import { describe, expect, it } from 'vitest'
import { fromBase64Url, toBase64Url } from '../../../src/session/base64-url.ts'
import { openSession, sealSession } from '../../../src/session/token.ts'

const KEY = new Uint8Array(32).fill(7)
const STATE = { positions: { 'us-east.0a1b2c3d': 1234, 'log:main': 56 }, nowMs: 1_700_000_000_000 }
/** Frozen: services of several versions read each other's tokens. */
const TOKEN = 'kwGSkrB1cy1lYXN0LjBhMWIyYzNkzQTSkqhsb2c6bWFpbjjLQni8_laAAABNI9EL0BkIO5gISuqVWADK'

describe('a token', () => {
  it('is the same text for the same session and key', async () => {
    expect(await sealSession(STATE, KEY)).toBe(TOKEN)
  })

  it('gives the session back', async () => {
    expect(await openSession(TOKEN, KEY)).toEqual(STATE)
  })

  it('is refused under another key, and with any bit changed', async () => {
    const invalid = expect.objectContaining({ code: 'SESSION_INVALID' })
    await expect(openSession(TOKEN, new Uint8Array(32))).rejects.toEqual(invalid)
    const bytes = fromBase64Url(TOKEN) as Uint8Array
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const forged = Uint8Array.from(bytes)
      forged[bit >> 3] = (forged[bit >> 3] as number) ^ (1 << (bit & 7))
      await expect(openSession(toBase64Url(forged), KEY)).rejects.toEqual(invalid)
    }
  })

  it.each(['', 'a', 'AAAA', '====', 'ä', 'AAAAAAAAAAAAAAAAAAAAAA', null, undefined, {}, 5])(
    'is not %s',
    async (token) => {
      await expect(openSession(token as string, KEY)).rejects.toMatchObject({
        code: 'SESSION_INVALID',
      })
    },
  )
})

describe('base64url', () => {
  it('goes there and back for every length and byte', () => {
    for (let length = 1; length < 70; length++) {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * 37 + length * 11) & 255)
      const written = toBase64Url(bytes)
      expect(written).toBe(Buffer.from(bytes).toString('base64url'))
      expect(fromBase64Url(written)).toEqual(bytes)
    }
  })
})
