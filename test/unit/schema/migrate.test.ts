import { describe, expect, it } from 'vitest'
import { MeridianError } from '../../../src/core/errors.ts'
import type { Store } from '../../../src/core/ports/store.ts'
import { integer, text, timestamp, type Column } from '../../../src/schema/columns.ts'
import { compileSchema, type CompileResult } from '../../../src/schema/compile.ts'
import { defineSchema, table, type Table } from '../../../src/schema/define.ts'
import { decodeImage } from '../../../src/schema/image.ts'
import type { SchemaLock } from '../../../src/schema/lock.ts'
import { prepareStore, type PreparedStore } from '../../../src/schema/migrate.ts'
import { beginContext } from '../../../src/schema/system-tables.ts'
import { insertRows } from '../../../src/sql/write-rows.ts'
import { compiled, openStore, random, schema, tableNamed } from './fixtures.ts'

/** A schema of one pinned table. */
function orders(columns: Record<string, Column>, lock?: SchemaLock, options = {}): CompileResult {
  const orders = table(columns, { consistency: 'pinned', ...options }) as Table
  return compileSchema(defineSchema({ tables: { orders } }), lock)
}

const base = { id: text().primaryKey(), amount: integer() }

async function dump(store: Store): Promise<unknown> {
  const [objects] = await store.read([
    { sql: 'SELECT name, sql FROM sqlite_schema ORDER BY name', args: [] },
  ])
  const [meta] = await store.read([{ sql: 'SELECT * FROM _meta ORDER BY key', args: [] }])
  return [objects?.rows, meta?.rows]
}

function prepare(
  store: Store,
  { compiled }: Pick<CompileResult, 'compiled'>,
): Promise<PreparedStore> {
  return prepareStore(store, compiled, { random })
}

async function differences(preparing: Promise<unknown>): Promise<string> {
  const error = await preparing.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof MeridianError)) throw new Error(`not refused: ${String(error)}`)
  expect(error.code).toBe('SCHEMA_INCOMPATIBLE')
  return (error.details['differences'] as string[]).join('\n')
}

/** Inserts rows of `orders` with these images, captured by the triggers; gives their images back. */
async function writeAndCapture(
  store: Store,
  { compiled }: Pick<CompileResult, 'compiled'>,
  image: readonly (string | number | null)[],
  hlc: string,
): Promise<unknown> {
  const orders = tableNamed('orders', compiled)
  const row = { tenant: 'acme', image, version: '1', epoch: 1 }
  await store.write([
    beginContext({
      txId: 'tx',
      hlc,
      epoch: 1,
      cause: 'user',
      schemaVersion: compiled.version,
      capture: true,
      origin: null,
    }),
    insertRows(orders, [row]),
  ])
  const [result] = await store.read([
    { sql: 'SELECT after FROM _outbox ORDER BY seq DESC LIMIT 1', args: [] },
  ])
  return decodeImage(orders, String(result?.rows[0]?.[0]))
}

