import { describe, expect, it } from 'vitest'
import { fromBase64, toBase64 } from '../../../src/hrana/base64.ts'

describe('base64', () => {
  it('writes what others write, without padding', () => {
    for (let length = 0; length < 70; length++) {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * 151 + length) % 256)
      expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString('base64').replaceAll('=', ''))
    }
  })

  it('reads it with and without padding', () => {
    for (let length = 0; length < 70; length++) {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * 57 + length) % 256)
      const padded = Buffer.from(bytes).toString('base64')
      expect(fromBase64(padded)).toEqual(bytes)
      expect(fromBase64(padded.replaceAll('=', ''))).toEqual(bytes)
    }
  })

  it.each(['A', 'AAAAA', 'AA=', 'AAA==', '====', 'A===', '=', 'AA-_', 'AA A', 'AAé', 'AA=A'])(
    'refuses %s',
    (text) => {
      expect(fromBase64(text)).toBeUndefined()
    },
  )
})
