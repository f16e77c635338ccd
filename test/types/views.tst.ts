import { describe, expect, test } from 'tstyche'
import {
  bigint,
  boolean,
  counter,
  integer,
  json,
  real,
  text,
  timestamp,
} from '../../src/schema/columns.ts'
import { defineSchema, table, type Schema } from '../../src/schema/define.ts'
import type { ViewNames } from '../../src/schema/row-types.ts'
import type { ViewGroup, ViewRow, ViewSpanOf } from '../../src/schema/view-builder.ts'

const tables = {
  plans: table(
    { id: text().primaryKey(), priceCents: integer() },
    { consistency: 'strong', scope: 'global' },
  ),
  orders: table(
    {
      id: text().primaryKey(),
      day: text(),
      region: text().optional(),
      email: text().encrypted(),
      amountCents: integer(),
      weight: real().optional(),
      big: bigint(),
      open: boolean(),
      at: timestamp(),
      details: json<{ a: number }>(),
    },
    { consistency: 'pinned' },
  ),
  carts: table({ id: text().primaryKey(), quantity: counter() }, { consistency: 'eventual' }),
}

const schema = defineSchema({
  tables,
  views: (v) => ({
    revenue: v('orders')
      .where('open', '=', true)
      .where('region', 'is not null')
      .groupBy('day', 'region')
      .select((a) => ({
        total: a.sum('amountCents'),
        big: a.sum('big'),
        weight: a.sum('weight'),
        average: a.avg('amountCents'),
        averageWeight: a.avg('weight'),
        last: a.max('at'),
        orders: a.count(),
      })),
    grandTotal: v('orders')
      .groupBy()
      .select((a) => ({ orders: a.count() }))
      .acrossTenants(),
    latest: v('orders').orderBy('at', 'desc').orderBy('day').limit(10).select('id', 'email'),
    latestOfAll: v('orders').orderBy('at', 'desc').limit(10).select('id').acrossTenants(),
    open: v('orders').where('open', '=', true).select('id', 'details', 'region'),
    plansByPrice: v('plans').orderBy('priceCents').limit(3).select('id'),
    quantities: v('carts')
      .groupBy()
      .select((a) => ({ sum: a.sum('quantity'), most: a.max('quantity') })),
  }),
})
type V = (typeof schema)['views']

describe('the rows of a view', () => {
  test('of groups have the group columns and the aggregates', () => {
    expect<ViewRow<V['revenue']>>().type.toBeAssignableTo<{
      day: string
      region: string | null
      total: number
      big: bigint
      weight: number | null
      average: number
      averageWeight: number | null
      last: Date
      orders: number
    }>()
    expect<ViewRow<V['revenue']>['weight']>().type.toBe<number | null>()
    expect<ViewRow<V['revenue']>['total']>().type.toBe<number>()
    expect<ViewRow<V['quantities']>>().type.toBeAssignableTo<{ sum: number; most: number }>()
  })

  test('of a top list and of a selection have the selected columns', () => {
    expect<ViewRow<V['latest']>>().type.toBe<{ id: string; email: string }>()
    expect<ViewRow<V['open']>>().type.toBe<{
      id: string
      details: { a: number }
      region: string | null
    }>()
  })

  test('say whose they are where they span tenants and are not grouped', () => {
    expect<ViewRow<V['latestOfAll']>['tenant']>().type.toBe<string>()
    expect<ViewRow<V['grandTotal']>>().type.not.toHaveProperty('tenant')
    expect<ViewRow<V['plansByPrice']>>().type.not.toHaveProperty('tenant')
  })
})

describe('a view', () => {
  test('is found by its group', () => {
    expect<ViewGroup<V['revenue']>>().type.toBe<{ day: string; region: string | null }>()
  })

  test('spans a tenant, or the region', () => {
    expect<ViewSpanOf<V['revenue']>>().type.toBe<'tenant'>()
    expect<ViewSpanOf<V['latestOfAll']>>().type.toBe<'region'>()
    expect<ViewSpanOf<V['plansByPrice']>>().type.toBe<'region'>()
    type S = Schema<typeof tables, V>
    expect<ViewNames<S, 'tenant'>>().type.toBe<'revenue' | 'latest' | 'open' | 'quantities'>()
    expect<ViewNames<S, 'global'>>().type.toBe<'grandTotal' | 'latestOfAll' | 'plansByPrice'>()
  })
})

describe('a declaration', () => {
  test('that makes no sense does not compile', () => {
    defineSchema({
      tables,
      views: (v) => {
        const orders = v('orders')
        // @ts-expect-error not assignable
        v('missing')
        // @ts-expect-error not assignable
        orders.groupBy('email')
        // @ts-expect-error not assignable
        orders.groupBy('details')
        // @ts-expect-error not assignable
        v('carts').groupBy('quantity')
        // @ts-expect-error is not assignable
        orders.where('email', '=', 'a')
        // @ts-expect-error is not assignable
        orders.where('amountCents', '=', '5')
        // @ts-expect-error not assignable
        orders.orderBy('email')
        // @ts-expect-error not assignable
        orders.groupBy('day').select((a) => ({ x: a.sum('day') }))
        // @ts-expect-error not assignable
        orders.groupBy('day').select((a) => ({ x: a.max('email') }))
        // @ts-expect-error not assignable
        orders.select('missing')
        // @ts-expect-error does not exist
        orders.orderBy('day').select('id')
        // @ts-expect-error does not exist
        v('plans').select('id').acrossTenants()
        return {}
      },
    })
  })
})