describe('prepareStore', () => {
  it('creates everything in a fresh store, and nothing the second time', async () => {
    const store = await openStore()
    const first = await prepareStore(store, compiled, { random })
    expect(first.incarnation).toMatch(/^[0-9a-f]{8}$/)
    expect(first.lastHlc).toBe('0000000000000000')
    expect(first.changes).toEqual(['table `plain`', 'table `strict`', 'table `merged`'])
    const before = await dump(store)
    let commits = 0
    store.onCommit(() => commits++)
    const second = await prepareStore(store, compileSchema(schema).compiled, { random })
    expect(second).toEqual({ ...first, changes: [] })
    expect(commits).toBe(0)
    expect(await dump(store)).toEqual(before)
  })

  it('draws one incarnation a store', async () => {
    const [a, b] = [await openStore(), await openStore()]
    const first = await prepareStore(a, compiled, { random })
    const second = await prepareStore(b, compiled, { random })
    expect(first.incarnation).not.toBe(second.incarnation)
  })

  it('gives back the clock row that earlier transactions left', async () => {
    const store = await openStore()
    const v1 = orders(base)
    await prepare(store, v1)
    await writeAndCapture(store, v1, ['o1', 5], '00000000000a0001')
    expect((await prepare(store, v1)).lastHlc).toBe('00000000000a0001')
  })

  it('lets two that prepare a fresh store at once agree on one incarnation', async () => {
    const store = await openStore()
    const prepared = await Promise.all(
      [1, 2, 3].map(() => prepareStore(store, compiled, { random })),
    )
    expect(new Set(prepared.map((p) => p.incarnation)).size).toBe(1)
  })

  it('adds columns, an index, a TTL and a table, and captures the new columns', async () => {
    const store = await openStore()
    const v1 = orders(base)
    await prepare(store, v1)
    await writeAndCapture(store, v1, ['o1', 5], '00000000000a0001')
    const v2 = orders(
      {
        note: text().default("it's new"),
        ...base,
        expiresAt: timestamp().optional(),
        email: text().encrypted({ lookup: 'exact' }).optional(),
      },
      v1.lock,
      { ttl: 'expiresAt', indexes: [['amount']] },
    )
    const { changes } = await prepare(store, v2)
    expect(changes).toEqual([
      'column `orders.note`',
      'column `orders.expiresAt`',
      'column `orders.email`',
      'the TTL of `orders`',
      'the index of amount in `orders`',
    ])
    const image = await writeAndCapture(
      store,
      v2,
      ['o2', 6, 'n', 9, null, null],
      '00000000000a0002',
    )
    expect(image).toEqual(['o2', 6, 'n', 9, null, null])
    const [rows] = await store.read([{ sql: 'SELECT c1, c2, c3, c4 FROM t1', args: [] }])
    expect(rows?.rows).toEqual([
      ['o1', 5, "it's new", null],
      ['o2', 6, 'n', 9],
    ])
    const [old] = await store.read([{ sql: 'SELECT after FROM _outbox LIMIT 1', args: [] }])
    const table = tableNamed('orders', v2.compiled)
    expect(decodeImage(table, String(old?.rows[0]?.[0]))).toEqual([
      ...['o1', 5, "it's new", null, null, null],
    ])
    expect((await prepare(store, v2)).changes).toEqual([])
  })

  it('gives a migrated store the same columns and indexes as a fresh one', async () => {
    const [migrated, fresh] = [await openStore(), await openStore()]
    const v1 = orders(base)
    const v2 = orders({ ...base, n: integer().default(-3), at: timestamp().optional() }, v1.lock, {
      ttl: 'at',
      indexes: [['n', 'at']],
    })
    await prepare(migrated, v1)
    await prepare(migrated, v2)
    await prepare(fresh, v2)
    const describe = async (store: Store): Promise<unknown> => {
      const results = await store.read([
        {
          sql: `SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_info('t1')`,
          args: [],
        },
        {
          sql: `SELECT name, sql FROM sqlite_schema WHERE type IN ('index', 'trigger') ORDER BY name`,
          args: [],
        },
        { sql: `SELECT value FROM _meta WHERE key = 'schema'`, args: [] },
      ])
      return results.map((r) => r.rows)
    }
    expect(await describe(migrated)).toEqual(await describe(fresh))
  })

  it('changes nothing for a rename that the lock knows', async () => {
    const store = await openStore()
    const v1 = orders(base)
    await prepare(store, v1)
    const before = await dump(store)
    const v2 = orders({ id: base.id, cents: integer().renamedFrom('amount') }, v1.lock)
    expect(v2.compiled.version).toBe(2)
    expect((await prepare(store, v2)).changes).toEqual([])
    expect(await dump(store)).toEqual(before)
  })

  it('takes a store of the next schema, whose new columns and tables can be left out', async () => {
    const store = await openStore()
    const v1 = orders(base)
    const v2 = orders({ ...base, note: text().default('x'), memo: text().optional() }, v1.lock)
    await prepare(store, v2)
    const before = await dump(store)
    expect((await prepare(store, v1)).changes).toEqual([])
    expect(await dump(store)).toEqual(before)
    expect(await writeAndCapture(store, v1, ['o1', 5], '00000000000a0001')).toEqual(['o1', 5])
    const [rows] = await store.read([{ sql: 'SELECT c3, c4 FROM t1', args: [] }])
    expect(rows?.rows).toEqual([['x', null]])
  })

  it.each<[string, Record<string, Column>, object, RegExp]>([
    ['a new required column', { ...base, a: text() }, {}, /`orders.a` is new/],
    ['a new unique column', { ...base, a: text().optional().unique() }, {}, /`orders.a` is new/],
    ['another type', { id: base.id, amount: text() }, {}, /type is integer, not text/],
    [
      'encryption',
      { id: base.id, amount: integer().encrypted() },
      {},
      /encryption is null, not none/,
    ],
    ['a column made optional', { id: base.id, amount: integer().optional() }, {}, /`optional`/],
    ['a removed column', { id: base.id }, {}, /`orders.amount` was removed/],
    ['another key', { ...base, id: text(), amount: integer().primaryKey() }, {}, /primary key/],
    [
      'a column made unique',
      { id: base.id, amount: integer().unique() },
      {},
      /uniqueness of amount is new/,
    ],
    ['another mode', base, { consistency: 'strong' }, /`consistency` is pinned, not strong/],
  ])('refuses %s and writes nothing', async (_, columns, options, expected) => {
    const store = await openStore()
    const v1 = orders(base)
    await prepare(store, v1)
    const before = await dump(store)
    expect(await differences(prepare(store, orders(columns, v1.lock, options)))).toMatch(expected)
    expect(await dump(store)).toEqual(before)
  })

  it('refuses a removed table', async () => {
    const store = await openStore()
    const v1 = compileSchema(schema)
    await prepare(store, v1)
    const { plain, merged } = schema.tables
    const v2 = compileSchema(defineSchema({ tables: { plain, merged } }), v1.lock)
    expect(await differences(prepare(store, v2))).toBe('table `strict` was removed')
  })

  it('refuses a schema that, without its lock, gave one id to two names', async () => {
    const store = await openStore()
    await prepare(store, orders({ ...base, a: text().optional(), b: text().optional() }))
    const reordered = orders({ ...base, b: text().optional(), a: text().optional() })
    expect(await differences(prepare(store, reordered))).toMatch(
      /its name in the store is a, not b/,
    )
  })

  it('refuses a schema that adds what a newer store does not have', async () => {
    const store = await openStore()
    const v1 = orders(base)
    const v2 = orders({ ...base, a: text().optional() }, v1.lock)
    const v3 = orders({ ...base, a: text().optional(), b: text().optional() }, v2.lock)
    const branch = orders({ ...base, c: text().optional() }, v1.lock)
    await prepare(store, v3)
    expect(await differences(prepare(store, branch))).toBe(
      'column `orders.c`: its name in the store is a, not c',
    )
  })
})
