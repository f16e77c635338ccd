import { describe, expect, it } from 'vitest'
import {
  blob,
  collaborativeText,
  counter,
  integer,
  json,
  set,
  text,
  timestamp,
} from '../../../src/schema/columns.ts'
import { defineSchema, table, type Table } from '../../../src/schema/define.ts'
import { errorOf } from './fixtures.ts'

const id = text().primaryKey()

/** A table with whatever columns and options, as JavaScript may give them. */
function loose(columns: unknown, options: unknown = { consistency: 'pinned' }): Table {
  return (table as (columns: unknown, options: unknown) => Table)(columns, options)
}

/** The message of the refusal of a schema of this one table. */
function refusal(table: unknown, name = 'orders'): string {
  const error = errorOf(() => defineSchema({ tables: { [name]: table as Table } }))
  expect(error.code).toBe('SCHEMA_INVALID')
  expect(error.fix).toBeDefined()
  return error.message
}

describe('names', () => {
  it.each(['Orders', '_orders', '1x', 'a-b', 'o'.repeat(64), 'ä', ''])('%j is no name', (name) => {
    expect(refusal(loose({ id }), name)).toMatch(/cannot name a table/)
    expect(refusal(loose({ id, [name]: text() }))).toMatch(/cannot name a column/)
  })

  it.each(['then', 'catch', 'finally', 'constructor', 'toString', 'valueOf', 'hasOwnProperty'])(
    '`%s`, which every object or promise has, is reserved',
    (name) => {
      expect(refusal(loose({ id }), name)).toMatch(/reserved/)
      expect(refusal(loose({ id, [name]: text() }))).toMatch(/reserved/)
    },
  )

  it('`__proto__` is no name', () => {
    const columns: unknown = JSON.parse('{"__proto__":0}')
    expect(refusal(loose({ id, ...(columns as object) }))).toMatch(/cannot name a column/)
  })

  it.each([
    ...['query', 'view', 'views', 'transaction', 'tenant', 'tenants', 'close', 'session', 'status'],
    ...['select', 'order', 'group', 't1', 'v22', 'sqlite_master', 'json_each', 'pragma_x'],
  ])('no table is called `%s`', (name) => {
    expect(refusal(loose({ id }), name)).toMatch(/reserved/)
  })

  it('no column is called `tenant`, but one may be called `order`', () => {
    expect(refusal(loose({ id, tenant: text() }))).toMatch(/reserved/)
    expect(defineSchema({ tables: { orders: loose({ id, order: text() }) } })).toBeDefined()
  })

  it('that differ in case alone are refused', () => {
    expect(refusal(loose({ id, userId: text(), userid: text() }))).toMatch(/one name to SQL/)
    const tables = { userIds: loose({ id }), userids: loose({ id }) }
    expect(errorOf(() => defineSchema({ tables })).message).toMatch(/one name to SQL/)
  })

  it('of views and tables are told apart', () => {
    const orders = table({ id }, { consistency: 'pinned' })
    const define = (): unknown =>
      defineSchema({ tables: { orders }, views: (v) => ({ orders: v('orders').select('id') }) })
    expect(errorOf(define).message).toMatch(/one name to SQL/)
  })
})

describe('a table', () => {
  it.each<[string, unknown, RegExp]>([
    ['no columns', loose({}), /no primary key/],
    ['no key', loose({ a: text() }), /no primary key/],
    ['no mode', loose({ id }, {}), /how consistent/],
    ['an unknown mode', loose({ id }, { consistency: 'weak' }), /how consistent/],
    ['an unknown scope', loose({ id }, { consistency: 'strong', scope: 'all' }), /scope/],
    [
      'pinned rows for all',
      loose({ id }, { consistency: 'pinned', scope: 'global' }),
      /pinned and global/,
    ],
    ['a column that is none', loose({ id, a: 'text' }), /`orders.a` is not a column/],
    ['a counter', loose({ id, a: counter() }), /counter in a pinned table/],
    ['a set', loose({ id, a: set() }, { consistency: 'strong' }), /set in a strong table/],
    ['a text to edit together', loose({ id, a: collaborativeText() }), /collaborativeText in a/],
    [
      'unique columns that merge',
      loose({ id, a: text().unique() }, { consistency: 'eventual' }),
      /unique in an eventual/,
    ],
    [
      'a TTL on a missing column',
      loose({ id }, { consistency: 'pinned', ttl: 'at' }),
      /`at`, which does not exist/,
    ],
    [
      'a TTL on a text',
      loose({ id }, { consistency: 'pinned', ttl: 'id' }),
      /not a plain timestamp/,
    ],
    [
      'an encrypted TTL',
      loose({ id, at: timestamp().encrypted() }, { consistency: 'pinned', ttl: 'at' }),
      /not a plain timestamp/,
    ],
    ['an index on nothing', loose({ id }, { consistency: 'pinned', indexes: [[]] }), /empty/],
    [
      'an index on a missing column',
      loose({ id }, { consistency: 'pinned', indexes: [['x']] }),
      /`x`, which does not exist/,
    ],
    [
      'an index on an inherited name',
      loose({ id }, { consistency: 'pinned', indexes: [['toString']] }),
      /does not exist/,
    ],
    [
      'an index on ciphertext',
      loose({ id, a: text().encrypted() }, { consistency: 'pinned', indexes: [['a']] }),
      /is encrypted/,
    ],
    [
      'an index on JSON',
      loose({ id, a: json() }, { consistency: 'pinned', indexes: [['a']] }),
      /type json/,
    ],
    [
      'an index twice',
      loose({ id }, { consistency: 'pinned', indexes: [['id'], ['id']] }),
      /twice/,
    ],
    [
      'a default of another type',
      loose({ id, a: integer().default('x' as never) }),
      /default of `orders.a`.*is a text/,
    ],
    [
      'a rename from what is there',
      loose({ id, a: text(), b: text().renamedFrom('a') }),
      /still there/,
    ],
    [
      'an unknown winner',
      loose({ id }, { consistency: 'eventual', onConcurrentDelete: 'x' }),
      /onConcurrentDelete/,
    ],
    ['nothing', undefined, /is not a table/],
  ])('with %s is refused', (_, table, message) => {
    expect(refusal(table)).toMatch(message)
  })

  it('is a tenant`s and lets deletes win unless it says otherwise', () => {
    const { scope, onConcurrentDelete } = table({ id }, { consistency: 'eventual' })
    expect([scope, onConcurrentDelete]).toEqual(['tenant', 'deleteWins'])
  })

  it('is needed in every schema', () => {
    expect(errorOf(() => defineSchema({ tables: {} })).code).toBe('SCHEMA_INVALID')
  })
})

