import { describe, expect, test } from 'vitest'
import { ByteReader, ByteWriter } from '../../../crdt/bytes.ts'
import { decodeDelta, decodeState, encodeDelta, encodeState } from '../../../crdt/codec.ts'
import { RowEditor } from '../../../crdt/row-editor.ts'
import { EMPTY_ROW, type RowState } from '../../../crdt/state.ts'
import { formatHlc } from '../../../src/core/hlc.ts'
import { toHex, type SqlValue } from '../../../src/core/values.ts'
import { image } from '../../support/eventual-region.ts'
import { carts, COLUMN } from '../../support/eventual-schema.ts'

const author = (ms: number, source = 'us-east.00000001') => ({
  source,
  hlc: formatHlc(ms, 0),
  clientId: 2 ** 40,
})

function inserted(): RowState {
  const editor = new RowEditor(carts, EMPTY_ROW, author(1))
  editor.insert(image('c1', 'title', { amount: 7, quantity: 3, tags: '["x"]', notes: 'abc' }))
  return editor.row
}

describe('values', () => {
  test.each<[SqlValue]>([
    [null],
    [0],
    [-1],
    [2 ** 53 - 1],
    [-(2 ** 53 - 1)],
    [-0],
    [0.1],
    [Number.MAX_VALUE],
    [2n ** 63n - 1n],
    [-(2n ** 63n)],
    [''],
    ['é🙂'],
    ['x'.repeat(300)],
    [`${'y'.repeat(100)}ß`],
    [new Uint8Array([0, 255])],
  ])('%s comes back as it was', (value) => {
    const writer = new ByteWriter()
    writer.value(value)
    const reader = new ByteReader(writer.finish())
    expect(reader.value()).toStrictEqual(value)
    reader.end()
  })
})

describe('a state', () => {
  test('names each source and stamp once', () => {
    const bytes = Buffer.from(encodeState(inserted()))
    expect(bytes.toString('latin1').split('us-east').length - 1).toBe(1)
    expect(bytes.length).toBeLessThan(90)
  })

  test('does not grow with the number of writes', () => {
    let row = inserted()
    const sizes = Array.from({ length: 500 }, (_, i) => {
      const editor = new RowEditor(carts, row, author(i + 2))
      editor.apply(COLUMN.title, { kind: 'set', value: `title ${i}` })
      editor.apply(COLUMN.quantity, { kind: 'increment', by: 1, floor: null })
      editor.apply(COLUMN.tags, { kind: i % 2 === 0 ? 'add' : 'remove', elements: ['y'] })
      row = editor.row
      return encodeState(row).length
    })
    expect(Math.max(...sizes.slice(2))).toBeLessThanOrEqual(Math.max(...sizes.slice(0, 4)) + 2)
  })

  test('of a deleted row is small where deletes win', () => {
    const editor = new RowEditor(carts, inserted(), author(2))
    editor.delete()
    expect(encodeState(editor.row).length).toBeLessThan(80)
  })
})

describe('bytes', () => {
  const delta = encodeDelta(inserted())

  test('that end early or go on are refused', () => {
    for (let length = 1; length < delta.length; length++) {
      expect(() => decodeDelta(delta.slice(0, length))).toThrowError(
        expect.objectContaining({ code: 'PROTOCOL_MALFORMED' }),
      )
    }
    expect(() => decodeDelta(new Uint8Array([...delta, 0]))).toThrowError(
      expect.objectContaining({ code: 'PROTOCOL_MALFORMED' }),
    )
  })

  test('of version 1 are these', () => {
    expect(toHex(delta)).toMatchInlineSnapshot(
      `"010901011075732d656173742e3030303030303031010000000000010000000000000304000004057469746c6506000001070e000000010401000000000000010000010301050101780101000000000001000001060020000006808080808040000001040a077465787461626304030101000001010000"`,
    )
  })

  test('of another version are refused as such', () => {
    expect(() => decodeDelta(new Uint8Array([2, ...delta.slice(1)]))).toThrowError(
      expect.objectContaining({ code: 'PROTOCOL_VERSION' }),
    )
  })

  test('of a state are not taken for a delta, nor the other way', () => {
    const cells = { register: () => null, text: () => ({ update: new Uint8Array(), text: '' }) }
    for (const wrong of [
      () => decodeDelta(encodeState(inserted())),
      () => decodeState(delta, cells),
    ]) {
      expect(wrong).toThrowError(expect.objectContaining({ code: 'PROTOCOL_MALFORMED' }))
    }
  })

  test('of one changed cell stay below 64 with the key', () => {
    const editor = new RowEditor(carts, inserted(), author(2))
    editor.apply(COLUMN.amount, { kind: 'set', value: 8 })
    expect(encodeDelta(editor.delta()).length + 'c1'.length).toBeLessThan(64)
  })
})
