import { describe, expect, it } from 'vitest'
import { toHex } from '../../../../src/core/values.ts'
import {
  CONTROL_VERSION,
  decodeControl,
  encodeControl,
  type Control,
} from '../../../../replication/strong/control.ts'
import { encodeOutcome } from '../../../../replication/strong/outcomes.ts'
import {
  decodeRecord,
  encodeRecord,
  type LogRecord,
} from '../../../../replication/strong/record.ts'
import {
  decodeTransaction,
  encodeTransaction,
  type TransactionCommand,
} from '../../../../replication/strong/transaction-codec.ts'

const TRANSACTION: TransactionCommand = {
  txId: '018bcfe5680000112233445566778899',
  dedupeId: '00112233445566778899aabbccddeeff',
  contentHash: 'c0ffee',
  basis: 7,
  tenant: 'acme',
  reads: [
    { table: 1, key: ['a', 5], version: null },
    { table: 1, key: ['b', 6], version: 'v' },
  ],
  ops: [
    { kind: 'insert', table: 1, rows: [['a', null, 1, 2n ** 60n, 0.5, Uint8Array.of(1, 2)]] },
    { kind: 'upsert', table: 1, rows: [] },
    {
      kind: 'update',
      table: 2,
      key: ['k'],
      cells: [{ column: 1, op: { kind: 'increment', by: 2, floor: null } }],
      conditions: [{ column: 2, op: '>=', value: 3 }],
    },
    { kind: 'delete', table: 3, key: [1n], conditions: [] },
  ],
}

/** Of version 2 of the state machine: it reads a range, too. */
const RANGE_TRANSACTION: TransactionCommand = {
  ...TRANSACTION,
  reads: [
    { table: 1, key: ['a', 5], version: null },
    {
      table: 2,
      range: {
        where: [
          { column: 1, op: '>=', values: [2n ** 60n] },
          { column: 0, op: 'in', values: ['x', null] },
        ],
        orderBy: [{ column: 1, descending: true }],
        limit: 3,
        after: [7n, 'k'],
      },
      digest: '00112233445566778899aabbccddeeff',
    },
    { table: 2, range: { where: [], orderBy: [], limit: 1, after: null }, digest: 'd' },
  ],
  ops: [],
}

const RECORD: LogRecord = {
  machineVersion: 1,
  schemaVersion: 3,
  nowMs: 1_700_000_000_000,
  kind: 'commands',
  commands: [Uint8Array.of(1, 2, 3), Uint8Array.of()],
}

const FROZEN_RECORD = '01950103cb4278bcfe568000000092c403010203c400'

const FROZEN_TRANSACTION =
  '97d9203031386263666535363830303030313132323333343435353636373738383939d920303031' +
  '3132323333343435353636373738383939616162626363646465656666a663306666656507a46163' +
  '6d6592930192a16105c0930192a16206a176949300019196a161c001d31000000000000000cb3fe0' +
  '000000000000c40201029301019095020291a16b919201de0003a46b696e64a9696e6372656d656e' +
  '74a2627902a5666c6f6f72c0919302a23e3d0394030391d3000000000000000190'

const FROZEN_RANGE_TRANSACTION =
  '97d9203031386263666535363830303030313132323333343435353636373738383939d920303031' +
  '3132323333343435353636373738383939616162626363646465656666a663306666656507a46163' +
  '6d6593930192a16105c09602929301a23e3d91d310000000000000009300a2696e92a178c0919201' +
  'c30392d30000000000000007a16bd920303031313232333334343535363637373838393961616262' +
  '63636464656566669602909001c0a16490'

const FROZEN_CONTROLS: readonly (readonly [Control, string])[] = [
  [{ type: 'machine-version', version: 3 }, '920003'],
  [{ type: 'skip', index: 70_000 }, '9202ce00011170'],
  [{ type: 'lease', record: Uint8Array.of(1, 2) }, '9203c4020102'],
  [
    {
      type: 'schema',
      schema: {
        version: 2,
        tables: [
          {
            id: 1,
            ttl: 3,
            columns: [
              { id: 1, default: undefined },
              { id: 2, default: 5 },
              { id: 3, default: null },
              { id: 4, default: Uint8Array.of(7) },
              { id: 5, default: 'x' },
            ],
          },
          { id: 2, ttl: null, columns: [] },
        ],
      },
    },
    '930102929301039591019202059203c09204c401079205a1789302c090',
  ],
]

const FROZEN_CONTROL_RECORD = '01950300cb4278bcfe568000000291c403920003'

const FROZEN_OUTCOMES = [
  '930501de0002a474784964a174a77570646174656490',
  '940500a8434f4e464c494354de0001a57461626c6501',
  '940500a8434f4e464c494354de0003a57461626c6501a57265616473920002a372756ea174',
]

