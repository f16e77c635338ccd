import { describe, expect, test } from 'vitest'
import { integer, text, timestamp } from '../../../../src/schema/columns.ts'
import { compileSchema } from '../../../../src/schema/compile.ts'
import type { CompiledSchema } from '../../../../src/schema/compiled.ts'
import { defineSchema, table, type Views } from '../../../../src/schema/define.ts'
import { openWorld, put } from './support.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- views of tables that differ by test
type Loose = any

/** A table `rows`, with what it has more, and these views. */
function schemaOf(
  views: (v: Loose) => Loose,
  more: Readonly<Record<string, Loose>> = {},
  options: object = {},
): CompiledSchema {
  const columns = {
    id: text().primaryKey(),
    kind: text(),
    amount: integer(),
    ends: timestamp().optional(),
  }
  const tables = { rows: table({ ...columns, ...more }, { consistency: 'pinned', ...options }) }
  return compileSchema(defineSchema({ tables, views: views as () => Views })).compiled
}

const total =
  (name = 'total') =>
  (v: Loose) => ({
    kinds: v('rows')
      .groupBy('kind')
      .select((a: Loose) => ({ [name]: a.sum('amount'), most: a.max('amount') })),
  })

async function names(world: Awaited<ReturnType<typeof openWorld>>): Promise<string> {
  return String(
    await world.value(`SELECT group_concat(name, ' ') FROM (SELECT name FROM sqlite_schema
      WHERE name GLOB 'v[0-9]*' OR name GLOB 'm[0-9]*' ORDER BY name)`),
  )
}

async function openRows(schema: CompiledSchema) {
  const world = await openWorld({ schema })
  await world.write([
    put(world, 'rows', 'a', { id: '1', kind: 'k', amount: 1 }),
    put(world, 'rows', 'b', { id: '1', kind: 'k', amount: 5 }),
  ])
  expect(await world.settle()).toEqual([])
  return world
}

describe('installing views', () => {
  test('a view that is gone leaves nothing behind, in the store and on its source', async () => {
    const world = await openRows(schemaOf(total()))
    expect(await names(world)).toBe('v1 v1_order v1_source_0')
    await world.migrate(schemaOf(() => ({})))
    expect(await names(world)).toBe('null')
    expect(await world.value('SELECT count(*) FROM _views')).toBe(0)
  })

  test('a view that means something else is built anew, from the log', async () => {
    const world = await openRows(schemaOf(total()))
    await world.migrate(
      schemaOf((v) => ({
        kinds: v('rows').orderBy('amount', 'desc').limit(1).select('amount').acrossTenants(),
      })),
    )
    expect(await names(world)).toBe('m1 v1 v1_order v1_source_0')
    expect(await world.settle()).toEqual([])
    expect(await world.read('kinds', '')).toEqual([['b', 5]])
  })

  test('a view whose aggregates have other names stays as it is', async () => {
    const world = await openRows(schemaOf(total()))
    await world.migrate(schemaOf(total('sum')))
    expect(world.views.position()).toBe(2)
    expect(await world.settle()).toEqual([])
  })

  test('a new view catches up while the others wait where they are', async () => {
    const world = await openRows(schemaOf(total()))
    await world.migrate(
      schemaOf((v) => ({
        ...total()(v),
        list: v('rows').where('amount', '>', 1).select('amount'),
      })),
    )
    await world.write([put(world, 'rows', 'a', { id: '2', kind: 'k', amount: 7 })])
    expect(await world.settle()).toEqual([])
    expect(await world.read('list', 'a')).toEqual([[7]])
  })

  test('a table that gets a TTL rebuilds its views, which then follow it', async () => {
    const world = await openRows(schemaOf(total()))
    await world.migrate(schemaOf(total(), {}, { ttl: 'ends' }))
    await world.write([
      put(world, 'rows', 'a', { id: '1', kind: 'k', amount: 9, ends: world.nowMs + 10 }),
    ])
    expect(await world.settle()).toEqual([])
    world.nowMs += 10
    expect(await world.settle()).toEqual([])
    expect(await world.read('kinds', 'a')).toEqual([])
  })

  test('images from before a column was added have its default, as the rows do', async () => {
    const world = await openRows(schemaOf(total()))
    await world.migrate(
      schemaOf(
        (v) => ({
          ...total()(v),
          levels: v('rows')
            .groupBy('level')
            .select((a: Loose) => ({ rows: a.count() })),
        }),
        { level: integer().default(3) },
      ),
    )
    expect(await world.settle()).toEqual([])
    expect(await world.read('levels', 'a')).toEqual([[3, 1]])
    await world.write([put(world, 'rows', 'a', { id: '1', kind: 'k', amount: 1, level: 4 })])
    expect(await world.settle()).toEqual([])
    expect(await world.read('levels', 'a')).toEqual([[4, 1]])
  })
})
