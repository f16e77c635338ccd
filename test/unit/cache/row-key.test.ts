import { expect, test } from 'vitest'
import { rowKey } from '../../../src/cache/row-key.ts'
import { shopTable } from '../../support/shop.ts'

const orders = shopTable('orders')
const stock = shopTable('stock')
const alerts = shopTable('alerts')

test('a row has one name, whatever kind of number its key came as', () => {
  expect(rowKey(alerts, 'a', [5n])).toBe(rowKey(alerts, 'a', [5]))
  expect(rowKey(stock, 'a', ['x', 5n])).toBe(rowKey(stock, 'a', ['x', 5]))
  expect(rowKey(alerts, 'a', [0])).toBe(rowKey(alerts, 'a', [-0]))
})

test('no two rows share a name', () => {
  const names = [
    rowKey(orders, 'a', ['b']),
    rowKey(orders, '', ['b']),
    rowKey(orders, 'a/1:b', ['']),
    rowKey(orders, 'a', ['/1:b']),
    rowKey(orders, 'a/1', ['b']),
    rowKey(stock, 'a', ['b', 1]),
    rowKey(stock, 'a', ['b/1:1', 1]),
    rowKey(stock, 'a', ['b', 11]),
    rowKey(alerts, 'a', [1]),
    rowKey(stock, 'a', ['b', 2n ** 62n]),
    rowKey(stock, 'a', ['b', 2n ** 62n + 1n]),
  ]
  expect(new Set(names).size).toBe(names.length)
  expect(names).not.toContain(undefined)
})

test('a key that the store would convert has none', () => {
  for (const key of [[5], [null], ['\uD800'], [], ['a', 'b'], [new Uint8Array([1])]]) {
    expect(rowKey(orders, 'a', key)).toBeUndefined()
  }
  for (const key of [['5'], [1.5], [2 ** 60], [2n ** 60n], [Number.NaN]]) {
    expect(rowKey(alerts, 'a', key)).toBeUndefined()
  }
})
