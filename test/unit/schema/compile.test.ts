import { describe, expect, it } from 'vitest'
import { bigint, counter, integer, text, timestamp } from '../../../src/schema/columns.ts'
import { compileSchema } from '../../../src/schema/compile.ts'
import { defineSchema, table, type Schema, type Tables } from '../../../src/schema/define.ts'
import type { SchemaLock } from '../../../src/schema/lock.ts'
import { parseLock, serializeLock } from '../../../src/schema/lock-file.ts'
import { showsTenant, viewColumns } from '../../../src/schema/view-columns.ts'
import { codeOf, compiled, schema, tableNamed } from './fixtures.ts'

const id = text().primaryKey()
const pinned = { consistency: 'pinned' } as const

/** The ids of all columns, as `table.column`. */
function columnIds(schema: Schema, lock?: SchemaLock): Record<string, string> {
  const { compiled } = compileSchema(schema, lock)
  return Object.fromEntries(
    compiled.tables.flatMap((t) =>
      t.columns.map((c) => [`${t.name}.${c.name}`, `${t.id}.${c.id}`]),
    ),
  )
}

function ofTables(tables: Tables): Schema {
  return defineSchema({ tables })
}

describe('the fingerprint of a schema', () => {
  const pair = (...names: readonly string[]): Schema =>
    ofTables(Object.fromEntries(names.map((name) => [name, table({ id }, pinned)])))

  it('is that of its lock, and tells apart who numbers the same tables otherwise', () => {
    const { compiled, lock } = compileSchema(pair('a', 'b'))
    expect(compiled.fingerprint).toBe(lock.fingerprint)
    expect(compileSchema(pair('b', 'a'), lock).compiled.fingerprint).toBe(lock.fingerprint)
    const otherwise = compileSchema(pair('b', 'a')).compiled
    expect(otherwise.version).toBe(compiled.version)
    expect(otherwise.fingerprint).not.toBe(compiled.fingerprint)
  })
})

