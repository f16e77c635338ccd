import { describe, expect, test } from 'tstyche'
import {
  bigint,
  blob,
  boolean,
  collaborativeText,
  counter,
  integer,
  json,
  real,
  set,
  text,
  timestamp,
} from '../../src/schema/columns.ts'
import { defineSchema, table, type Table } from '../../src/schema/define.ts'

describe('columns', () => {
  test('merged ones are neither encrypted, optional, unique, defaulted nor keys', () => {
    for (const column of [counter(), set(), collaborativeText()]) {
      expect(column).type.not.toHaveProperty('encrypted')
      expect(column).type.not.toHaveProperty('optional')
      expect(column).type.not.toHaveProperty('unique')
      expect(column).type.not.toHaveProperty('default')
      expect(column).type.not.toHaveProperty('primaryKey')
    }
  })

  test('keys are text, integer, bigint or timestamp', () => {
    expect(text()).type.toHaveProperty('primaryKey')
    expect(integer()).type.toHaveProperty('primaryKey')
    expect(bigint()).type.toHaveProperty('primaryKey')
    expect(timestamp()).type.toHaveProperty('primaryKey')
    expect(real()).type.not.toHaveProperty('primaryKey')
    expect(boolean()).type.not.toHaveProperty('primaryKey')
    expect(blob()).type.not.toHaveProperty('primaryKey')
    expect(json()).type.not.toHaveProperty('primaryKey')
  })

  test('keys are neither optional nor encrypted', () => {
    const key = text().primaryKey()
    expect(key).type.not.toHaveProperty('optional')
    expect(key).type.not.toHaveProperty('encrypted')
    expect(key).type.not.toHaveProperty('default')
    expect(text().optional()).type.not.toHaveProperty('primaryKey')
    expect(text().encrypted()).type.not.toHaveProperty('primaryKey')
  })

  test('unique ones are not encrypted', () => {
    expect(text().unique()).type.not.toHaveProperty('encrypted')
    expect(text().encrypted()).type.not.toHaveProperty('unique')
  })

  test('a default has the type of the column', () => {
    expect(integer().default).type.toBeCallableWith(1)
    expect(integer().default).type.not.toBeCallableWith('1')
    expect(json<{ a: number }>().default).type.not.toBeCallableWith({ a: 'x' })
  })

  test('exact lookups are for types whose values have one form', () => {
    expect(text().encrypted).type.toBeCallableWith({ lookup: 'exact' as const })
    expect(json().encrypted).type.toBeCallableWith()
    expect(json().encrypted).type.not.toBeCallableWith({ lookup: 'exact' as const })
    expect(real().encrypted).type.not.toBeCallableWith({ lookup: 'exact' as const })
  })
})

describe('tables', () => {
  const id = text().primaryKey()

  test('say how consistent they are', () => {
    expect(table).type.not.toBeCallableWith({ id }, {})
    expect(table).type.toBeCallableWith({ id }, { consistency: 'strong' as const })
  })

  test('that are pinned belong to tenants', () => {
    table({ id }, { consistency: 'pinned', scope: 'tenant' })
    table({ id }, { consistency: 'strong', scope: 'global' })
    // @ts-expect-error not assignable
    table({ id }, { consistency: 'pinned', scope: 'global' })
  })

  test('have merged columns when they are eventual, and only then', () => {
    table({ id, n: counter() }, { consistency: 'eventual' })
    // @ts-expect-error are for eventual tables
    table({ id, n: counter() }, { consistency: 'pinned' })
    // @ts-expect-error are for eventual tables
    table({ id, n: set() }, { consistency: 'strong' })
  })

  test('have unique columns unless they are eventual', () => {
    table({ id, n: integer().unique() }, { consistency: 'strong' })
    // @ts-expect-error Eventual tables cannot keep unique columns
    table({ id, n: integer().unique() }, { consistency: 'eventual' })
  })

  test('end rows by a plain timestamp', () => {
    table({ id, at: timestamp().optional() }, { consistency: 'pinned', ttl: 'at' })
    // @ts-expect-error not assignable
    table({ id, at: timestamp().encrypted() }, { consistency: 'pinned', ttl: 'at' })
    // @ts-expect-error not assignable
    table({ id, at: integer() }, { consistency: 'pinned', ttl: 'at' })
    // @ts-expect-error not assignable
    table({ id, at: timestamp() }, { consistency: 'pinned', ttl: 'missing' })
  })

  test('index plain columns', () => {
    table({ id, a: integer(), b: text() }, { consistency: 'pinned', indexes: [['a', 'b']] })
    // @ts-expect-error not assignable
    table({ id, a: text().encrypted() }, { consistency: 'pinned', indexes: [['a']] })
    // @ts-expect-error not assignable
    table({ id, a: json() }, { consistency: 'pinned', indexes: [['a']] })
  })

  test('settle concurrent deletes when they are eventual', () => {
    table({ id }, { consistency: 'eventual', onConcurrentDelete: 'updateWins' })
    // @ts-expect-error not assignable
    table({ id }, { consistency: 'pinned', onConcurrentDelete: 'updateWins' })
  })

  test('keep their columns, mode and scope as types', () => {
    const plans = table({ id }, { consistency: 'strong', scope: 'global' })
    const orders = table({ id }, { consistency: 'pinned' })
    expect(plans).type.toBe<Table<{ id: typeof id }, 'strong', 'global'>>()
    expect(orders).type.toBe<Table<{ id: typeof id }, 'pinned', 'tenant'>>()
    expect(defineSchema({ tables: { plans, orders } }).tables.orders).type.toBe<typeof orders>()
  })
})
