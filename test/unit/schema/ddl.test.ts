import { describe, expect, it } from 'vitest'
import { StatementFailed, type Statement, type Store } from '../../../src/core/ports/store.ts'
import { INT64_MAX, INT64_MIN, type SqlValue } from '../../../src/core/values.ts'
import { bigint, blob, integer, real, text } from '../../../src/schema/columns.ts'
import { compileSchema } from '../../../src/schema/compile.ts'
import { addColumn, createTable } from '../../../src/schema/ddl.ts'
import { defineSchema, table } from '../../../src/schema/define.ts'
import { prepareStore } from '../../../src/schema/migrate.ts'
import { compiled, openStore, random, tableNamed } from './fixtures.ts'

async function prepared(): Promise<Store> {
  const store = await openStore()
  await prepareStore(store, compiled, { random })
  return store
}

function insert(name: string, cells: Record<string, SqlValue>): Statement {
  const physical = tableNamed(name).physicalName
  const columns = ['tenant', '_ver', '_epoch', ...Object.keys(cells)]
  return {
    sql: `INSERT INTO ${physical} (${columns.join()}) VALUES (${columns.map(() => '?').join()})`,
    args: ['acme', '1', 1, ...Object.values(cells)],
  }
}

async function failure(store: Store, statement: Statement): Promise<string> {
  const error: unknown = await store.write([statement]).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  return error instanceof StatementFailed ? error.kind : 'stored'
}

describe('a physical table', () => {
  it('is named by ids alone, as are its indexes and triggers', async () => {
    const store = await prepared()
    const [objects] = await store.read([
      {
        sql: `SELECT name FROM sqlite_schema WHERE tbl_name GLOB 't[0-9]*' AND name NOT LIKE 'sqlite%'`,
        args: [],
      },
    ])
    const names = (objects?.rows ?? []).map((row) => String(row[0]))
    expect(names.length).toBeGreaterThan(15)
    for (const name of names)
      expect(name).toMatch(/^t\d+(_(unique|ttl|insert|update|delete|[bc]\d+))*$/)
  })

  it('refuses numbers that nobody could read back, and takes null', async () => {
    const store = await prepared()
    const tooLarge = BigInt(Number.MAX_SAFE_INTEGER) + 1n
    expect(await failure(store, insert('plain', { c1: 'a', c2: tooLarge }))).toBe('check')
    expect(await failure(store, insert('plain', { c1: 'a', c2: -tooLarge }))).toBe('check')
    expect(await failure(store, insert('plain', { c1: 'a', c4: Number.POSITIVE_INFINITY }))).toBe(
      'check',
    )
    expect(await failure(store, insert('plain', { c1: 'a', c3: 'x' }))).toBe('type')
    const extremes = { c1: 'a', c2: Number.MAX_SAFE_INTEGER, c3: INT64_MIN, c4: -Number.MAX_VALUE }
    expect(await failure(store, insert('plain', extremes))).toBe('stored')
    expect(await failure(store, insert('plain', { c1: 'b', c2: null, c4: null }))).toBe('stored')
  })

  it('keeps a tombstone of an eventual row, all NULL but its key', async () => {
    const store = await prepared()
    const tombstone = { c1: 5, _crdt: new Uint8Array([1]), _visible: 0 }
    const nulls = { c2: null, c3: null, c4: null, c5: null, y4: null }
    expect(await failure(store, insert('merged', { ...tombstone, ...nulls }))).toBe('stored')
    expect(await failure(store, insert('merged', { ...tombstone, c1: null }))).toBe('not-null')
  })

  it('lets a merge store a counter beyond the safe integers', async () => {
    const store = await prepared()
    const row = { c1: 5, c2: INT64_MAX, _crdt: new Uint8Array(), _visible: 1 }
    expect(await failure(store, insert('merged', row))).toBe('stored')
  })

  it('keeps keys and unique columns within a tenant', async () => {
    const store = await prepared()
    const row = (a: string, code: string): Statement =>
      insert('strict', {
        c1: 1,
        c2: a,
        c3: 1,
        c4: new Uint8Array(),
        b4: new Uint8Array(),
        c6: code,
        c7: '1',
      })
    expect(await failure(store, row('a', 'x'))).toBe('stored')
    expect(await failure(store, row('a', 'y'))).toBe('unique')
    expect(await failure(store, row('b', 'x'))).toBe('unique')
    const [, ...args] = row('a', 'x').args
    const other = { ...row('a', 'x'), args: ['other', ...args] }
    expect(await failure(store, other)).toBe('stored')
  })

  it('requires every column that is not optional', async () => {
    const store = await prepared()
    const row = { c1: 1, c2: 'a', c4: new Uint8Array(), b4: new Uint8Array(), c6: 'x' }
    expect(await failure(store, insert('strict', row))).toBe('not-null')
    const withCount = { ...row, c7: '1' }
    expect(await failure(store, insert('strict', { ...withCount, c3: null }))).toBe('not-null')
    expect(await failure(store, insert('strict', withCount))).toBe('stored')
  })

  it('uses its index for exact lookups, expiry and keys', async () => {
    const store = await prepared()
    const plan = async (sql: string): Promise<string> => {
      const [result] = await store.read([{ sql: `EXPLAIN QUERY PLAN ${sql}`, args: [] }])
      return String(result?.rows[0]?.[3])
    }
    expect(await plan('SELECT * FROM t2 WHERE tenant = 1 AND b4 = 1')).toMatch(/INDEX t2_b4/)
    expect(await plan('SELECT * FROM t1 WHERE c6 <= 5')).toMatch(/INDEX t1_ttl_c6/)
    expect(await plan('SELECT * FROM t1 WHERE tenant = 1 AND c2 = 5')).toMatch(/INDEX t1_c2_c9/)
    expect(await plan('SELECT * FROM t2 WHERE tenant = 1 AND c1 = 1 AND c2 = 2')).toMatch(/^SEARCH/)
  })
})

