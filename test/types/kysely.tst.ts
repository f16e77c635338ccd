import type { Insertable, Kysely, Updateable } from 'kysely'
import { describe, expect, test } from 'tstyche'
import { integer, json, set, text, timestamp } from '../../src/schema/columns.ts'
import { defineSchema, table } from '../../src/schema/define.ts'
import type { KyselyTables, QueryRow } from '../../src/schema/row-types.ts'

const schema = defineSchema({
  tables: {
    plans: table({ id: text().primaryKey() }, { consistency: 'strong', scope: 'global' }),
    orders: table(
      {
        id: text().primaryKey(),
        day: text(),
        at: timestamp(),
        email: text().encrypted({ lookup: 'exact' }),
        note: text().encrypted().optional(),
        details: json<{ a: number }>(),
        amountCents: integer().optional(),
      },
      { consistency: 'pinned' },
    ),
    carts: table({ id: text().primaryKey(), tags: set() }, { consistency: 'eventual' }),
  },
  views: (v) => ({
    revenue: v('orders')
      .groupBy('day')
      .select((a) => ({ total: a.sum('amountCents') })),
    count: v('orders')
      .groupBy()
      .select((a) => ({ orders: a.count() }))
      .acrossTenants(),
  }),
})
type Tables = KyselyTables<typeof schema, 'tenant'>
declare const q: Kysely<Tables>

type Rows<B extends { execute(): Promise<unknown> }> =
  Awaited<ReturnType<B['execute']>> extends readonly (infer R)[] ? QueryRow<R> : never

describe('Kysely', () => {
  test('sees the tables and views of the scope', () => {
    expect<keyof Tables>().type.toBe<'orders' | 'carts' | 'revenue'>()
    expect<keyof KyselyTables<typeof schema, 'global'>>().type.toBe<'plans' | 'count'>()
  })

  test('selects every column with its public type', () => {
    const query = q.selectFrom('orders').where('day', '=', 'd').selectAll()
    expect<Rows<typeof query>>().type.toBe<{
      id: string
      day: string
      at: Date
      email: string
      note: string | null
      details: { a: number }
      amountCents: number | null
    }>()
  })

  test('selects encrypted columns under an alias and through joins', () => {
    const query = q
      .selectFrom('orders as o')
      .innerJoin('carts as c', 'c.id', 'o.id')
      .leftJoin('revenue as r', 'r.day', 'o.day')
      .select(['o.email as address', 'c.tags', 'r.total'])
    expect<Rows<typeof query>>().type.toBe<{
      address: string
      tags: readonly string[]
      total: number | null
    }>()
  })

  test('compares plain columns', () => {
    q.selectFrom('orders').where('at', '>', new Date(0)).where('amountCents', 'in', [1, 2])
    // @ts-expect-error is not assignable
    q.selectFrom('orders').where('amountCents', '=', 'x')
  })

  test('compares no encrypted column with a value', () => {
    // @ts-expect-error is not assignable
    q.selectFrom('orders').where('email', '=', 'a@b.c')
    // @ts-expect-error is not assignable
    q.selectFrom('orders').where('email', 'in', ['a@b.c'])
    // @ts-expect-error is not assignable
    q.selectFrom('orders').where('email', 'like', 'a%')
    // @ts-expect-error is not assignable
    q.selectFrom('orders').where('note', '=', 'x')
    // @ts-expect-error is not assignable
    q.selectFrom('orders').where((eb) => eb('orders.email', '=', 'a@b.c'))
    // @ts-expect-error is not assignable
    q.selectFrom('orders').where((eb) => eb.and({ email: 'a@b.c' }))
    // @ts-expect-error is not assignable
    q.selectFrom('orders').having('email', '=', 'a@b.c')
  })

  test('asks whether an optional encrypted column is null', () => {
    q.selectFrom('orders').where('note', 'is', null)
  })

  test('compares neither JSON nor sets, which are stored as text', () => {
    // @ts-expect-error does not exist in type 'SelectOnly
    q.selectFrom('orders').where('details', '=', { a: 1 })
    // @ts-expect-error is not assignable
    q.selectFrom('carts').where('tags', '=', ['a'])
  })

  test('writes no column', () => {
    expect<keyof Insertable<Tables['carts']>>().type.toBe<never>()
    expect<keyof Updateable<Tables['carts']>>().type.toBe<never>()
  })
})
