import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ListOrder } from '../../src/core/list-query.ts'
import type { SqlValue } from '../../src/core/values.ts'
import { compareStored } from '../../src/schema/evaluate.ts'
import { cursorAfter, selectList, takePage } from '../../src/sql/select.ts'
import { insertRows } from '../../src/sql/write-rows.ts'
import { imageOf, openShop, rowsOf, shopTable } from '../support/shop.ts'

const stock = shopTable('stock')

// Few values, NULLs among them: most comparisons are ties.
const row = fc.record({
  place: fc.constantFrom('p', 'q', '\u{1f600}', '\uffee'),
  item: fc.constantFrom(-1n, 0n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 62n),
  serial: fc.constant(null),
  count: fc.integer({ min: -1, max: 1 }),
  worth: fc.constantFrom(-0.5, 0, 0.1, 1e300),
  big: fc.constantFrom(0n, 2n ** 60n, 2n ** 60n + 1n),
})
const nullableRow = fc.record({
  id: fc.integer({ min: 0, max: 40 }).map(String),
  day: fc.constantFrom(null, '', 'a', 'b'),
  amount: fc.constantFrom(null, -1, 0, 1),
  total: fc.constantFrom(null, 0n, 2n ** 60n),
  weight: fc.constantFrom(null, -1.5, 0.1),
})
const orderBy = (width: number): fc.Arbitrary<ListOrder[]> =>
  fc.uniqueArray(fc.record({ column: fc.nat(width - 1), descending: fc.boolean() }), {
    maxLength: 3,
    selector: (o) => o.column,
  })

async function checkPages(
  name: 'stock' | 'orders',
  given: readonly Readonly<Record<string, unknown>>[],
  order: readonly ListOrder[],
  limit: number,
): Promise<void> {
  const table = shopTable(name)
  const store = await openShop()
  const byKey = new Map<string, readonly SqlValue[]>()
  for (const r of given) {
    const image = imageOf(name, r)
    byKey.set(cursorAfter(table, [], image).map(String).join('\n'), image)
  }
  const images = [...byKey.values()]
  const rows = images.map((image) => ({ tenant: 'a', image, version: 'v', epoch: 1 }))
  await store.write([
    insertRows(table, rows),
    insertRows(
      table,
      rows.map((r) => ({ ...r, tenant: 'b' })),
    ),
  ])
  const pages: (readonly SqlValue[])[] = []
  let after: SqlValue[] | null = null
  for (;;) {
    const query = { where: [], orderBy: order, limit, after }
    const page = takePage(table, limit, await rowsOf(store, selectList(table, 'a', query, 0)))
    pages.push(...page.rows.map((r) => r.image))
    const last = page.rows.at(-1)
    if (!page.more || last === undefined) break
    after = cursorAfter(table, order, last.image)
  }
  await store.close()
  const tieDescending = order.at(-1)?.descending ?? false
  const expected = images.toSorted((a, b) => {
    const left = cursorAfter(table, order, a)
    const right = cursorAfter(table, order, b)
    for (let i = 0; i < left.length; i++) {
      const sign = (order[i]?.descending ?? tieDescending) ? -1 : 1
      const compared = compareStored(left[i] ?? null, right[i] ?? null)
      if (compared !== 0) return compared * sign
    }
    return 0
  })
  expect(pages).toEqual(expected)
}

test('pages by cursor are the sorted rows of one tenant, whatever the order', async () => {
  const orders = orderBy(stock.physical.length)
  await fc.assert(
    fc.asyncProperty(
      fc.array(row, { maxLength: 30 }),
      orders,
      fc.integer({ min: 1, max: 7 }),
      (rows, order, limit) => checkPages('stock', rows, order, limit),
    ),
    { numRuns: 150 },
  )
})

test('pages by cursor keep their order where values are NULL', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(nullableRow, { maxLength: 30 }),
      orderBy(5),
      fc.integer({ min: 1, max: 7 }),
      (rows, order, limit) => checkPages('orders', rows, order, limit),
    ),
    { numRuns: 150 },
  )
})
