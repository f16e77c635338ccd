import { describe, expect, test } from 'vitest'
import { decodeLogRecord, encodeLogRecord } from '../../../../src/drivers/kafka/log-record.ts'
import { TailWindow } from '../../../../src/drivers/kafka/tail-window.ts'
import { records } from '../../../conformance/change-log-suite.ts'

const TOPIC = 'shop.eu.1.changes'
const decode = (value: Uint8Array | null, offset = 40): unknown =>
  decodeLogRecord(TOPIC, { offset, value })

describe('records of a Kafka change log', () => {
  test('come back with their positions, payloads and known offset', () => {
    const value = encodeLogRecord(records(8, 20), 33)
    expect(decode(value)).toMatchObject({ first: 8, last: 20, knownOffset: 33 })
    expect(decodeLogRecord(TOPIC, { offset: 40, value }).records).toStrictEqual(records(8, 20))
  })

  test('are these bytes', () => {
    expect(Buffer.from(encodeLogRecord(records(1, 2), 3)).toString('hex')).toBe(
      '4d524c01' +
        '0000000000000001' +
        '0000000000000003' +
        '00000002' +
        '0100000002000000' +
        '010202',
    )
  })

  test('are refused where anything is cut off or added, and where there is nothing', () => {
    const value = encodeLogRecord(records(1, 9), 0)
    for (let length = 0; length < value.length; length++) {
      expect(() => decode(value.subarray(0, length))).toThrow(/was not written by Meridian/)
    }
    expect(() => decode(Uint8Array.from([...value, 0]))).toThrow(/was not written by Meridian/)
    expect(() => decode(null)).toThrow(/was not written by Meridian/)
  })

  test('of a later version are refused by its number', () => {
    const value = encodeLogRecord(records(1, 2), 0)
    value[3] = 2
    expect(() => decode(value)).toThrow(/has version 2/)
  })

  test('know of offsets behind their own where the topic has lost its tail', () => {
    expect(decode(encodeLogRecord(records(1, 2), 41))).toMatchObject({ knownOffset: 41 })
  })
})

describe('the tail in memory', () => {
  const chunk = (first: number, last: number): Parameters<TailWindow['add']>[0] => ({
    first,
    last,
    knownOffset: 0,
    records: records(first, last),
    bytes: 10,
  })

  test('holds the last chunks within its bytes, from any position in them', () => {
    const window = new TailWindow(40)
    for (let first = 1; first <= 41; first += 10) window.add(chunk(first, first + 9))
    expect(window.from(20)).toEqual([])
    expect(window.from(25).map(({ first }) => first)).toEqual([21, 31, 41])
    expect(window.from(50).map(({ first }) => first)).toEqual([41])
    expect(window.from(51)).toEqual([])
  })

  test('begins anew where a chunk does not follow, or the log ends elsewhere', () => {
    const window = new TailWindow(100)
    window.add(chunk(1, 10))
    window.add(chunk(21, 30))
    expect(window.from(5)).toEqual([])
    window.keepOnly(30)
    expect(window.from(22)).toHaveLength(1)
    window.keepOnly(29)
    expect(window.from(22)).toEqual([])
  })
})