describe('the bytes of the log', () => {
  it('of a record never change', () => {
    expect(toHex(encodeRecord(RECORD))).toBe(FROZEN_RECORD)
    expect(decodeRecord(encodeRecord(RECORD))).toEqual(RECORD)
    const tick: LogRecord = { ...RECORD, kind: 'tick', commands: [] }
    expect(decodeRecord(encodeRecord(tick))).toEqual(tick)
  })

  it.each(FROZEN_CONTROLS)('of a control never change: %j', (control, bytes) => {
    expect(toHex(encodeControl(control))).toBe(bytes)
    expect(decodeControl(encodeControl(control))).toEqual(control)
  })

  it('of a control record never change', () => {
    const record: LogRecord = {
      machineVersion: CONTROL_VERSION,
      schemaVersion: 0,
      nowMs: 1_700_000_000_000,
      kind: 'control',
      commands: [encodeControl({ type: 'machine-version', version: 3 })],
    }
    expect(toHex(encodeRecord(record))).toBe(FROZEN_CONTROL_RECORD)
    expect(decodeRecord(encodeRecord(record))).toEqual(record)
  })

  it.each([
    ['nothing', Uint8Array.of()],
    ['no list', Uint8Array.of(0xc0)],
    ['of an unknown code', Uint8Array.of(0x92, 9, 1)],
    ['of no version', Uint8Array.of(0x92, 0, 0)],
    ['of a lease that is no bytes', Uint8Array.of(0x92, 3, 1)],
    ['of a schema without tables', Uint8Array.of(0x92, 1, 1)],
    ['of a schema whose table is no list', Uint8Array.of(0x93, 1, 1, 0x91, 1)],
    [
      'of a schema with a column of no id',
      Uint8Array.of(0x93, 1, 1, 0x91, 0x93, 1, 0xc0, 0x91, 0x91, 0xc0),
    ],
  ])('of a control that are %s are refused', (_name, bytes) => {
    expect(() => decodeControl(bytes)).toThrow(
      expect.objectContaining({ code: 'PROTOCOL_MALFORMED' }),
    )
  })

  it('of a transaction never change', () => {
    expect(toHex(encodeTransaction(TRANSACTION))).toBe(FROZEN_TRANSACTION)
    expect(decodeTransaction(Uint8Array.from(encodeTransaction(TRANSACTION)))).toEqual(TRANSACTION)
  })

  it('of a transaction that reads ranges never change', () => {
    expect(toHex(encodeTransaction(RANGE_TRANSACTION))).toBe(FROZEN_RANGE_TRANSACTION)
    const bytes = Uint8Array.from(encodeTransaction(RANGE_TRANSACTION))
    expect(decodeTransaction(bytes)).toEqual(RANGE_TRANSACTION)
  })

  it('of an outcome never change', () => {
    const done = { logTimeMs: 5, outcome: { ok: true, value: { txId: 't', updated: [] } } } as const
    expect(toHex(encodeOutcome(done))).toBe(FROZEN_OUTCOMES[0])
    const failure = { code: 'CONFLICT', details: { table: 1 } } as const
    expect(toHex(encodeOutcome({ logTimeMs: 5, outcome: { ok: false, failure } }))).toBe(
      FROZEN_OUTCOMES[1],
    )
    const ofVersion2 = { code: 'CONFLICT', details: { table: 1, reads: [0, 2], run: 't' } } as const
    const unstored = { ...ofVersion2, unstored: { reads: [1] } }
    expect(toHex(encodeOutcome({ logTimeMs: 5, outcome: { ok: false, failure: unstored } }))).toBe(
      FROZEN_OUTCOMES[2],
    )
  })

  it('of a newer format are refused as such', () => {
    const bytes = encodeRecord(RECORD)
    bytes[0] = 9
    expect(() => decodeRecord(bytes)).toThrow(expect.objectContaining({ code: 'PROTOCOL_VERSION' }))
  })

  it.each([
    ['cut short', encodeRecord(RECORD).subarray(0, 8)],
    ['not a record', Uint8Array.of(1, 0xc0)],
    ['of an unknown kind', Uint8Array.of(1, 0x95, 1, 1, 1, 9, 0x90)],
  ])('that are %s are refused', (_name, bytes) => {
    expect(() => decodeRecord(bytes)).toThrow(
      expect.objectContaining({ code: 'PROTOCOL_MALFORMED' }),
    )
  })

  it('that are no transaction are refused', () => {
    expect(() => decodeTransaction(Uint8Array.of(0xc0))).toThrow(
      expect.objectContaining({ code: 'PROTOCOL_MALFORMED' }),
    )
  })
})