describe('compileSchema', () => {
  it('gives ids in the order of the declaration when there is no lock', () => {
    const { tables } = compiled
    expect(tables.map((t) => [t.id, t.name, t.physicalName])).toEqual([
      [1, 'plain', 't1'],
      [2, 'strict', 't2'],
      [3, 'merged', 't3'],
    ])
    expect(tableNamed('strict').columns.map((c) => c.id)).toEqual([1, 2, 3, 4, 5, 6, 7])
  })

  it('gives the same result for the same schema and lock', () => {
    const first = compileSchema(schema)
    const second = compileSchema(schema)
    expect(second).toEqual(first)
    const third = compileSchema(schema, first.lock)
    expect(third.lock).toEqual(first.lock)
    expect(third.compiled).toEqual(first.compiled)
  })

  it('keeps ids whatever the order of the declaration, and gives new names new ids', () => {
    const v1 = compileSchema(
      ofTables({ a: table({ id, x: text() }, pinned), b: table({ id }, pinned) }),
    )
    const changed = ofTables({
      c: table({ id }, pinned),
      b: table({ y: integer(), id }, pinned),
      a: table({ z: text(), x: text(), id }, pinned),
    })
    expect(columnIds(changed, v1.lock)).toEqual({
      'a.id': '1.1',
      'a.x': '1.2',
      'a.z': '1.3',
      'b.id': '2.1',
      'b.y': '2.2',
      'c.id': '3.1',
    })
  })

  it('moves the id of a renamed table and column, and remembers the former name', () => {
    const v1 = compileSchema(ofTables({ a: table({ id, x: text() }, pinned) }))
    const renamed = ofTables({
      b: table({ id, y: text().renamedFrom('x') }, { ...pinned, renamedFrom: 'a' }),
    })
    const v2 = compileSchema(renamed, v1.lock)
    expect(columnIds(renamed, v1.lock)).toEqual({ 'b.id': '1.1', 'b.y': '1.2' })
    const compiledTable = tableNamed('b', v2.compiled)
    expect(compiledTable.formerNames).toEqual(['a'])
    expect(compiledTable.columnByName.get('y')?.formerNames).toEqual(['x'])
    // `renamedFrom` may stay in the schema, or go.
    expect(compileSchema(renamed, v2.lock).lock).toEqual(v2.lock)
    const settled = ofTables({ b: table({ id, y: text() }, pinned) })
    expect(compileSchema(settled, v2.lock).lock).toEqual(v2.lock)
  })

  it('never gives an id twice', () => {
    const v1 = compileSchema(
      ofTables({ a: table({ id, x: text() }, pinned), b: table({ id }, pinned) }),
    )
    const v2 = compileSchema(ofTables({ a: table({ id }, pinned) }), v1.lock)
    expect(v2.lock.retired.tables).toEqual([2])
    expect(v2.lock.tables['a']?.retired).toEqual([2])
    const again = ofTables({ a: table({ id, x: text() }, pinned), b: table({ id }, pinned) })
    expect(columnIds(again, v2.lock)).toEqual({ 'a.id': '1.1', 'a.x': '1.3', 'b.id': '3.1' })
  })

  it('raises the version when anything changes, and not otherwise', () => {
    const base = { id, x: text() }
    const v1 = compileSchema(ofTables({ a: table(base, pinned) }))
    expect(v1.compiled.version).toBe(1)
    const changed = [
      ofTables({ a: table({ ...base, y: text() }, pinned) }),
      ofTables({ a: table({ id, x: text().optional() }, pinned) }),
      ofTables({ a: table({ id, x: text().default('a') }, pinned) }),
      ofTables({ a: table(base, { ...pinned, indexes: [['x']] }) }),
      ofTables({ a: table(base, { consistency: 'strong' }) }),
      defineSchema({
        tables: { a: table(base, pinned) },
        views: (v) => ({ rows: v('a').select('x') }),
      }),
    ]
    for (const schema of changed) expect(compileSchema(schema, v1.lock).compiled.version).toBe(2)
    const reordered = ofTables({ a: table({ x: text(), id }, pinned) })
    expect(compileSchema(reordered, v1.lock).compiled.version).toBe(1)
  })

  it('keeps the key in the order of its declaration and images in the order of ids', () => {
    const strict = tableNamed('strict')
    expect(strict.primaryKey.map((c) => c.name)).toEqual(['b', 'a'])
    expect(strict.physical.map((c) => c.name)).toEqual([
      ...['c1', 'c2', 'c3', 'c4', 'b4', 'c5', 'c6', 'c7'],
    ])
    expect(strict.encrypted.map((e) => [e.column.name, e.valueIndex, e.blindIndex])).toEqual([
      ['email', 3, 4],
      ['secret', 5, null],
    ])
    expect(strict.valueIndex.get(6)).toBe(6)
  })

  it('stores encrypted columns as bytes, bigints wide, and merged columns nullable', () => {
    const email = tableNamed('strict').columnByName.get('email')
    expect(email?.storage).toBe('BLOB')
    const merged = tableNamed('merged')
    expect(merged.physical.map((c) => [c.storage, c.wide, c.nullable])).toEqual([
      ['INTEGER', true, false],
      ['INTEGER', false, true],
      ['TEXT', false, true],
      ['TEXT', false, true],
      ['TEXT', false, true],
    ])
    expect(merged.columns.map((c) => c.default)).toEqual([undefined, 0, '[]', '', undefined])
  })

  it('puts strong tables into a log group, and no others', () => {
    expect(compiled.tables.map((t) => t.logGroup)).toEqual([null, 'main', null])
  })

  it('makes unique columns unique indexes', () => {
    expect(tableNamed('strict').indexes).toEqual([{ columns: [6], unique: true }])
    expect(tableNamed('plain').indexes).toEqual([{ columns: [2, 9], unique: false }])
  })
})

