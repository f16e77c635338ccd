import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MAX_PAGE_ROWS } from '../../../src/core/limits.ts'
import type { ListQuery } from '../../../src/core/list-query.ts'
import type { SqlValue } from '../../../src/core/values.ts'
import {
  cursorAfter,
  keyOf,
  rowsByKey,
  selectByKeys,
  selectList,
  takePage,
} from '../../../src/sql/select.ts'
import { insertRows } from '../../../src/sql/write-rows.ts'
import type { MemoryStore } from '../../support/memory-store.ts'
import { imageOf, openShop, rowsOf, shopTable } from '../../support/shop.ts'

const NOW_MS = 1000
const orders = shopTable('orders')
const stock = shopTable('stock')
const carts = shopTable('carts')
let store: MemoryStore

beforeEach(async () => {
  store = await openShop()
  const order = (
    tenant: string,
    id: string,
    more: object,
  ): Parameters<typeof insertRows>[1][number] => ({
    tenant,
    image: imageOf('orders', { id, ...more }),
    version: `v-${id}`,
    epoch: 1,
  })
  await store.write([
    insertRows(orders, [
      order('a', '1', { amount: 5, day: 'mon', expiresAt: new Date(NOW_MS + 1) }),
      order('a', '2', { amount: 7, photo: new Uint8Array([1]) }),
      order('a', '3', { amount: 100, expiresAt: new Date(NOW_MS) }),
      order('b', '1', { amount: 1000 }),
    ]),
    insertRows(
      stock,
      [1n, 2n ** 53n + 1n].map((item) => ({
        tenant: 'a',
        image: imageOf('stock', { place: 'p', item, count: 3, worth: 2, big: item }),
        version: 'v',
        epoch: 1,
      })),
    ),
    insertRows(
      carts,
      ['deleted', 'shown'].map((id, visible) => ({
        tenant: 'a',
        image: imageOf('carts', { id, title: 't' }),
        version: 'v',
        epoch: 0,
        merge: [new Uint8Array(), visible, null],
      })),
    ),
  ])
})
afterEach(() => store.close())

async function list(query: Partial<ListQuery>, tenant = 'a'): Promise<SqlValue[]> {
  const whole: ListQuery = { where: [], orderBy: [], limit: 10, after: null, ...query }
  const rows = await rowsOf(store, selectList(orders, tenant, whole, NOW_MS))
  return takePage(orders, whole.limit, rows).rows.map((row) => row.image[0] ?? null)
}

function place(name: string): number {
  return orders.valueIndex.get(orders.columnByName.get(name)?.id ?? -1) ?? -1
}

describe('by key', () => {
  test.each([[['2']], [['2'], ['1'], ['x'], ['2'], ['3']]])(
    '%j gives each live row of the tenant in the order of the keys',
    async (...keys) => {
      const wanted = keys.map((key) => key as readonly string[])
      const rows = await rowsOf(store, selectByKeys(orders, 'a', wanted, NOW_MS))
      const found = rowsByKey(orders, wanted.length, rows)
      const absent = ['x', '3']
      expect(found.map((row) => row?.image[0])).toEqual(
        wanted.map(([id]) => (absent.includes(id as string) ? undefined : id)),
      )
      expect(found[0]?.version).toBe('v-2')
    },
  )

  test('of 64 bits finds the very row, and gives only such columns as bigint', async () => {
    const wide = 2n ** 53n + 1n
    for (const keys of [
      [['p', wide]],
      [
        ['p', wide - 1n],
        ['p', wide],
      ],
    ]) {
      const rows = await rowsOf(store, selectByKeys(stock, 'a', keys, NOW_MS))
      const found = rowsByKey(stock, keys.length, rows)
      expect(found.at(-1)?.image).toEqual(['p', wide, null, 3, 2, wide])
      expect(found.length === 1 || found[0] === undefined).toBe(true)
    }
  })

  test('skips rows of eventual tables that are deleted', async () => {
    const keys = [['shown'], ['deleted']]
    const rows = await rowsOf(store, selectByKeys(carts, 'a', keys, NOW_MS))
    expect(rowsByKey(carts, 2, rows).map((row) => row?.image[0])).toEqual(['shown', undefined])
  })

  test('with a key of another length is refused', () => {
    expect(() => selectByKeys(stock, 'a', [['p']], NOW_MS)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    )
  })
})

describe('list', () => {
  test('gives the live rows of one tenant by primary key', async () => {
    expect(await list({})).toEqual(['1', '2'])
    expect(await list({}, 'b')).toEqual(['1'])
  })

  test.each([
    ['=', ['mon'], ['1']],
    ['=', [null], ['2']],
    ['!=', ['mon'], ['2']],
    ['!=', [null], ['1']],
    ['<', [null], []],
    ['>', ['a'], ['1']],
    ['>=', ['mon'], ['1']],
    ['<=', ['mon'], ['1']],
    ['in', ['mon', 'tue'], ['1']],
    ['in', ['mon', null], ['1', '2']],
    ['in', [], []],
  ] as const)('where day %s %j', async (op, values, ids) => {
    expect(await list({ where: [{ column: place('day'), op, values }] })).toEqual(ids)
  })

  test('compares blobs and 64-bit integers exactly', async () => {
    const photo = [{ column: place('photo'), op: 'in', values: [new Uint8Array([1])] }] as const
    expect(await list({ where: photo })).toEqual(['2'])
  })

  test('says whether more rows follow, up to the limit exactly', async () => {
    const page = async (limit: number): Promise<boolean> => {
      const query: ListQuery = { where: [], orderBy: [], limit, after: null }
      return takePage(orders, limit, await rowsOf(store, selectList(orders, 'a', query, NOW_MS)))
        .more
    }
    expect([await page(1), await page(2), await page(3)]).toEqual([true, false, false])
  })

  test.each([
    { where: [{ column: 99, op: '=', values: [1] }] },
    { where: [{ column: 0, op: '= 1 OR 1 =', values: [1] }] },
    { where: [{ column: 0, op: '=', values: [] }] },
    { where: [{ column: 0, op: '=', values: [1, 2] }] },
    { orderBy: [{ column: -1, descending: false }] },
    { limit: 0 },
    { limit: 1.5 },
    { limit: MAX_PAGE_ROWS + 1 },
    { after: [1, 2] },
  ])('refuses %j', async (query) => {
    await expect(list(query as Partial<ListQuery>)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
  })

  test.each([
    [
      'conditions',
      { where: Array.from({ length: 501 }, () => ({ column: 0, op: '=', values: ['x'] })) },
    ],
    [
      'columns of the order, the square of which its cursor would take',
      {
        orderBy: Array.from({ length: 2_000 }, () => ({ column: 0, descending: false })),
        after: Array(2_001).fill('x'),
      },
    ],
  ])('refuses too many %s', async (_of, query) => {
    await expect(list(query as Partial<ListQuery>)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
  })

  test('a cursor holds the order and the key of a row', () => {
    const image = imageOf('orders', { id: 'x', amount: 5 })
    const orderBy = [{ column: place('amount'), descending: true }]
    expect(cursorAfter(orders, orderBy, image)).toEqual([5, 'x'])
    expect(keyOf(orders, image)).toEqual(['x'])
  })
})
