/**
 * Lists within transactions against the obvious way: all rows, the transaction's writes carried
 * out on them, then filtered, ordered and cut.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { prepareList } from '../../src/client/list.ts'
import { deleteOp, rowsOp, updateOp } from '../../src/client/table-operations.ts'
import {
  mergePage,
  ownRows,
  updatedKeys,
  type StoredImage,
  type TransactionPage,
} from '../../src/client/transaction-list.ts'
import type { RowImage } from '../../src/core/change.ts'
import type { WriteOp } from '../../src/core/operations.ts'
import { compareInOrder, meetsAll, orderValues, rangeOrder } from '../../src/schema/range.ts'
import { imageToRow, keyOfImage } from '../../src/schema/rows.ts'
import { rangeDigest } from '../../src/session/range-digest.ts'
import { imageOf, shopTable } from '../support/shop.ts'

const orders = shopTable('orders')
const ids = fc.integer({ min: 0, max: 9 }).map(String)
const amounts = fc.option(fc.integer({ min: 0, max: 4 }))
const days = fc.constantFrom(null, 'a', 'b')

type Plain = Readonly<{ id: string; amount: number | null; day: string | null }>
const plain: fc.Arbitrary<Plain> = fc.record({ id: ids, amount: amounts, day: days })
const storedRows = fc.uniqueArray(plain, { selector: (row) => row.id, maxLength: 9 })

const write: fc.Arbitrary<WriteOp> = fc.oneof(
  plain.map((row) => rowsOp(orders, 'upsert', [row])),
  fc.tuple(ids, amounts).map(([id, amount]) => updateOp(orders, id, { amount }, undefined)),
  fc.tuple(ids, days).map(([id, day]) => updateOp(orders, id, { day }, undefined)),
  ids.map((id) => deleteOp(orders, id, undefined)),
)

const spec = fc.record({
  where: fc.constantFrom({}, { amount: { gte: 2 } }, { day: 'a' }, { amount: null }),
  orderBy: fc.constantFrom(
    {},
    { amount: 'asc' },
    { amount: 'desc' },
    { day: 'desc', amount: 'asc' },
  ),
  limit: fc.integer({ min: 1, max: 4 }),
})
const cursorRow = fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, plain)

type Spec = Parameters<typeof prepareList>[1]

function imagesOf(rows: readonly Plain[], changed?: string): StoredImage[] {
  return rows.map((row) => ({
    image: imageOf('orders', { ...row }),
    version: row.id === changed ? 'w' : 'v',
  }))
}

interface Listed {
  readonly page: TransactionPage
  readonly ids: unknown[]
  readonly guard: string
}

/** What a transaction lists, with as many stored rows as it would have asked for. */
function listed(
  rows: readonly StoredImage[],
  ops: readonly WriteOp[],
  given: Spec,
  after: RowImage | null,
): Listed {
  const plainList = prepareList(orders, given)
  const order = rangeOrder(orders, plainList.orderBy)
  const list = { ...plainList, after: after === null ? null : orderValues(order, after) }
  const byId = new Map(rows.map(({ image }) => [keyOfImage(orders, image)[0], image]))
  // What the writes need of the store is asked for first.
  const asked = new Set(updatedKeys(orders, ops).map(([id]) => id))
  const own = ownRows(orders, ops, ([id]) => {
    expect(asked).toContain(id)
    return byId.get(id)
  })
  const range = ordered(rows, list, order)
  const stored = range.slice(0, list.limit + own.size)
  const more = range.length > stored.length
  const page = mergePage({ table: orders, list, stored, more, own, matches: () => true })
  return {
    page,
    ids: page.images.map((image) => imageToRow(orders, image)['id']),
    guard: digestOf(range.slice(0, page.guarded)),
  }
}

