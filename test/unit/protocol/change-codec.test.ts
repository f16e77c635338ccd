import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CAUSES, CHANGE_OPS, type Change } from '../../../src/core/change.ts'
import { INT64_MAX, INT64_MIN, sameBytes, type SqlValue } from '../../../src/core/values.ts'
import {
  decodeChange,
  decodeChanges,
  encodeChange,
  encodeChanges,
} from '../../../src/protocol/change-codec.ts'

/** Bytes as version 1 wrote them first: peers one version apart send them for ever. */
const FROZEN_CHANGE =
  'dc00130129ab65752e3061316232633364032aa33030310001b0303139326161626263636464303030310700110' +
  '1a461636d6592a26f31d37fffffffffffffff93c0cb3ff8000000000000c4020aff93a3c3a97801d380000000' +
  '00000000b930303030303030332e30313932616162626363646430303031c40101'
const FROZEN_BATCH =
  '9201919aab65752e306131623263336403a330303102b03031393261616262636364643030303107a461636d65' +
  'b930303030303030332e3031393261616262636364643030303100929a292a00110191a26f31c091a178c0c09a' +
  '2a2a01110292a26f31d37fffffffffffffff93c0cb3ff8000000000000c4020aff93a3c3a97801d38000000000' +
  '000000a27632c40101'

const CHANGE: Change = {
  localSeq: 41,
  origin: { source: 'eu.0a1b2c3d', epoch: 3, seq: 42 },
  txId: '001',
  index: 0,
  size: 1,
  hlc: '0192aabbccdd0001',
  schemaVersion: 7,
  cause: 'user',
  tableId: 17,
  op: 'update',
  tenant: 'acme',
  key: ['o1', INT64_MAX],
  before: [null, 1.5, new Uint8Array([10, 255])],
  after: ['éx', 1, INT64_MIN],
  version: '00000003.0192aabbccdd0001',
  delta: new Uint8Array([1]),
}

/** Byte strings as plain arrays, so that Buffer and Uint8Array compare equal. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return { bytes: [...value] }
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, plain(part)]))
}

const cell: fc.Arbitrary<SqlValue> = fc.oneof(
  fc.constant(null),
  fc.string({ unit: 'binary' }),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true }).map((real) => (Object.is(real, -0) ? 0 : real)),
  fc.bigInt({ min: INT64_MIN, max: INT64_MAX }),
  fc.uint8Array(),
)
const image = fc.option(fc.array(cell, { maxLength: 6 }))
const change: fc.Arbitrary<Change> = fc.record({
  localSeq: fc.maxSafeInteger().map(Math.abs),
  origin: fc.record({
    source: fc.constantFrom('eu.0a1b2c3d', 'log:main'),
    epoch: fc.nat(3),
    seq: fc.nat(),
  }),
  txId: fc.constantFrom('t1', 't2'),
  index: fc.nat(3),
  size: fc.nat(4),
  hlc: fc.constantFrom('0192aabbccdd0001', '0192aabbccdd0002'),
  schemaVersion: fc.nat(2),
  cause: fc.constantFrom(...CAUSES),
  tableId: fc.nat(),
  op: fc.constantFrom(...CHANGE_OPS),
  tenant: fc.constantFrom('', 'acme'),
  key: fc.array(cell, { maxLength: 3 }),
  before: image,
  after: image,
  version: fc.constantFrom('v1', 'v2'),
  delta: fc.option(fc.uint8Array()),
})

describe('change codec', () => {
  test('a change comes back as it was, integers in their kind', () => {
    fc.assert(
      fc.property(change, (one) => {
        expect(plain(decodeChange(encodeChange(one)))).toEqual(plain(one))
      }),
    )
  })

  test('a batch comes back as it was, whatever its transactions share', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 12 }), (changes) => {
        expect(plain(decodeChanges(encodeChanges(changes)))).toEqual(plain(changes))
      }),
    )
  })

  test('a batch writes what a transaction shares once', () => {
    const size = 100
    const changes = Array.from({ length: size }, (_, index) => ({ ...CHANGE, index, size }))
    const each = encodeChange(CHANGE).length
    expect(encodeChanges(changes).length).toBeLessThan((each * size) / 2)
  })

  test('the bytes of version 1 stay what they were', () => {
    expect(Buffer.from(encodeChange(CHANGE)).toString('hex')).toBe(FROZEN_CHANGE)
    expect(plain(decodeChange(Buffer.from(FROZEN_CHANGE, 'hex')))).toEqual(plain(CHANGE))
    expect(plain(decodeChanges(Buffer.from(FROZEN_BATCH, 'hex')))).toEqual(plain(frozenBatch()))
    expect(Buffer.from(encodeChanges(frozenBatch())).toString('hex')).toBe(FROZEN_BATCH)
  })

  test('elements that a later version appends are ignored', () => {
    const bytes = Buffer.from(encodeChange(CHANGE))
    bytes.writeUInt16BE(20, 1)
    const longer = Buffer.concat([bytes, Buffer.from([0x07])])
    expect(plain(decodeChange(longer))).toEqual(plain(CHANGE))
  })

  test('another version is refused by its number', () => {
    const bytes = Buffer.from(encodeChange(CHANGE))
    bytes[3] = 2
    expect(() => decodeChange(bytes)).toThrow(expect.objectContaining({ code: 'PROTOCOL_VERSION' }))
  })

  test('malformed bytes fail typed and never give a change', () => {
    const bytes = encodeChange(CHANGE)
    const batch = encodeChanges(frozenBatch())
    const isMalformed = (decode: () => unknown): void => {
      expect(decode).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^PROTOCOL_/) as string }),
      )
    }
    for (let length = 0; length < bytes.length; length++) {
      isMalformed(() => decodeChange(bytes.slice(0, length)))
    }
    for (let length = 0; length < batch.length; length++) {
      isMalformed(() => decodeChanges(batch.slice(0, length)))
    }
    isMalformed(() => decodeChange(new Uint8Array([0x91, 0x01])))
    isMalformed(() => decodeChanges(bytes))
    isMalformed(() => decodeChange(new Uint8Array([0x80])))
  })

  test('any single byte may be wrong: the decoder answers with a change or a typed error', () => {
    const bytes = encodeChange(CHANGE)
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, byte) => {
        const broken = Uint8Array.from(bytes)
        broken[at] = byte
        try {
          decodeChange(broken)
        } catch (error) {
          expect(error).toHaveProperty('code', expect.stringMatching(/^PROTOCOL_/))
        }
      }),
      { numRuns: 2000 },
    )
  })

  test('decoded blobs do not alias the message', () => {
    const bytes = Uint8Array.from(encodeChange(CHANGE))
    const decoded = decodeChange(bytes)
    bytes.fill(0)
    expect(sameBytes(decoded.delta ?? new Uint8Array(), new Uint8Array([1]))).toBe(true)
  })
})

function frozenBatch(): Change[] {
  return [
    { ...CHANGE, size: 2, key: ['o1'], before: null, after: ['x'], delta: null },
    { ...CHANGE, localSeq: 42, index: 1, size: 2, version: 'v2', cause: 'ttl', op: 'delete' },
  ]
}