describe('a view', () => {
  const orders = table(
    {
      id,
      day: text(),
      email: text().encrypted(),
      amount: integer(),
      details: json(),
      file: blob().optional(),
    },
    { consistency: 'pinned' },
  )
  // oxlint-disable-next-line typescript/no-explicit-any -- what JavaScript can write
  type Loose = any
  const refusal = (make: (v: Loose) => unknown): string => {
    const views = (v: unknown): never => ({ revenue: make(v as Loose) }) as never
    const error = errorOf(() => defineSchema({ tables: { orders }, views }))
    expect(error.code).toBe('SCHEMA_INVALID')
    return error.message
  }

  it.each<[string, (v: Loose) => unknown, RegExp]>([
    ['reads a missing table', (v) => v('carts').select('id'), /`carts`, which does not exist/],
    [
      'filters by ciphertext',
      (v) => v('orders').where('email', '=', 'a').select('id'),
      /is encrypted/,
    ],
    ['filters by JSON', (v) => v('orders').where('details', '=', 1).select('id'), /type json/],
    [
      'filters by another type',
      (v) => v('orders').where('amount', '=', 'x').select('id'),
      /is a text/,
    ],
    ['filters by null', (v) => v('orders').where('amount', '=', null).select('id'), /is null/],
    [
      'filters by an unknown operator',
      (v) => v('orders').where('amount', 'like', 1).select('id'),
      /unknown operator/,
    ],
    [
      'groups by ciphertext',
      (v) =>
        v('orders')
          .groupBy('email')
          .select((a: Loose) => ({ n: a.count() })),
      /is encrypted/,
    ],
    [
      'groups by a column twice',
      (v) =>
        v('orders')
          .groupBy('day', 'day')
          .select((a: Loose) => ({ n: a.count() })),
      /twice/,
    ],
    [
      'aggregates nothing',
      (v) =>
        v('orders')
          .groupBy('day')
          .select(() => ({})),
      /aggregates nothing/,
    ],
    [
      'sums a text',
      (v) =>
        v('orders')
          .groupBy()
          .select((a: Loose) => ({ n: a.sum('day') })),
      /type text/,
    ],
    [
      'takes the largest ciphertext',
      (v) =>
        v('orders')
          .groupBy()
          .select((a: Loose) => ({ n: a.max('email') })),
      /is encrypted/,
    ],
    [
      'names an aggregate like a group column',
      (v) =>
        v('orders')
          .groupBy('day')
          .select((a: Loose) => ({ day: a.count() })),
      /one name to SQL/,
    ],
    [
      'names an aggregate `constructor`',
      (v) =>
        v('orders')
          .groupBy()
          .select((a: Loose) => ({ constructor: a.count() })),
      /reserved/,
    ],
    [
      'orders by ciphertext',
      (v) => v('orders').orderBy('email').limit(1).select('id'),
      /is encrypted/,
    ],
    ['keeps no rows', (v) => v('orders').orderBy('day').limit(0).select('id'), /limit/],
    ['keeps too many rows', (v) => v('orders').orderBy('day').limit(1e6).select('id'), /limit/],
    ['selects nothing', (v) => v('orders').select(), /selects nothing/],
    [
      'shows ciphertext of many tenants',
      (v) => v('orders').select('email').acrossTenants(),
      /encrypted with the key of its tenant/,
    ],
    ['selects a missing column', (v) => v('orders').select('x'), /`x`, which does not exist/],
  ])('that %s is refused', (_, make, message) => {
    expect(refusal(make)).toMatch(message)
  })

  it('may show ciphertext to those who can decrypt it', () => {
    const { views } = defineSchema({
      tables: { orders },
      views: (v) => ({ mails: v('orders').select('email', 'file') }),
    })
    expect(views.mails.definition.shape).toEqual({ kind: 'select', columns: ['email', 'file'] })
  })
})
