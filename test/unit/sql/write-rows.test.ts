import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { StatementFailed } from '../../../src/core/ports/store.ts'
import type { SqlValue } from '../../../src/core/values.ts'
import { rowColumns, rowReader } from '../../../src/sql/select.ts'
import {
  deleteRows,
  deleteRowsUpTo,
  insertRows,
  upsertRows,
  type RowWrite,
} from '../../../src/sql/write-rows.ts'
import type { MemoryStore } from '../../support/memory-store.ts'
import { imageOf, openShop, rowsOf, shopTable } from '../../support/shop.ts'

const orders = shopTable('orders')
const stock = shopTable('stock')
const carts = shopTable('carts')
let store: MemoryStore

beforeEach(async () => {
  store = await openShop()
})
afterEach(() => store.close())

function order(tenant: string, id: string, version: string, more: object = {}): RowWrite {
  return { tenant, image: imageOf('orders', { id, ...more }), version, epoch: 1 }
}

async function stored(): Promise<[string, string, string][]> {
  const rows = await rowsOf(store, {
    sql: `SELECT tenant, c${orders.primaryKey[0]?.id}, _ver FROM ${orders.physicalName} ORDER BY 1, 2`,
    args: [],
  })
  return rows.map((row) => row.map(String) as [string, string, string])
}

describe('one row and many rows', () => {
  const image = imageOf('orders', {
    id: 'it\'s "quoted" \u{1f600} [x]',
    day: '',
    amount: -9007199254740991,
    total: 9223372036854775807n,
    weight: 50.470167,
    paid: true,
    photo: new Uint8Array([0, 255, 39]),
    extra: { a: [1, 'é'] },
  })
  const other = imageOf('orders', { id: 'o', total: -9223372036854775808n, weight: 5e-324 })

  test.each([1, 2])('%i rows come back exactly, whatever their type', async (count) => {
    const images = [image, other].slice(0, count)
    const rows = images.map((i): RowWrite => ({ tenant: 'a', image: i, version: 'v', epoch: 7 }))
    await store.write([insertRows(orders, rows)])
    const sql = `SELECT ${rowColumns(orders, 'r')} FROM ${orders.physicalName} r ORDER BY 1`
    const read = (await rowsOf(store, { sql, args: [], bigints: true })).map(rowReader(orders))
    expect(read).toEqual(images.map((i) => ({ image: i, version: 'v' })))
  })

  test('rows of several tenants go into one statement', async () => {
    await store.write([insertRows(orders, [order('a', '1', 'v1'), order('b', '1', 'v2')])])
    expect(await stored()).toEqual([
      ['a', '1', 'v1'],
      ['b', '1', 'v2'],
    ])
  })

  test('rows of eventual tables carry their merge state', async () => {
    const image = imageOf('carts', { id: 'c', title: 't' })
    const merge: SqlValue[] = [new Uint8Array([1]), 1, new Uint8Array([2, 3])]
    const row: RowWrite = { tenant: 'a', image, version: 'v', epoch: 0, merge }
    const second: RowWrite = { ...row, tenant: 'b' }
    await store.write([upsertRows(carts, [row, second]), upsertRows(carts, [row])])
    const text = carts.columns.find((c) => c.type === 'collaborativeText')
    const sql = `SELECT _crdt, _visible, y${text?.id} FROM ${carts.physicalName}`
    expect(await rowsOf(store, { sql, args: [] })).toEqual([merge, merge])
  })

  test('no row at all is a statement without effect', async () => {
    await store.write([insertRows(orders, []), deleteRows(orders, []), deleteRowsUpTo(orders, [])])
    expect(await stored()).toEqual([])
  })
})

