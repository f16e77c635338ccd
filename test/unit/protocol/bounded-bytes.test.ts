import fc from 'fast-check'
import { Packr } from 'msgpackr'
import { describe, expect, it } from 'vitest'
import { fromHex } from '../../../src/core/values.ts'
import { MAX_NESTING, requireBounded } from '../../../src/protocol/bounded-bytes.ts'

const packr = new Packr({ useRecords: false, mapsAsObjects: true, copyBuffers: true })

const refused = (problem: string): unknown =>
  expect.objectContaining({
    code: 'PROTOCOL_MALFORMED',
    message: expect.stringContaining(problem),
  })

/** Whatever messages are made of. */
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.constantFrom(null, undefined, true, false, '', 0, -1, -32, -33, 2 ** 32, 2 ** 53, 0.5),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.double(),
    fc.integer(),
    fc.string({ unit: 'binary' }),
    fc.constantFrom('x'.repeat(31), 'x'.repeat(32), 'x'.repeat(256), 'x'.repeat(70_000)),
    fc.uint8Array({ maxLength: 300 }),
    fc.constant(new Uint8Array(70_000)),
    fc.array(tie('any'), { maxLength: 20 }),
    fc.dictionary(fc.string(), tie('any'), { maxKeys: 20 }),
  ),
})).any

describe('bytes that this package writes', () => {
  it('pass, and no beginning of them does', () => {
    fc.assert(
      fc.property(value, fc.nat(), (written, cut) => {
        const bytes = Uint8Array.from(packr.pack(written))
        requireBounded(bytes)
        const part = bytes.subarray(0, cut % bytes.length)
        expect(() => requireBounded(part)).toThrow(refused(''))
      }),
      { numRuns: 300 },
    )
  })

  it('pass as long lists and large maps', () => {
    const numbers = Array.from({ length: 70_000 }, (_, i) => i)
    for (const large of [numbers, Object.fromEntries(numbers.slice(0, 300).entries())]) {
      expect(() => requireBounded(packr.pack(large))).not.toThrow()
    }
  })

  it('pass up to the number of elements that is allowed', () => {
    const bytes = packr.pack({ a: [1, 2, 3], b: { c: null } })
    requireBounded(bytes, 10)
    expect(() => requireBounded(bytes, 9)).toThrow(refused('more than 9 elements'))
  })

  it(`pass up to ${MAX_NESTING} lists within each other`, () => {
    const nested = (depth: number): Uint8Array => {
      const bytes = new Uint8Array(depth + 1).fill(0x91)
      bytes[depth] = 0xc0
      return bytes
    }
    requireBounded(nested(MAX_NESTING))
    expect(() => requireBounded(nested(MAX_NESTING + 1))).toThrow(refused('deeper'))
    expect(() => requireBounded(nested(1_000_000))).toThrow(refused('deeper'))
  })
})

describe('bytes are refused that', () => {
  it.each<[string, string, string]>([
    ['are none', '', 'cut off'],
    ['claim a list of 4 billion', 'ddffffffff00', 'claims more'],
    ['claim a map of 4 billion', 'dfffffffffa16100', 'claims more'],
    ['claim a map of 2 billion, whose double overflows 32 bits', 'df80000000a16100', 'claims more'],
    ['claim a list of 65,535', 'dcffff00', 'claims more'],
    ['claim a text of 4 billion', 'dbffffffff61', 'cut off'],
    ['claim bytes of 4 billion', 'c6ffffffff00', 'cut off'],
    ['claim a short list', '93c0c0', 'claims more'],
    ['end within a length', 'dd0000', 'cut off'],
    ['end within a number', 'cf000000', 'cut off'],
    ['end within a text', 'a56162', 'cut off'],
    ['go on behind their end', 'c0c0', 'behind its end'],
    ['have a number as a key', '8101c0', 'key'],
    ['have nil as a key', '81c0c0', 'key'],
    ['have a list as a key', '8190c0', 'key'],
    ['have a byte that MessagePack never uses', 'c1', 'extension'],
    ['are a date', 'd6ff5e0be100', 'extension'],
    ['define a record, from which decoders make code', 'd4724091a16101', 'extension'],
    ['are a regular expression', 'c7047892a16190', 'extension'],
    ['are an error', 'c7036590c0c0', 'extension'],
    ['are a set', 'd47300', 'extension'],
    ['are a typed array', 'c7057400000000', 'extension'],
    ['refer to another part of themselves', 'd6700000000001', 'extension'],
    ['are an extension of each length', 'd80000000000000000', 'extension'],
    ['are almost `undefined`', 'd40001', 'extension'],
  ])('%s', (_what, hex, problem) => {
    expect(() => requireBounded(fromHex(hex))).toThrow(refused(problem))
  })

  it('nest bombs: each list claims what the whole could hold', () => {
    const bytes = new Uint8Array(1_000_000)
    for (let at = 0; at + 5 < bytes.length; at += 5) bytes.set([0xdd, 0, 0x0f, 0, 0], at)
    expect(() => requireBounded(bytes, 2_000_000)).toThrow(refused(''))
  })
})

describe('any bytes', () => {
  it('pass or are refused, and what passes can be decoded', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          requireBounded(bytes)
        } catch (error) {
          expect(error).toMatchObject({ code: 'PROTOCOL_MALFORMED' })
          return
        }
        packr.unpack(bytes)
      }),
      { numRuns: 2_000 },
    )
  })
})
