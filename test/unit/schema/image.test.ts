import { describe, expect, it } from 'vitest'
import { integer, text } from '../../../src/schema/columns.ts'
import { compileSchema } from '../../../src/schema/compile.ts'
import { defineSchema, table, type Table } from '../../../src/schema/define.ts'
import {
  completeImage,
  decodeImage,
  decodeKey,
  encodeImage,
  encodeKey,
  realToJson,
} from '../../../src/schema/image.ts'
import { tableNamed } from './fixtures.ts'

const base = { id: text().primaryKey(), amount: integer() }
const older = compileSchema(ofColumns(base))
const newer = compileSchema(
  ofColumns({
    ...base,
    note: text().default('new'),
    email: text().encrypted({ lookup: 'exact' }).optional(),
  }),
  older.lock,
)
const [before, after] = [tableNamed('orders', older.compiled), tableNamed('orders', newer.compiled)]

function ofColumns(columns: Table['columns']): ReturnType<typeof defineSchema> {
  return defineSchema({ tables: { orders: table(columns, { consistency: 'pinned' }) as Table } })
}

describe('an image', () => {
  it('of an older schema is completed with defaults, whatever brings it', () => {
    const complete = ['o1', 5, 'new', null, null]
    expect(completeImage(after, ['o1', 5])).toEqual(complete)
    expect(decodeImage(after, '["o1",5]')).toEqual(complete)
    expect(decodeImage(after, encodeImage(after, ['o1', 5]))).toEqual(complete)
  })

  it('of this schema is left as it is, its NULLs too', () => {
    const image = ['o1', 5, null, Uint8Array.of(1), Uint8Array.of(2)]
    expect(completeImage(after, image)).toBe(image)
    expect(decodeImage(after, encodeImage(after, image))).toEqual(image)
  })

  it('of a newer schema loses what this one does not know', () => {
    const image = encodeImage(after, ['o1', 5, 'note', null, null])
    expect(decodeImage(before, image)).toEqual(['o1', 5])
  })
})

describe('the JSON of a value', () => {
  const strict = tableNamed('strict')
  const merged = tableNamed('merged')

  it('is text where JSON numbers are not exact, and hex for bytes', () => {
    const image = ['k', 7, 2n ** 62n, 0.1, 1, 5, Uint8Array.of(255, 0), '{}', 't']
    expect(encodeImage(tableNamed('plain'), image)).toBe(
      '["k",7,"4611686018427387904","1.0000000000000001e-1",1,5,"ff00","{}","t"]',
    )
  })

  it('of a real has 17 digits, for the largest double too', () => {
    expect(realToJson(Number.MAX_VALUE)).toBe('1.7976931348623157e+308')
    expect(Number(realToJson(Number.MAX_VALUE))).toBe(Number.MAX_VALUE)
  })

  it('of a key is in the order of the key', () => {
    expect(encodeKey(strict, [1, 'x'])).toBe('[1,"x"]')
    expect(encodeKey(merged, [2n ** 62n])).toBe('["4611686018427387904"]')
    expect(decodeKey(merged, encodeKey(merged, [2n ** 62n]))).toEqual([2n ** 62n])
  })
})