describe('defaults', () => {
  it('are exact in SQL: for old rows, and for writers that do not know the column', async () => {
    const store = await openStore()
    const columns = {
      text: text().default("a'b\u{1f600}"),
      least: bigint().default(INT64_MIN),
      most: bigint().default(INT64_MAX),
      real: real().default(0.1),
      tiny: real().default(5e-324),
      negative: integer().default(-5),
      blob: blob().default(Uint8Array.of(0, 255)),
    }
    const { compiled } = compileSchema(
      defineSchema({
        tables: {
          old: table({ id: text().primaryKey() }, { consistency: 'pinned' }),
          new: table({ id: text().primaryKey(), ...columns }, { consistency: 'pinned' }),
        },
      }),
    )
    await prepareStore(store, compiled, { random })
    const made = tableNamed('new', compiled)
    const altered = { ...made, physicalName: 't1' }
    await store.write([
      { sql: `INSERT INTO t1 (tenant, c1, _ver, _epoch) VALUES ('', 'k', '', 0)`, args: [] },
      ...made.columns
        .slice(1)
        .flatMap((c) => addColumn(altered, c))
        .map((sql) => ({ sql, args: [] })),
      { sql: `INSERT INTO t2 (tenant, c1, _ver, _epoch) VALUES ('', 'k', '', 0)`, args: [] },
    ])
    const names = made.physical.map((c) => c.name).join()
    const [check] = await store.read([
      { sql: 'SELECT quick_check FROM pragma_quick_check', args: [] },
    ])
    expect(check?.rows).toEqual([['ok']])
    const results = await store.read([
      { sql: `SELECT ${names} FROM t1`, args: [], bigints: true },
      { sql: `SELECT ${names} FROM t2`, args: [], bigints: true },
    ])
    const expected = [
      'k',
      "a'b\u{1f600}",
      INT64_MIN,
      INT64_MAX,
      0.1,
      5e-324,
      -5n,
      Uint8Array.of(0, 255),
    ]
    expect(results.map((r) => r.rows)).toStrictEqual([[expected], [expected]])
    const nothing = { sql: `UPDATE t2 SET c5 = NULL`, args: [] }
    expect(await failure(store, nothing)).toBe('check')
  })
})

describe('where rows lie', () => {
  it('is the key`s own tree for small rows, and a table of its own for large ones', () => {
    const [plain, strict, merged] = compiled.tables.map((t) => createTable(t)[0])
    const { tables } = compileSchema(
      defineSchema({
        tables: { small: table({ id: text().primaryKey() }, { consistency: 'pinned' }) },
      }),
    ).compiled
    expect(tables.map((t) => createTable(t)[0]).join()).toMatch(/WITHOUT ROWID$/)
    for (const sql of [plain, strict, merged]) expect(sql).not.toMatch(/WITHOUT ROWID/)
  })
})
