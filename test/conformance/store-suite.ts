/** What every driver of the Store port must do. */
import * as fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { StatementFailed, type Statement, type Store } from '../../src/core/ports/store.ts'
import type { SqlValue } from '../../src/core/values.ts'
import { failureOf } from './support/failure.ts'
import {
  MODEL_READ,
  MODEL_TABLE,
  modelMembers,
  modelStatements,
  runModel,
} from './support/group-model.ts'

const sql = (text: string, ...args: SqlValue[]): Statement => ({ sql: text, args })

const TABLE = `CREATE TABLE item (k INTEGER PRIMARY KEY, u TEXT UNIQUE, c INTEGER CHECK (c >= 0),
  n TEXT NOT NULL DEFAULT '', p INTEGER REFERENCES item (k)) STRICT`

/** `open`: a new, empty store. The suite closes it. `modelRuns`: fewer where a commit takes longer. */
export function describeStoreSuite(
  name: string,
  open: () => Promise<Store>,
  { modelRuns = 200 }: { readonly modelRuns?: number } = {},
): void {
  const openStore = async (...definitions: string[]): Promise<Store> => {
    const store = await open()
    onTestFinished(() => store.close())
    if (definitions.length > 0) await store.write(definitions.map((text) => sql(text)))
    return store
  }

  describe(`${name}: writes`, () => {
    test('give a result for every statement, inside the transaction', async () => {
      const store = await openStore(TABLE)
      const results = await store.write([
        sql('INSERT INTO item (k, u) VALUES (1, ?), (2, ?)', 'a', 'b'),
        sql('UPDATE item SET c = 5'),
        sql('SELECT k, c FROM item ORDER BY k'),
        sql('DELETE FROM item WHERE k = 1 RETURNING u'),
      ])
      expect(results.map((result) => result.rows)).toEqual([
        [],
        [],
        [
          [1, 5],
          [2, 5],
        ],
        [['a']],
      ])
      expect(results.slice(0, 2).map((result) => result.rowsAffected)).toEqual([2, 2])
    })

    test('that are acknowledged are seen by the next read', async () => {
      const store = await openStore(TABLE)
      for (let k = 1; k <= 20; k++) {
        await store.write([sql('INSERT INTO item (k) VALUES (?)', k)])
        const [result] = await store.read([sql('SELECT max(k) FROM item')])
        expect(result?.rows).toEqual([[k]])
      }
    })

    test('that fail store nothing and name the statement and its kind', async () => {
      const store = await openStore(
        TABLE,
        `CREATE TRIGGER stop BEFORE INSERT ON item WHEN new.k = 99
          BEGIN SELECT RAISE(ABORT, 'stopped'); END`,
      )
      await store.write([sql("INSERT INTO item (k, u) VALUES (1, 'a')")])
      const failures: readonly (readonly [string, string])[] = [
        ["INSERT INTO item (k, u) VALUES (3, 'a')", 'unique'],
        ['INSERT INTO item (k) VALUES (1)', 'unique'],
        ['INSERT INTO item (k, c) VALUES (3, -1)', 'check'],
        ['INSERT INTO item (k, n) VALUES (3, NULL)', 'not-null'],
        ['INSERT INTO item (k, p) VALUES (3, 77)', 'foreign-key'],
        ["INSERT INTO item (k, c) VALUES (3, 'x')", 'type'],
        ['INSERT INTO item (k) VALUES (99)', 'raise'],
        ['INSERT INTO nowhere VALUES (1)', 'other'],
      ]
      for (const [text, kind] of failures) {
        const write = store.write([sql('INSERT INTO item (k) VALUES (2)'), sql(text)])
        const error = await failureOf(write)
        expect(error, text).toBeInstanceOf(StatementFailed)
        expect(error, text).toMatchObject({ statementIndex: 1, kind })
      }
      const [result] = await store.read([sql('SELECT k FROM item')])
      expect(result?.rows).toEqual([[1]])
    })

    test('take effect in the order of the calls', async () => {
      const store = await openStore(
        'CREATE TABLE seen (place INTEGER PRIMARY KEY AUTOINCREMENT, call INTEGER) STRICT',
      )
      const calls = Array.from({ length: 500 }, (_, call) => call)
      const writes: Promise<unknown>[] = []
      for (const call of calls) {
        // Some are handed over while earlier ones are being written.
        if (call % 60 === 59) await new Promise((resolve) => setImmediate(resolve))
        writes.push(store.write([sql('INSERT INTO seen (call) VALUES (?)', call)]))
      }
      await Promise.all(writes)
      const [result] = await store.read([sql('SELECT call FROM seen ORDER BY place')])
      expect(result?.rows.map((row) => row[0])).toEqual(calls)
    })

    test(
      'handed over together succeed or fail as if each ran alone',
      { timeout: 120_000 },
      async () => {
        const store = await openStore(...MODEL_TABLE)
        await fc.assert(
          fc.asyncProperty(modelMembers, async (members) => {
            await store.write([sql('DELETE FROM model')])
            const settled = await Promise.allSettled(
              members.map((member) => store.write(modelStatements(member))),
            )
            const [read] = await store.read([sql(MODEL_READ)])
            const failedAt = settled.map((outcome) =>
              outcome.status === 'rejected'
                ? (outcome.reason as StatementFailed).statementIndex
                : undefined,
            )
            expect({ failedAt, rows: read?.rows }).toEqual(runModel(members))
          }),
          { numRuns: modelRuns },
        )
      },
    )

    test('whose constraints are checked at the commit fail alone', async () => {
      const store = await openStore(
        'CREATE TABLE parent (k INTEGER PRIMARY KEY) STRICT',
        `CREATE TABLE child (p INTEGER REFERENCES parent (k) DEFERRABLE INITIALLY DEFERRED) STRICT`,
      )
      const settled = await Promise.allSettled([
        store.write([sql('INSERT INTO parent VALUES (1)')]),
        store.write([sql('INSERT INTO child VALUES (2)')]),
        store.write([sql('INSERT INTO child VALUES (3)'), sql('INSERT INTO parent VALUES (3)')]),
      ])
      expect(settled.map((outcome) => outcome.status)).toEqual([
        'fulfilled',
        'rejected',
        'fulfilled',
      ])
      expect(settled[1]).toMatchObject({ reason: { kind: 'foreign-key', statementIndex: 0 } })
      const [child] = await store.read([sql('SELECT p FROM child')])
      expect(child?.rows).toEqual([[3]])
    })

    test('that ask for too many rows fail alone', async () => {
      const store = await openStore(TABLE)
      const insert = (k: number): Statement => sql('INSERT INTO item (k) VALUES (?)', k)
      const many = 'INSERT INTO item (k) SELECT value FROM json_each(?) RETURNING k'
      const settled = await Promise.allSettled([
        store.write([insert(1)]),
        store.write([insert(2), { sql: many, args: ['[5,6,7]'], maxRows: 2 }]),
        store.write([insert(3)]),
      ])
      expect(settled[1]).toMatchObject({ reason: { code: 'RESULT_TOO_LARGE' } })
      const [result] = await store.read([sql('SELECT k FROM item')])
      expect(result?.rows).toEqual([[1], [3]])
    })

    test('do not run transaction control, settings or several statements in one', async () => {
      const store = await openStore(TABLE)
      const refused = [
        'COMMIT',
        ' /* x */ rollback',
        '-- x\nBEGIN',
        'SAVEPOINT a',
        'RELEASE a',
        "ATTACH 'x' AS y",
        'VACUUM',
        'PRAGMA foreign_keys = OFF',
        'PRAGMA synchronous(0)',
      ]
      for (const text of refused) {
        const write = store.write([sql('INSERT INTO item (k) VALUES (1)'), sql(text)])
        expect(await failureOf(write), text).toMatchObject({ code: 'QUERY_REFUSED' })
      }
      for (const text of ['DELETE FROM item; DELETE FROM item', '', ' -- nothing']) {
        const write = store.write([sql('INSERT INTO item (k) VALUES (1)'), sql(text)])
        expect(await failureOf(write), text).toMatchObject({ code: 'INVALID_ARGUMENT' })
      }
      const [result] = await store.read([sql('SELECT count(*) FROM item')])
      expect(result?.rows).toEqual([[0]])
    })

    test('with too few or too many arguments are refused', async () => {
      const store = await openStore(TABLE)
      for (const args of [[], [1, 2]]) {
        const write = store.write([{ sql: 'INSERT INTO item (k) VALUES (?) -- ?', args }])
        expect(await failureOf(write)).toMatchObject({ code: 'INVALID_ARGUMENT' })
      }
    })
  })

  describe(`${name}: values`, () => {
    const readBack = async (
      store: Store,
      value: SqlValue,
      bigints: boolean,
    ): Promise<SqlValue[]> => {
      const [result] = await store.write([
        { sql: 'SELECT ?, typeof(?)', args: [value, value], bigints },
      ])
      return [...(result?.rows[0] ?? [])]
    }

    test('of every type come back as they went in', async () => {
      const store = await openStore('CREATE TABLE cell (k INTEGER PRIMARY KEY, v ANY) STRICT')
      const value: fc.Arbitrary<SqlValue> = fc.oneof(
        fc.constant(null),
        fc.maxSafeInteger(),
        fc.double({ noNaN: true }).filter((x) => !Object.is(x, -0)),
        fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0')),
        fc.uint8Array(),
      )
      await fc.assert(
        fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 20 }), async (values) => {
          await store.write([
            sql('DELETE FROM cell'),
            ...values.map((cell, k) => sql('INSERT INTO cell VALUES (?, ?)', k, cell)),
          ])
          const [result] = await store.read([sql('SELECT v FROM cell ORDER BY k')])
          expect(result?.rows).toStrictEqual(values.map((cell) => [cell]))
        }),
        { numRuns: 100 },
      )
    })

    test('that are integral are integers to SQL, whatever their JavaScript type', async () => {
      const store = await openStore()
      expect(await readBack(store, 5, false)).toEqual([5, 'integer'])
      expect(await readBack(store, -0, false)).toEqual([0, 'integer'])
      expect(await readBack(store, 5n, false)).toEqual([5, 'integer'])
      expect(await readBack(store, 2 ** 53 - 1, true)).toEqual([2n ** 53n - 1n, 'integer'])
      expect(await readBack(store, -(2 ** 53 - 1), true)).toEqual([1n - 2n ** 53n, 'integer'])
      expect(await readBack(store, 5.5, true)).toEqual([5.5, 'real'])
      expect(await readBack(store, 1e300, true)).toEqual([1e300, 'real'])
    })

    test('of 64 bits keep every bit when asked for as bigint', async () => {
      const store = await openStore('CREATE TABLE big (v INTEGER) STRICT')
      const values = [-(2n ** 63n), -(2n ** 53n) - 1n, 2n ** 53n + 1n, 2n ** 63n - 1n]
      await store.write(values.map((value) => sql('INSERT INTO big VALUES (?)', value)))
      const [result] = await store.read([
        { sql: 'SELECT v FROM big ORDER BY v', args: [], bigints: true },
      ])
      expect(result?.rows).toEqual(values.map((value) => [value]))
    })

    test('that would be stored as something else are refused before anything is written', async () => {
      const store = await openStore('CREATE TABLE cell (v ANY) STRICT')
      const refused: unknown[] = ['a\0b', '\ud800', Number.NaN, 2n ** 63n, true, undefined, {}]
      for (const value of refused) {
        const args = [value as SqlValue]
        const write = store.write([
          sql('INSERT INTO cell VALUES (1)'),
          { sql: 'INSERT INTO cell VALUES (?)', args },
        ])
        expect(await failureOf(write)).toMatchObject({ code: 'INVALID_VALUE' })
        const read = store.read([{ sql: 'SELECT ?', args }])
        expect(await failureOf(read)).toMatchObject({ code: 'INVALID_VALUE' })
      }
      const [result] = await store.read([sql('SELECT count(*) FROM cell')])
      expect(result?.rows).toEqual([[0]])
    })

    test('of 4 MiB come back whole', async () => {
      const store = await openStore('CREATE TABLE cell (t TEXT, b BLOB) STRICT')
      const text = 'é'.repeat(2 * 1024 * 1024)
      const bytes = new Uint8Array(4 * 1024 * 1024).map((_, i) => i)
      await store.write([sql('INSERT INTO cell VALUES (?, ?)', text, bytes)])
      const [result] = await store.read([sql('SELECT t, b FROM cell')])
      expect(result?.rows[0]?.[0] === text).toBe(true)
      expect(Buffer.compare(result?.rows[0]?.[1] as Uint8Array, bytes)).toBe(0)
    })
  })

  describe(`${name}: reads`, () => {
    test('of several statements see one snapshot while others write', async () => {
      const store = await openStore('CREATE TABLE n (v INTEGER) STRICT', 'INSERT INTO n VALUES (0)')
      let isDone = false
      const writer = async (): Promise<void> => {
        while (!isDone) await store.write([sql('UPDATE n SET v = v + 1')])
      }
      const writers = [writer(), writer()]
      const slow = `WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 20000)
        SELECT count(*) FROM c`
      const seen = new Set<SqlValue>()
      for (let round = 0; round < 40; round++) {
        const results = await store.read([
          sql('SELECT v FROM n'),
          sql(slow),
          sql('SELECT v FROM n'),
        ])
        const [before, , after] = results.map((result) => result.rows[0]?.[0])
        expect(after).toBe(before)
        seen.add(before ?? null)
        await new Promise((resolve) => setImmediate(resolve))
      }
      isDone = true
      await Promise.all(writers)
      expect(seen.size).toBeGreaterThan(1)
    })

    test('cannot write, and the store goes on', async () => {
      const store = await openStore(TABLE)
      for (const text of ['INSERT INTO item (k) VALUES (1)', 'DROP TABLE item']) {
        expect(await failureOf(store.read([sql(text)]))).toMatchObject({ code: 'QUERY_REFUSED' })
        expect(await failureOf(store.query(sql(text)))).toMatchObject({ code: 'QUERY_REFUSED' })
      }
      const pair = [sql('SELECT 1'), sql('DELETE FROM item')]
      expect(await failureOf(store.read(pair))).toMatchObject({ code: 'QUERY_REFUSED' })
      await store.write([sql('INSERT INTO item (k) VALUES (1)')])
      const [result] = await store.read([sql('SELECT count(*) FROM item'), sql('SELECT 1')])
      expect(result?.rows).toEqual([[1]])
    })

    test('that fail name the statement', async () => {
      const store = await openStore(TABLE)
      const error = await failureOf(store.read([sql('SELECT 1'), sql('SELECT * FROM nowhere')]))
      expect(error).toMatchObject({ statementIndex: 1, kind: 'other' })
    })

    test('beyond maxRows are refused and hold no snapshot afterwards', async () => {
      const store = await openStore(TABLE)
      const endless = `WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c)
        SELECT i FROM c`
      const read = store.read([{ sql: endless, args: [], maxRows: 1000 }])
      expect(await failureOf(read)).toMatchObject({ code: 'RESULT_TOO_LARGE' })
      await store.write([sql('INSERT INTO item (k) VALUES (1)')])
      const [result] = await store.read([{ ...sql('SELECT k FROM item'), maxRows: 1 }])
      expect(result?.rows).toEqual([[1]])
    })

    test('see a table as a later definition left it', async () => {
      const store = await openStore('CREATE TABLE grows (a INTEGER) STRICT')
      await store.write([sql('INSERT INTO grows VALUES (1)')])
      const read = async (): Promise<unknown> =>
        (await store.read([sql('SELECT * FROM grows')]))[0]?.rows
      expect(await read()).toEqual([[1]])
      await store.write([sql('ALTER TABLE grows ADD COLUMN b INTEGER DEFAULT 7')])
      expect(await read()).toEqual([[1, 7]])
    })

    test('by query tell the names and origins of columns', async () => {
      const store = await openStore(TABLE)
      const { columns, rows } = await store.query(
        sql('SELECT i.k AS id, u, c + 1 AS more, ? FROM item AS i', 1),
      )
      expect(rows).toEqual([])
      expect(columns).toEqual([
        { name: 'id', table: 'item', column: 'k' },
        { name: 'u', table: 'item', column: 'u' },
        { name: 'more', table: null, column: null },
        { name: '?', table: null, column: null },
      ])
    })
  })

  describe(`${name}: listeners and close`, () => {
    test('a listener runs after every commit that wrote, and only then', async () => {
      const store = await openStore(TABLE)
      let commits = 0
      const remove = store.onCommit(() => commits++)
      await store.write([sql('INSERT INTO item (k) VALUES (1)')])
      expect(commits).toBe(1)
      await store.write([sql('INSERT INTO item (k) VALUES (2) RETURNING k')])
      expect(commits).toBe(2)
      await store.write([sql('UPDATE item SET c = 1 WHERE k = 77'), sql('SELECT 1')])
      await failureOf(store.write([sql('INSERT INTO item (k) VALUES (1)')]))
      await store.read([sql('SELECT 1')])
      expect(commits).toBe(2)
      remove()
      await store.write([sql('INSERT INTO item (k) VALUES (3)')])
      expect(commits).toBe(2)
    })

    test('a listener sees what was committed', async () => {
      const store = await openStore(TABLE)
      const seen: Promise<readonly { readonly rows: unknown }[]>[] = []
      store.onCommit(() => seen.push(store.read([sql('SELECT count(*) FROM item')])))
      await store.write([sql('INSERT INTO item (k) VALUES (1)')])
      expect((await seen[0])?.[0]?.rows).toEqual([[1]])
    })

    test('closing finishes the waiting writes and refuses later calls', async () => {
      const store = await openStore(TABLE)
      const writes = Array.from({ length: 300 }, (_, k) =>
        store.write([sql('INSERT INTO item (k) VALUES (?)', k)]),
      )
      const closing = store.close()
      const late = [
        store.write([sql('DELETE FROM item')]),
        store.read([sql('SELECT 1')]),
        store.query(sql('SELECT 1')),
      ]
      for (const call of late) expect(await failureOf(call)).toMatchObject({ code: 'CLOSED' })
      const settled = await Promise.allSettled(writes)
      expect(settled.every((outcome) => outcome.status === 'fulfilled')).toBe(true)
      await closing
      await store.close()
    })
  })
}
