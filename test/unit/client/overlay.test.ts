import { describe, expect, it } from 'vitest'
import { applyWrite } from '../../../src/client/overlay.ts'
import { deleteOp, rowsOp, updateOp } from '../../../src/client/table-operations.ts'
import type { RowImage } from '../../../src/core/change.ts'
import type { WriteOp } from '../../../src/core/operations.ts'
import { add, appendText, increment, max, remove } from '../../../src/schema/operators.ts'
import { imageToRow } from '../../../src/schema/rows.ts'
import { imageOf, shopTable } from '../../support/shop.ts'

const stock = shopTable('stock')
const carts = shopTable('carts')
const KEY = ['p', 1n]

function row(count: number): Readonly<Record<string, unknown>> {
  return { place: 'p', item: 1n, count }
}

/** The row with key (p, 1) after writes. */
function after(image: RowImage | undefined, ...ops: readonly WriteOp[]): unknown {
  const last = ops.reduce((current, op) => applyWrite(stock, KEY, current, op), image)
  return last === undefined ? undefined : imageToRow(stock, last)['count']
}

describe('the row that a transaction sees', () => {
  const there = imageOf('stock', row(1))

  it('is the inserted or upserted one', () => {
    expect(after(undefined, rowsOp(stock, 'insert', [row(2)]))).toBe(2)
    expect(after(there, rowsOp(stock, 'upsert', [row(2)]))).toBe(2)
    expect(after(undefined, rowsOp(stock, 'insert', [row(2), row(3)]))).toBe(3)
  })

  it('is gone once it is deleted', () => {
    expect(after(there, deleteOp(stock, { place: 'p', item: 1n }, undefined))).toBeUndefined()
  })

  it('is computed by operators, one after another', () => {
    const key = { place: 'p', item: 1n }
    const plus = updateOp(stock, key, { count: increment(4) }, undefined)
    const most = updateOp(stock, key, { count: max(100) }, undefined)
    expect(after(there, plus, plus, most)).toBe(100)
    expect(after(there, plus, most, plus)).toBe(104)
  })

  it('is not touched by writes of other keys, nor made by an update', () => {
    const other = { place: 'p', item: 2n }
    expect(after(there, deleteOp(stock, other, undefined))).toBe(1)
    expect(after(there, updateOp(stock, other, { count: 9 }, undefined))).toBe(1)
    expect(after(there, rowsOp(stock, 'insert', [{ ...row(9), item: 2n }]))).toBe(1)
    const update = updateOp(stock, { place: 'p', item: 1n }, { count: 9 }, undefined)
    expect(after(undefined, update)).toBeUndefined()
  })

  it('tells keys apart by value, not by the kind of number', () => {
    const op = rowsOp(stock, 'insert', [row(7)])
    expect(applyWrite(stock, ['p', 1], undefined, op)).toBeDefined()
  })

  it('merges counters, sets and texts', () => {
    const image = imageOf('carts', { id: 'c', title: 't', count: 1, tags: ['a'], notes: 'x' })
    const op = updateOp(
      carts,
      'c',
      { count: increment(2), tags: add('b'), notes: appendText('y') },
      undefined,
    )
    const less = updateOp(carts, 'c', { tags: remove('a') }, undefined)
    const last = applyWrite(carts, ['c'], applyWrite(carts, ['c'], image, op), less)
    expect(imageToRow(carts, last as RowImage)).toEqual({
      id: 'c',
      title: 't',
      count: 3,
      tags: ['b'],
      notes: 'xy',
    })
  })
})
