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
import { defineSchema, table } from '../../src/schema/define.ts'
import type {
  InsertRow,
  RowKey,
  SelectRow,
  TableNames,
  UpdateRow,
} from '../../src/schema/row-types.ts'
import {
  add,
  appendText,
  decrement,
  increment,
  insertText,
  max,
  min,
  remove,
  replaceText,
} from '../../src/schema/operators.ts'

interface Address {
  readonly city: string
}

const every = table(
  {
    id: text().primaryKey(),
    integer: integer(),
    bigint: bigint(),
    real: real(),
    boolean: boolean(),
    timestamp: timestamp(),
    blob: blob(),
    json: json<Address>(),
    maybe: text().optional(),
    status: text().default('open'),
    email: text().encrypted({ lookup: 'exact' }),
    secret: integer().encrypted().optional(),
  },
  { consistency: 'pinned' },
)

const merged = table(
  {
    id: integer().primaryKey(),
    quantity: counter(),
    tags: set(),
    notes: collaborativeText(),
    title: text().optional(),
    size: integer(),
  },
  { consistency: 'eventual' },
)

const pair = table(
  { a: integer().primaryKey(), b: timestamp().primaryKey(), n: integer() },
  { consistency: 'strong', scope: 'global' },
)

type Insert<T extends Parameters<typeof accept>[0]> = InsertRow<T>
declare function accept(table: typeof every | typeof merged | typeof pair): void

describe('a selected row', () => {
  test('has the public type of each column, with null where it is optional', () => {
    expect<SelectRow<typeof every>>().type.toBe<{
      id: string
      integer: number
      bigint: bigint
      real: number
      boolean: boolean
      timestamp: Date
      blob: Uint8Array
      json: Address
      maybe: string | null
      status: string
      email: string
      secret: number | null
    }>()
  })

  test('has plain values for merged columns', () => {
    expect<SelectRow<typeof merged>>().type.toBe<{
      id: number
      quantity: number
      tags: readonly string[]
      notes: string
      title: string | null
      size: number
    }>()
  })
})

describe('an inserted row', () => {
  test('may leave out optional and defaulted columns, and no others', () => {
    type Required = Omit<Insert<typeof every>, 'maybe' | 'status' | 'secret'>
    expect<Required>().type.toBeAssignableTo<Insert<typeof every>>()
    expect<Omit<Required, 'integer'>>().type.not.toBeAssignableTo<Insert<typeof every>>()
    expect<Omit<Required, 'email'>>().type.not.toBeAssignableTo<Insert<typeof every>>()
  })

  test('takes null for optional columns alone', () => {
    type Row = Insert<typeof every>
    expect<null>().type.toBeAssignableTo<Row['maybe']>()
    expect<null>().type.not.toBeAssignableTo<Row['status']>()
    expect<null>().type.not.toBeAssignableTo<Row['integer']>()
  })

  test('may leave out merged columns, and takes any iterable for a set', () => {
    expect<{ id: number; size: number }>().type.toBeAssignableTo<Insert<typeof merged>>()
    expect<{
      id: number
      size: number
      quantity: number
      tags: Set<string>
      notes: string
    }>().type.toBeAssignableTo<Insert<typeof merged>>()
  })

  test('has no column that the table does not have', () => {
    const insert: (row: Insert<typeof pair>) => void = () => undefined
    expect(insert).type.toBeCallableWith({ a: 1, b: new Date(0), n: 2 })
    expect(insert).type.not.toBeCallableWith({ a: 1, b: new Date(0), n: 2, c: 3 })
    expect(insert).type.not.toBeCallableWith({ a: 1, b: 0, n: 2 })
    expect(insert).type.not.toBeCallableWith({ a: 1, b: new Date(0), n: 2n })
  })
})

