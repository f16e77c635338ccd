import { describe, expect, it } from 'vitest'
import { prepareList, writeCursor } from '../../../src/client/list.ts'
import { encodeValue } from '../../../src/protocol/codec.ts'
import { toBase64Url } from '../../../src/session/base64-url.ts'
import { shopTable } from '../../support/shop.ts'

const orders = shopTable('orders')
const stock = shopTable('stock')
const place = (name: string): number =>
  orders.valueIndex.get(orders.columnByName.get(name)?.id ?? -1) as number

describe('a list', () => {
  it('becomes predicates over the places of stored values', () => {
    const at = new Date(5)
    const list = prepareList(orders, {
      where: { day: 'mon', amount: { gte: 1, lt: 9 }, paid: true, expiresAt: at, total: null },
      orderBy: { amount: 'desc', day: 'asc' },
      limit: 3,
    })
    expect(list.where).toEqual([
      { column: place('day'), op: '=', values: ['mon'] },
      { column: place('amount'), op: '>=', values: [1] },
      { column: place('amount'), op: '<', values: [9] },
      { column: place('paid'), op: '=', values: [1] },
      { column: place('expiresAt'), op: '=', values: [5] },
      { column: place('total'), op: '=', values: [null] },
    ])
    expect(list.orderBy).toEqual([
      { column: place('amount'), descending: true },
      { column: place('day'), descending: false },
    ])
    expect(list).toMatchObject({ limit: 3, after: null, matches: [] })
  })

  it('has 100 rows a page when it names no limit', () => {
    expect(prepareList(orders, {}).limit).toBe(100)
  })

  it('converts each value of `in`', () => {
    const { where } = prepareList(orders, { where: { paid: { in: [true, false, null] } } })
    expect(where).toEqual([{ column: place('paid'), op: 'in', values: [1, 0, null] }])
  })
})

describe('a cursor', () => {
  const orderBy = { amount: 'desc' } as const
  const order = prepareList(orders, { orderBy }).orderBy

  it('goes there and back', () => {
    const cursor = writeCursor(orders, order, [5, 'o1'])
    expect(cursor).toMatch(/^[A-Za-z0-9_-]+$/)
    expect(prepareList(orders, { orderBy, cursor }).after).toEqual([5, 'o1'])
  })

  it('keeps every kind of value', () => {
    const values = [null, 2n ** 60n, 1.5, Uint8Array.of(1), 'ü']
    const wide = prepareList(orders, {
      orderBy: { day: 'asc', total: 'asc', weight: 'asc', amount: 'asc' },
    }).orderBy
    const cursor = writeCursor(orders, wide, values)
    const again = prepareList(orders, {
      orderBy: { day: 'asc', total: 'asc', weight: 'asc', amount: 'asc' },
      cursor,
    })
    expect(again.after).toEqual(values)
  })

  it.each([
    ['another table', () => writeCursor(stock, order, [5, 'o1'])],
    ['another order', () => writeCursor(orders, [], ['o1'])],
    [
      'the other direction',
      () =>
        writeCursor(orders, prepareList(orders, { orderBy: { amount: 'asc' } }).orderBy, [5, 'o1']),
    ],
    ['too few values', () => writeCursor(orders, order, [5])],
    [
      'what is no value',
      () => toBase64Url(encodeValue([orders.id, `-${place('amount')}`, [{}, 'o1']])),
    ],
    ['other bytes', () => toBase64Url(encodeValue('cursor'))],
    ['broken bytes', () => toBase64Url(Uint8Array.of(0xc1, 0xff))],
    ['other characters', () => 'a b'],
  ])('of %s is refused', (_what, cursor) => {
    expect(() => prepareList(orders, { orderBy, cursor: cursor() })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    )
  })
})
