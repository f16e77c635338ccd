import { describe, expect, test } from 'vitest'
import {
  encodeEnvelope,
  encodeRecordKey,
  encodeResolved,
  originText,
} from '../../../../cdc/publish/envelope.ts'
import type { Change } from '../../../../src/core/change.ts'
import { parseRecord } from '../../../support/topic-records.ts'
import { CARTS, ORDERS, PLANS, SAMPLES } from '../../../support/topic-schema.ts'

const SOURCE = 'eu-west.1a2b3c4d'
const JSON_OPTIONS = { format: 'json', source: SOURCE } as const
const PACKED = { format: 'msgpack', source: SOURCE } as const

const INSTANT = Date.UTC(2026, 0, 2, 3, 4, 5, 678)

const change: Change = {
  localSeq: 17,
  origin: { source: 'us-east.99aabbcc', epoch: 3, seq: 12 },
  txId: 'tx-1',
  index: 1,
  size: 2,
  hlc: '019b7cb2a0000001',
  schemaVersion: 4,
  cause: 'ttl',
  tableId: ORDERS.id,
  op: 'delete',
  tenant: 'acme',
  key: ['o1'],
  // With ciphertext and its blind index.
  before: ['o1', 900, new Uint8Array([1, 2, 3, 255]), new Uint8Array([9, 9]), INSTANT],
  after: null,
  version: 'v',
  delta: null,
}

const sample: Change = {
  ...change,
  tableId: SAMPLES.id,
  op: 'insert',
  cause: 'user',
  key: ['x', 9007199254740993n, INSTANT, 2 ** 40],
  before: null,
  after: [
    ...['x', 9007199254740993n, INSTANT, 2 ** 40, 'é"', 2 ** 52, -(2n ** 63n), 0.1, 1, -1],
    ...[new Uint8Array([0, 255]), '{"a":[1,null]}', new Uint8Array([7])],
  ],
}

describe('an envelope in JSON', () => {
  test('says where the change is, whence it came, why, and what the row was and is', () => {
    expect(parseRecord('json', encodeEnvelope(JSON_OPTIONS, ORDERS, change))).toEqual({
      version: 1,
      source: SOURCE,
      localSeq: 17,
      origin: { source: 'us-east.99aabbcc', epoch: 3, seq: 12 },
      transaction: { id: 'tx-1', index: 1, size: 2 },
      hlc: '019b7cb2a0000001',
      timeMs: 0x019b7cb2a000,
      schemaVersion: 4,
      table: 'orders',
      tableId: ORDERS.id,
      op: 'delete',
      cause: 'ttl',
      tenant: 'acme',
      key: { id: 'o1' },
      before: {
        id: 'o1',
        amountCents: 900,
        email: { encrypted: 'AQID/w==' },
        expiresAt: '2026-01-02T03:04:05.678Z',
      },
      after: null,
    })
  })

  test('has a form for every type, exact where JSON is not', () => {
    expect(parseRecord('json', encodeEnvelope(JSON_OPTIONS, SAMPLES, sample))).toMatchObject({
      key: {
        place: 'x',
        number: '9007199254740993',
        at: '2026-01-02T03:04:05.678Z',
        count: 2 ** 40,
      },
      after: {
        name: 'é"',
        whole: 2 ** 52,
        wide: '-9223372036854775808',
        share: 0.1,
        done: true,
        when: '1969-12-31T23:59:59.999Z',
        bytes: 'AP8=',
        facts: { a: [1, null] },
        secret: { encrypted: 'Bw==' },
      },
    })
  })

  test('gives sets as lists, and nothing of merging', () => {
    const cart: Change = {
      ...change,
      tableId: CARTS.id,
      op: 'update',
      key: ['c'],
      before: null,
      after: ['c', 3, '["a","b"]', 'hello'],
      delta: new Uint8Array([1]),
    }
    const envelope = parseRecord('json', encodeEnvelope(JSON_OPTIONS, CARTS, cart))
    expect(envelope).toMatchObject({
      after: { id: 'c', quantity: 3, tags: ['a', 'b'], notes: 'hello' },
    })
    expect(envelope).not.toHaveProperty('delta')
  })

  test('of a strong change names group, index and place; global rows have no tenant', () => {
    const plan: Change = {
      ...change,
      origin: { source: 'log:main', epoch: 0, seq: 812 },
      tableId: PLANS.id,
      tenant: '',
      key: ['pro'],
      before: null,
      after: ['pro', 2000],
    }
    expect(parseRecord('json', encodeEnvelope(JSON_OPTIONS, PLANS, plan))).toMatchObject({
      origin: { group: 'main', index: 812, place: 1 },
      tenant: null,
    })
    expect(originText(plan)).toBe('log:main:812:1')
    expect(originText(change)).toBe('us-east.99aabbcc:12')
    expect(parseRecord('json', encodeRecordKey('json', PLANS, plan))).toEqual([null, 'pro'])
  })
})

describe('an envelope in MessagePack', () => {
  test('keeps bytes, instants and 64-bit integers as what they are', () => {
    const envelope = parseRecord('msgpack', encodeEnvelope(PACKED, SAMPLES, sample))
    expect(envelope).toMatchObject({
      localSeq: 17,
      // An integer for those who read types, not a float.
      timeMs: BigInt(0x019b7cb2a000),
      key: { place: 'x', number: 9007199254740993n, at: new Date(INSTANT), count: 2n ** 40n },
      after: {
        whole: 2n ** 52n,
        wide: -(2n ** 63n),
        share: 0.1,
        done: true,
        when: new Date(-1),
        facts: { a: [1, null] },
      },
    })
    const { after } = envelope as {
      after: { bytes: Uint8Array; secret: { encrypted: Uint8Array } }
    }
    expect([...after.bytes]).toEqual([0, 255])
    expect([...after.secret.encrypted]).toEqual([7])
  })
})

describe('keys', () => {
  test('are the tenant and the primary key, in its order', () => {
    const key = encodeRecordKey('json', SAMPLES, sample)
    expect(new TextDecoder().decode(key)).toBe(
      '["acme","x","9007199254740993","2026-01-02T03:04:05.678Z",1099511627776]',
    )
    expect(parseRecord('msgpack', encodeRecordKey('msgpack', SAMPLES, sample))).toEqual([
      'acme',
      'x',
      9007199254740993n,
      new Date(INSTANT),
      2n ** 40n,
    ])
  })
})

test('resolved records say whose sequence they speak of, and whether a stamp was drawn', () => {
  expect(parseRecord('json', encodeResolved(JSON_OPTIONS, 5, null))).toEqual({
    version: 1,
    source: SOURCE,
    localSeq: 5,
    hlc: null,
  })
})
