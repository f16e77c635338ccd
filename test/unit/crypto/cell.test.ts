import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeCell, encodeRowKey, isCell, parseCell } from '../../../src/crypto/cell.ts'
import { associatedData, encodeHeader, parseEnvelope } from '../../../src/crypto/envelope.ts'
import type { ColumnType } from '../../../src/schema/compiled.ts'
import { columnOf, hex, tableOf } from './support.ts'

const uint32 = fc.nat({ max: 2 ** 32 - 1 })
const bytes = fc.uint8Array({ maxLength: 40 })
const place = fc.record({ tableId: uint32, columnId: uint32, rowKey: bytes })
const residents = tableOf('residents')

describe('a cell', () => {
  test('is taken apart into what it was made of', () => {
    fc.assert(
      fc.property(place, bytes, (at, envelope) => {
        const cell = encodeCell(at, [envelope])
        expect(isCell(cell)).toBe(true)
        expect(parseCell(cell)).toEqual({ ...at, envelope })
        // A view into a larger buffer reads the same.
        const view = Buffer.concat([Buffer.from('xyz'), cell]).subarray(3)
        expect(hex(parseCell(view)!.rowKey)).toBe(hex(at.rowKey))
        expect(parseCell(view)?.tableId).toBe(at.tableId)
      }),
    )
  })

  test('of arbitrary bytes is none, or one within them: nothing throws', () => {
    const begun = bytes.map((rest) => Uint8Array.of(0xf1, 0xe1, 0xdc, 0xe1, 1, ...rest))
    fc.assert(
      fc.property(fc.oneof(bytes, begun), (input) => {
        const cell = parseCell(input)
        if (cell === undefined) return
        expect(17 + cell.rowKey.length + cell.envelope.length).toBe(input.length)
        parseEnvelope(cell.envelope)
      }),
    )
  })

  test('a newer version is no cell that this one reads, but is known as a cell', () => {
    const cell = encodeCell({ tableId: 1, columnId: 2, rowKey: new Uint8Array(1) }, [])
    cell[4] = 2
    expect(parseCell(cell)).toBeUndefined()
    expect(isCell(cell)).toBe(true)
  })

  test.each([null, 'text', 5, 5n, new Uint8Array(0), new Uint8Array(80)])(
    '%o is no cell',
    (value) => {
      expect(isCell(value)).toBe(false)
    },
  )
})

describe('a row key', () => {
  const keyOf = (
    type: ColumnType,
    storage: 'TEXT' | 'INTEGER',
    value: string | number | bigint,
  ) => {
    const column = { ...columnOf(residents, 'id'), type, storage }
    return Buffer.from(encodeRowKey({ ...residents, primaryKey: [column] }, [value])).toString()
  }

  test('is typed: a text, an integer and a wide integer of the same digits differ', () => {
    expect(keyOf('text', 'TEXT', '1')).toBe('t["1"]')
    expect(keyOf('integer', 'INTEGER', 1)).toBe('i[1]')
    expect(keyOf('bigint', 'INTEGER', 1n)).toBe('w["1"]')
  })

  test('is the same for a number and a bigint of the same value', () => {
    expect(keyOf('integer', 'INTEGER', 1n)).toBe(keyOf('integer', 'INTEGER', 1))
    expect(keyOf('bigint', 'INTEGER', 1)).toBe(keyOf('bigint', 'INTEGER', 1n))
  })
})

test('no two coordinates have the same associated data', () => {
  const header = encodeHeader(1, { lineage: '01020304', generation: 1 })
  const small = fc.record({
    tenant: fc.string({ maxLength: 3 }),
    tableId: fc.nat({ max: 2 }),
    columnId: fc.nat({ max: 2 }),
    rowKey: fc.uint8Array({ maxLength: 3 }),
  })
  fc.assert(
    fc.property(small, small, (a, b) => {
      const differ = hex(associatedData(header, a)) !== hex(associatedData(header, b))
      const other = { ...b, rowKey: hex(b.rowKey) }
      expect(differ).toBe(JSON.stringify({ ...a, rowKey: hex(a.rowKey) }) !== JSON.stringify(other))
    }),
    { numRuns: 1000 },
  )
})
