import { describe, expect, it } from 'vitest'
import {
  decodeLeaseRecord,
  encodeLeaseRecord,
  type LeaseRecord,
} from '../../../../../replication/strong/leases/lease-record.ts'
import {
  decodeMeshMessage,
  encodeMeshMessage,
  type MeshMessage,
} from '../../../../../replication/strong/leases/mesh-messages.ts'
import { toHex } from '../../../../../src/core/values.ts'

const STORE = { region: 'us-east', databaseId: 'db-7' }
const STAMP = { incarnation: 3, seq: 300 }

const RECORDS: readonly (readonly [LeaseRecord, string])[] = [
  [{ kind: 'lease', ...STORE, stamp: STAMP }, '960100a775732d65617374a464622d3703cd012c'],
  [
    { kind: 'release', ...STORE, stamp: { incarnation: 1, seq: 0 } },
    '960101a775732d65617374a464622d370100',
  ],
]

const MESSAGES: readonly (readonly [MeshMessage, string])[] = [
  [
    { kind: 'applied', ...STORE, appliedIndex: 70_000 },
    '950101a775732d65617374a464622d37ce00011170',
  ],
  [
    {
      kind: 'hints',
      ...STORE,
      stamp: STAMP,
      hints: [
        { txId: 't1', keys: [{ table: 4, key: 'k1' }] },
        { txId: 't2', keys: [] },
      ],
    },
    '970102a775732d65617374a464622d3703cd012c9292a27431919204a26b3192a2743290',
  ],
  [
    { kind: 'hint-ack', ...STORE, stamp: STAMP, txIds: ['t1', 't2'] },
    '970103a775732d65617374a464622d3703cd012c92a27431a27432',
  ],
]

describe('the bytes of leases', () => {
  it.each(RECORDS)('of %j never change', (record, hex) => {
    expect(toHex(encodeLeaseRecord(record))).toBe(hex)
    expect(decodeLeaseRecord(encodeLeaseRecord(record))).toEqual(record)
  })

  it.each(MESSAGES)('of %j never change', (message, hex) => {
    expect(toHex(encodeMeshMessage(message))).toBe(hex)
    expect(decodeMeshMessage(encodeMeshMessage(message))).toEqual(message)
  })

  it.each(['', 'c0', '90', '9201', '920109', '96010908612d62ff01', '960102a161a1620303c0'])(
    'that are not any (%s) are refused',
    (hex) => {
      const bytes = Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16))
      const refused = expect.objectContaining({ code: 'PROTOCOL_MALFORMED' })
      expect(() => decodeLeaseRecord(bytes)).toThrow(refused)
      expect(() => decodeMeshMessage(bytes)).toThrow(refused)
    },
  )

  it('of a newer version are refused as such', () => {
    const newer = Uint8Array.of(0x91, 0x02)
    const refused = expect.objectContaining({ code: 'PROTOCOL_VERSION' })
    expect(() => decodeLeaseRecord(newer)).toThrow(refused)
    expect(() => decodeMeshMessage(newer)).toThrow(refused)
  })
})