describe('an update', () => {
  const update: (changes: UpdateRow<typeof every>) => void = () => undefined
  const merge: (changes: UpdateRow<typeof merged>) => void = () => undefined

  test('takes any columns but the key', () => {
    expect(update).type.toBeCallableWith({})
    expect(update).type.toBeCallableWith({ integer: 1, maybe: null, json: { city: 'Paris' } })
    expect(update).type.not.toBeCallableWith({ id: 'x' })
    expect(update).type.not.toBeCallableWith({ integer: null })
    expect(update).type.not.toBeCallableWith({ unknown: 1 })
    expect(update).type.not.toBeCallableWith({ integer: undefined })
  })

  test('takes operators where they make sense', () => {
    expect(update).type.toBeCallableWith({
      integer: increment(1),
      bigint: increment(1n),
      real: decrement(0.5, { floor: 0 }),
      timestamp: max(new Date(0)),
      status: min('a'),
    })
    expect(update).type.toBeCallableWith({ bigint: max(5n) })
    expect(update).type.toBeCallableWith({ bigint: increment(1) })
    expect(update).type.not.toBeCallableWith({ status: increment(1) })
    expect(update).type.not.toBeCallableWith({ boolean: increment(1) })
    expect(update).type.not.toBeCallableWith({ integer: increment(1n) })
    expect(update).type.not.toBeCallableWith({ integer: max('a') })
    expect(update).type.not.toBeCallableWith({ timestamp: max(1) })
    expect(update).type.not.toBeCallableWith({ integer: add('x') })
    expect(update).type.not.toBeCallableWith({ status: appendText('x') })
  })

  test('computes with no encrypted column', () => {
    expect(update).type.toBeCallableWith({ secret: 5, email: 'a@b.c' })
    expect(update).type.not.toBeCallableWith({ secret: increment(1) })
    expect(update).type.not.toBeCallableWith({ email: max('a') })
  })

  test('changes merged columns by their operators, and a counter by nothing else', () => {
    expect(merge).type.toBeCallableWith({
      quantity: increment(2),
      tags: add('a', 'b'),
      notes: insertText(0, 'x'),
      title: 'new',
    })
    expect(merge).type.toBeCallableWith({ tags: remove('a'), notes: [appendText('x')] })
    expect(merge).type.toBeCallableWith({ tags: ['a'], notes: replaceText('x') })
    expect(merge).type.toBeCallableWith({ notes: 'x' })
    expect(merge).type.not.toBeCallableWith({ quantity: 2 })
    expect(merge).type.not.toBeCallableWith({ quantity: increment(2n) })
    expect(merge).type.not.toBeCallableWith({ quantity: decrement(2, { floor: 0 }) })
    expect(merge).type.not.toBeCallableWith({ tags: increment(1) })
    expect(merge).type.not.toBeCallableWith({ notes: add('a') })
  })

  test('only replaces the registers of eventual tables', () => {
    expect(merge).type.toBeCallableWith({ size: 3 })
    expect(merge).type.not.toBeCallableWith({ size: increment(1) })
    expect(merge).type.not.toBeCallableWith({ size: max(1) })
  })
})

describe('a key', () => {
  test('is the bare value of one column', () => {
    expect<RowKey<typeof every>>().type.toBe<string>()
    expect<RowKey<typeof merged>>().type.toBe<number>()
  })

  test('is an object of several columns', () => {
    expect<RowKey<typeof pair>>().type.toBe<{ a: number; b: Date }>()
  })
})

describe('table names', () => {
  const schema = defineSchema({ tables: { every, merged, pair } })
  type S = typeof schema

  test('are told apart by mode and scope', () => {
    expect<TableNames<S>>().type.toBe<'every' | 'merged' | 'pair'>()
    expect<TableNames<S, 'pinned'>>().type.toBe<'every'>()
    expect<TableNames<S, 'eventual' | 'strong'>>().type.toBe<'merged' | 'pair'>()
    expect<TableNames<S, 'strong', 'tenant'>>().type.toBe<never>()
    expect<TableNames<S, 'eventual', 'tenant'>>().type.toBe<'merged'>()
    expect<TableNames<S, 'strong', 'global'>>().type.toBe<'pair'>()
  })
})
