import fc from 'fast-check'
import { Packr } from 'msgpackr'
import { isDeepStrictEqual } from 'node:util'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../../src/core/values.ts'
import { packMessage, unpackMessage } from '../../../src/protocol/message-pack.ts'

/** Another implementation: what is written here must be what it writes, and the other way round. */
const packr = new Packr({ useRecords: false, mapsAsObjects: true, copyBuffers: true })

/** Text without halves of surrogate pairs, which nothing of ours lets through. */
const text = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.constantFrom(
    ...[31, 32, 39, 40, 255, 256].flatMap((n) => ['x'.repeat(n), 'ü'.repeat(n)]),
    '\uFEFFmarked',
    '',
    '🙂',
  ),
)
const number = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.constantFrom(
    ...[0, 7, 8, 15, 16, 31, 32, 53].flatMap((n) => [2 ** n, 2 ** n - 1, -(2 ** n), 1 - 2 ** n]),
  ),
)
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.constantFrom(new Uint8Array(255), new Uint8Array(256)),
)
const key = fc.string().filter((name) => name !== '__proto__')
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom(null, undefined, true, false),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    number,
    text,
    bytes,
    fc.array(tie('any'), { maxLength: 20 }),
    fc.dictionary(key, tie('any'), { maxKeys: 20, noNullPrototype: true }),
  ),
})).any

describe('a value', () => {
  it('becomes the bytes that another implementation writes, and comes back', () => {
    fc.assert(
      fc.property(value, (written) => {
        const packed = packMessage(written)
        expect(toHex(packed)).toBe(toHex(packr.pack(written)))
        expect(isDeepStrictEqual(unpackMessage(packed), packr.unpack(packed))).toBe(true)
      }),
      { numRuns: 500 },
    )
  })

  it('may be long and large', () => {
    const long = Array.from({ length: 70_000 }, (_, i) => i)
    const large = Object.fromEntries(long.slice(0, 60_000).map((i) => [`k${i}`, i]))
    const texts = ['x', 'ü'].flatMap((one) => [65_535, 65_536, 2_000_000].map((n) => one.repeat(n)))
    for (const one of [long, large, ...texts, new Uint8Array(70_000).fill(7)]) {
      const packed = packMessage(one)
      expect(packed.length).toBe(packr.pack(one).length)
      expect(isDeepStrictEqual(unpackMessage(packed), one)).toBe(true)
    }
    expect(unpackMessage(packMessage('small again'))).toBe('small again')
  })

  it('is written after one that could not be', () => {
    expect(() => packMessage([1, 2n ** 63n])).toThrow('64 bits')
    expect(unpackMessage(packMessage([1]))).toEqual([1])
  })
})

describe('bytes', () => {
  it('in every form of a number come back as one', () => {
    const forms: [string, unknown][] = [
      ['ca3fc00000', 1.5],
      ['cf8000000000000000', 2n ** 63n],
      ['d3ffffffffffffffff', -1n],
      ['82a16101a16202', { a: 1, b: 2 }],
    ]
    for (const [hex, expected] of forms) {
      expect(unpackMessage(new Uint8Array(Buffer.from(hex, 'hex')))).toEqual(expected)
    }
  })

  it('are the receiver’s own, whatever they came in', () => {
    const packed = Buffer.from(packMessage({ blob: Uint8Array.of(1, 2) }))
    const { blob } = unpackMessage(packed) as { blob: Uint8Array }
    packed.fill(0)
    expect(blob.constructor).toBe(Uint8Array)
    expect([...blob]).toEqual([1, 2])
  })

  it('cannot change what an object inherits', () => {
    const hex = '81a95f5f70726f746f5f5f81a16101'
    expect(() => unpackMessage(new Uint8Array(Buffer.from(hex, 'hex')))).toThrow('key')
  })
})
