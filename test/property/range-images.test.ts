/** Ranges evaluated on images give what SQL gives: regions compare one with the other. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ListPredicate, ListQuery } from '../../src/core/list-query.ts'
import type { SqlValue } from '../../src/core/values.ts'
import {
  compareInOrder,
  meetsAll,
  normalizeRange,
  orderValues,
  rangeOrder,
} from '../../src/schema/range.ts'
import { selectListOrder } from '../../src/sql/select.ts'
import { insertRows } from '../../src/sql/write-rows.ts'
import { imageOf, openShop, rowsOf, shopTable } from '../support/shop.ts'

const orders = shopTable('orders')
const texts = fc.constantFrom('', 'a', 'A', 'b', 'é', '￮', '\u{1f600}', '10', '9')
const VALUES: Readonly<Record<string, fc.Arbitrary<SqlValue>>> = {
  id: texts,
  day: fc.option(texts),
  amount: fc.option(fc.constantFrom(-1, 0, 1, 9, 10, Number.MAX_SAFE_INTEGER)),
  total: fc.option(fc.constantFrom(0n, -1n, 9n, 10n, 2n ** 60n, 2n ** 60n + 1n, -(2n ** 63n))),
  weight: fc.option(fc.constantFrom(-0.5, 0, -0, 0.1, 1, 1e300, 5e-324)),
  paid: fc.constantFrom(null, 0, 1),
}
const NAMES = Object.keys(VALUES)

function columnAt(name: string): number {
  return orders.valueIndex.get(orders.columnByName.get(name)?.id ?? -1) ?? -1
}

const row = fc
  .record({
    id: texts,
    day: VALUES['day'] as fc.Arbitrary<SqlValue>,
    amount: VALUES['amount'] as fc.Arbitrary<SqlValue>,
    total: VALUES['total'] as fc.Arbitrary<SqlValue>,
    weight: VALUES['weight'] as fc.Arbitrary<SqlValue>,
    paid: fc.constantFrom(null, false, true),
  })
  .map((values) => imageOf('orders', values))

const valued = fc
  .constantFrom(...NAMES)
  .chain((name) => fc.tuple(fc.constant(name), VALUES[name] as fc.Arbitrary<SqlValue>))

const predicate: fc.Arbitrary<ListPredicate> = fc.oneof(
  fc
    .tuple(valued, fc.constantFrom('=', '!=', '<', '<=', '>', '>=' as const))
    .map(([[name, value], op]) => ({ column: columnAt(name), op, values: [value] })),
  fc
    .constantFrom(...NAMES)
    .chain((name) =>
      fc
        .array(VALUES[name] as fc.Arbitrary<SqlValue>, { maxLength: 3 })
        .map((values) => ({ column: columnAt(name), op: 'in' as const, values })),
    ),
)

const query: fc.Arbitrary<ListQuery> = fc
  .array(fc.tuple(valued, fc.boolean()), { maxLength: 3 })
  .chain((order) =>
    fc.record({
      where: fc.array(predicate, { maxLength: 2 }),
      orderBy: fc.constant(
        order.map(([[name], descending]) => ({ column: columnAt(name), descending })),
      ),
      limit: fc.constant(100),
      after: fc.option(texts.map((id) => [...order.map(([[, value]]) => value), id])),
    }),
  )

test('predicates, orders and cursors are those of SQL', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(row, { selector: (image) => image[columnAt('id')], maxLength: 12 }),
      query,
      async (images, given) => {
        const range = normalizeRange(orders, given)
        if (range === undefined) throw new Error('The range was taken for wrong.')
        const store = await openShop()
        const rows = images.map((image) => ({ tenant: 'a', image, version: 'v', epoch: 1 }))
        if (rows.length > 0) await store.write([insertRows(orders, rows)])
        const order = rangeOrder(orders, range.orderBy)
        const found = await rowsOf(store, selectListOrder(orders, 'a', range, 0))
        const expected = images
          .filter((image) => meetsAll(image, range.where))
          .map((image) => orderValues(order, image))
          .filter(
            (values) => range.after === null || compareInOrder(order, values, range.after) > 0,
          )
          .toSorted((a, b) => compareInOrder(order, a, b))
        expect(found.map((values) => values.at(-2))).toEqual(expected.map((v) => v.at(-1)))
      },
    ),
    { numRuns: 150 },
  )
})