function ordered(
  rows: readonly StoredImage[],
  list: ReturnType<typeof prepareList>,
  order: ReturnType<typeof rangeOrder>,
): StoredImage[] {
  return rows
    .filter(({ image }) => meetsAll(image, list.where))
    .filter(
      ({ image }) =>
        list.after === null || compareInOrder(order, orderValues(order, image), list.after) > 0,
    )
    .toSorted((a, b) =>
      compareInOrder(order, orderValues(order, a.image), orderValues(order, b.image)),
    )
}

function digestOf(rows: readonly StoredImage[]): string {
  return rangeDigest(
    orders,
    rows.map(({ image, version }) => ({ key: keyOfImage(orders, image), version })),
  )
}

/** The rows after the writes, by carrying out one after the other on all of them. */
function written(rows: readonly StoredImage[], ops: readonly WriteOp[]): StoredImage[] {
  const byId = new Map(rows.map(({ image }) => [keyOfImage(orders, image)[0], [...image]]))
  for (const op of ops) {
    if ('rows' in op) {
      for (const row of op.rows) byId.set(keyOfImage(orders, row)[0], [...row])
    } else if (op.kind === 'delete') byId.delete(op.key[0])
    else {
      const image = byId.get(op.key[0])
      for (const { column, op: cell } of op.cells) {
        if (image !== undefined && cell.kind === 'set') image[column] = cell.value
      }
    }
  }
  return [...byId.values()].map((image) => ({ image, version: 'v' }))
}

const situation = fc.tuple(storedRows, fc.array(write, { maxLength: 4 }), spec, cursorRow)

test('a page is that of all rows under all writes', () => {
  fc.assert(
    fc.property(situation, ([rows, ops, given, cursor]) => {
      const after = cursor === null ? null : imageOf('orders', { ...cursor })
      const found = listed(imagesOf(rows), ops, given, after)
      const list = prepareList(orders, given)
      const order = rangeOrder(orders, list.orderBy)
      const behind = { ...list, after: after === null ? null : orderValues(order, after) }
      const all = ordered(written(imagesOf(rows), ops), behind, order)
      const expected = all.slice(0, list.limit).map(({ image }) => imageToRow(orders, image)['id'])
      expect(found.ids).toEqual(expected)
      // A full page says where it ends; any other, that nothing follows.
      expect(found.page.end === null).toBe(expected.length < list.limit)
    }),
    { numRuns: 1000 },
  )
})

test('what changes a page breaks its guard', () => {
  let changedPages = 0
  let keptGuards = 0
  let missedByLess = 0
  fc.assert(
    fc.property(situation, plain, fc.boolean(), ([rows, ops, given, cursor], other, isDelete) => {
      const after = cursor === null ? null : imageOf('orders', { ...cursor })
      const before = listed(imagesOf(rows), ops, given, after)
      const rest = rows.filter(({ id }) => id !== other.id)
      const now = imagesOf(isDelete ? rest : [...rest, other], other.id)
      const later = listed(now, ops, given, after)
      // The guard is looked at again with the bounds that it was made with.
      const list = prepareList(orders, given)
      const order = rangeOrder(orders, list.orderBy)
      const behind = { ...list, after: after === null ? null : orderValues(order, after) }
      const { guarded } = before.page
      const guard = digestOf(ordered(now, behind, order).slice(0, guarded))
      const isChanged = JSON.stringify(later.page.images) !== JSON.stringify(before.page.images)
      const touches = new Set(updatedKeys(orders, ops).map(([id]) => id))
      // A row that is updated is read by its key as well: that read breaks, too.
      if (isChanged && !touches.has(other.id)) {
        changedPages += 1
        expect(guard).not.toBe(before.guard)
        const [less, lessNow] = [imagesOf(rows), now].map((all) =>
          digestOf(ordered(all, behind, order).slice(0, guarded - 1)),
        )
        if (less === lessNow) missedByLess += 1
      }
      if (guard === before.guard) keptGuards += 1
    }),
    { numRuns: 1500 },
  )
  expect(changedPages).toBeGreaterThan(100)
  expect(keptGuards).toBeGreaterThan(100)
  // A guard of one row less would let some of these changes through.
  expect(missedByLess).toBeGreaterThan(10)
})