test('an insert over a stored key fails as unique', async () => {
  await store.write([insertRows(orders, [order('a', '1', 'v1')])])
  const again = store.write([insertRows(orders, [order('a', '0', 'v2'), order('a', '1', 'v2')])])
  await expect(again).rejects.toMatchObject({ kind: 'unique', statementIndex: 0 })
  await expect(again).rejects.toBeInstanceOf(StatementFailed)
  expect(await stored()).toEqual([['a', '1', 'v1']])
})

describe('upsert', () => {
  test.each([1, 2])('of %i rows replaces what is stored', async (count) => {
    await store.write([insertRows(orders, [order('a', '1', 'v5')])])
    await store.write([
      upsertRows(orders, [order('a', '1', 'v3'), order('a', '2', 'v3')].slice(0, count)),
    ])
    expect((await stored())[0]).toEqual(['a', '1', 'v3'])
  })

  test.each([1, 2])(
    'of %i rows with lower-version leaves what is newer or equal',
    async (count) => {
      await store.write([
        insertRows(orders, [order('a', '1', 'v5', { day: 'kept' }), order('a', '2', 'v5')]),
      ])
      const rows = [order('a', '1', 'v5', { day: 'lost' }), order('a', '2', 'v6')].slice(0, count)
      await store.write([upsertRows(orders, rows, 'lower-version')])
      expect(await stored()).toEqual([
        ['a', '1', 'v5'],
        ['a', '2', count === 2 ? 'v6' : 'v5'],
      ])
      const day = `SELECT r.c${orders.columnByName.get('day')?.id} FROM ${orders.physicalName} r`
      expect((await rowsOf(store, { sql: `${day} ORDER BY r._ver`, args: [] }))[0]).toEqual([
        'kept',
      ])
    },
  )
})

describe('delete', () => {
  const item = (n: bigint): RowWrite => ({
    tenant: 'a',
    image: imageOf('stock', { place: 'p', item: n, count: 1 }),
    version: `v${n}`,
    epoch: 1,
  })

  test('removes the named keys of the named tenants, wide and compound ones too', async () => {
    const wide = 9007199254740993n
    await store.write([insertRows(stock, [item(1n), item(wide), item(wide - 1n)])])
    await store.write([deleteRows(stock, [{ tenant: 'b', key: ['p', 1n] }])])
    await store.write([
      deleteRows(stock, [
        { tenant: 'a', key: ['p', wide] },
        { tenant: 'a', key: ['q', 1n] },
      ]),
    ])
    await store.write([deleteRows(stock, [{ tenant: 'a', key: ['p', 1n] }])])
    const sql = `SELECT _ver FROM ${stock.physicalName}`
    expect(await rowsOf(store, { sql, args: [] })).toEqual([[`v${wide - 1n}`]])
  })

  test('up to a version leaves rows that are newer', async () => {
    await store.write([insertRows(stock, [item(1n), item(2n), item(3n)])])
    const keys = [1n, 2n, 3n].map((n) => ({ tenant: 'a', key: ['p', n], version: 'v2' }))
    await store.write([deleteRowsUpTo(stock, keys)])
    const sql = `SELECT _ver FROM ${stock.physicalName}`
    expect(await rowsOf(store, { sql, args: [] })).toEqual([['v3']])
  })

  test('of many keys seeks each of them', async () => {
    const { sql } = deleteRows(
      stock,
      [item(1n), item(2n)].map((r) => ({ tenant: 'a', key: r.image.slice(0, 2) })),
    )
    const upTo = deleteRowsUpTo(stock, [{ tenant: 'a', key: ['p', 1n], version: 'v' }])
    for (const text of [sql, upTo.sql]) {
      const plan = await rowsOf(store, { sql: `EXPLAIN QUERY PLAN ${text}`, args: ['[]'] })
      const steps = plan
        .map((row) => String(row[3]))
        .filter((step) => step.includes(stock.physicalName) || step.includes(' o'))
      expect(steps.join()).not.toMatch(/SCAN (t\d|o)/)
      expect(steps.join()).toContain('tenant=?')
    }
  })
})