describe('views', () => {
  const { compiled } = compileSchema(
    defineSchema({
      tables: {
        cities: table(
          { id, name: text(), at: timestamp(), big: bigint(), people: integer().optional() },
          pinned,
        ),
        plans: table({ id, price: integer() }, { consistency: 'strong', scope: 'global' }),
        carts: table({ id, quantity: counter() }, { consistency: 'eventual' }),
      },
      views: (v) => ({
        groups: v('cities')
          .where('at', '>', new Date(5))
          .where('big', '<=', 7n)
          .where('people', 'is not null')
          .groupBy('name', 'at')
          .select((a) => ({
            n: a.count(),
            s: a.sum('big'),
            m: a.avg('people'),
            last: a.max('at'),
          })),
        top: v('cities').orderBy('people', 'desc').limit(2).select('name').acrossTenants(),
        prices: v('plans').select('id', 'price'),
        total: v('carts')
          .groupBy()
          .select((a) => ({ sum: a.sum('quantity') })),
      }),
    }),
  )
  const view = (name: string) => {
    const found = compiled.viewByName.get(name)
    if (found === undefined) throw new Error(`no view ${name}`)
    return found
  }

  it('are compiled to ids and stored values', () => {
    expect(view('groups').filter).toEqual([
      { columnId: 3, op: '>', value: 5 },
      { columnId: 4, op: '<=', value: 7n },
      { columnId: 5, op: 'is not null', value: null },
    ])
    expect(view('groups').shape).toEqual({
      kind: 'group',
      groupBy: [2, 3],
      aggregates: [
        { name: 'n', fn: 'count', columnId: null },
        { name: 's', fn: 'sum', columnId: 4 },
        { name: 'm', fn: 'avg', columnId: 5 },
        { name: 'last', fn: 'max', columnId: 3 },
      ],
    })
    expect(view('top').shape).toEqual({
      kind: 'top',
      orderBy: [{ columnId: 5, descending: true }],
      limit: 2,
      columns: [2],
    })
  })

  it('span a tenant, all tenants when told so, and the region over global tables', () => {
    const spans = compiled.views.map((v) => [v.name, v.span, showsTenant(v)])
    expect(spans).toEqual([
      ['groups', 'tenant', false],
      ['top', 'region', true],
      ['prices', 'region', false],
      ['total', 'tenant', false],
    ])
  })

  it('name and type their columns in order', () => {
    const columns = (name: string) => viewColumns(view(name)).map((c) => `${c.name}: ${c.type}`)
    expect(columns('groups')).toEqual([
      ...['name: text', 'at: timestamp', 'n: integer', 's: bigint', 'm: real', 'last: timestamp'],
    ])
    expect(columns('top')).toEqual(['tenant: text', 'name: text'])
    expect(columns('prices')).toEqual(['id: text', 'price: integer'])
    expect(columns('total')).toEqual(['sum: counter'])
  })
})

describe('the lock file', () => {
  const { lock } = compileSchema(schema)

  it('comes back as it was written', () => {
    expect(parseLock(serializeLock(lock))).toEqual(lock)
    expect(serializeLock(parseLock(serializeLock(lock)))).toBe(serializeLock(lock))
  })

  it.each<[string, string]>([
    ['text', 'nonsense'],
    ['nothing', ''],
    ['a number', '1'],
    ['a newer form', JSON.stringify({ ...lock, format: 2 })],
    ['a missing part', JSON.stringify({ ...lock, views: undefined })],
    ['an unknown part', JSON.stringify({ ...lock, more: 1 })],
    ['an id that is none', JSON.stringify({ ...lock, views: { v: 0 } })],
    ['a next id that is taken', JSON.stringify({ ...lock, nextTableId: 2 })],
    ['one id for two', JSON.stringify({ ...lock, nextViewId: 2, views: { a: 1, b: 1 } })],
    ['merge marks', `<<<<<<< HEAD\n${serializeLock(lock)}`],
  ])('is refused as %s', (_, text) => {
    expect(codeOf(() => parseLock(text))).toBe('SCHEMA_INVALID')
  })
})
