import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { SqlResult, SqlSession } from '../../../../src/core/ports/sql-session.ts'
import { PROCESS_CALLER } from '../../../../src/core/principal.ts'
import type { SqlRow, SqlValue } from '../../../../src/core/values.ts'
import {
  openSqlFileBackend,
  type SqlFileBackend,
  type SqlFileBackendOptions,
} from '../../../../src/drivers/sql-server/sql-file-backend.ts'
import { ManualRuntime, turns } from '../../../support/manual-runtime.ts'

let directory: string
let runtime: ManualRuntime
let backends: SqlFileBackend[]

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'meridian-sql-server-'))
  runtime = new ManualRuntime()
  backends = []
})
afterEach(async () => {
  for (const backend of backends) await backend.close()
  await rm(directory, { recursive: true, force: true })
})

async function openBackend(options: Partial<SqlFileBackendOptions> = {}): Promise<SqlFileBackend> {
  const backend = await openSqlFileBackend({
    path: join(directory, 'a.db'),
    runtime,
    ...options,
  })
  backends.push(backend)
  return backend
}

const open = (backend: SqlFileBackend): Promise<SqlSession> => backend.open(PROCESS_CALLER)

function run(session: SqlSession, sql: string, args: readonly SqlValue[] = []): Promise<SqlResult> {
  return session.execute({ sql, args, namedArgs: [], wantRows: true })
}

async function rows(session: SqlSession, sql: string): Promise<readonly SqlRow[]> {
  return (await run(session, sql)).rows
}

const failing = (code: string): unknown => expect.objectContaining({ name: 'SqlError', code })

test('values come back as they went in, with their types', async () => {
  const session = await open(await openBackend())
  const values: readonly SqlValue[] = [
    null,
    0n,
    2n ** 63n - 1n,
    -(2n ** 63n),
    2n ** 53n + 1n,
    1.5,
    5,
    -0,
    Number.MAX_VALUE,
    Number.POSITIVE_INFINITY,
    '',
    "it's 'quoted' \u{1F600} ÄÖ",
    new Uint8Array(),
    new Uint8Array([0, 255, 128]),
  ]
  const sql = `SELECT ${values.map(() => '?').join()}`
  expect((await run(session, sql, values)).rows).toEqual([values])
})

test('a text that is not UTF-8 is refused, and one with a NUL comes whole', async () => {
  const session = await open(await openBackend())
  await session.sequence(
    "CREATE TABLE t (a); INSERT INTO t VALUES (CAST(x'ff41' AS TEXT)), (CAST(x'410042' AS TEXT))",
  )
  await expect(run(session, 'SELECT a FROM t')).rejects.toEqual(failing('SQLITE_MISMATCH'))
  await expect(run(session, 'SELECT char(55296)')).rejects.toEqual(failing('SQLITE_MISMATCH'))
  await expect(
    run(session, "UPDATE t SET a = x'ff' || '' RETURNING a, (a) AS b, lower(a) c"),
  ).rejects.toEqual(failing('SQLITE_MISMATCH'))
  expect(await rows(session, "SELECT CAST(x'410042' AS TEXT)")).toEqual([['A\0B']])
})

test('a RETURNING clause gives values, names and types as it stands', async () => {
  const session = await open(await openBackend())
  await run(session, 'CREATE TABLE t (id INTEGER PRIMARY KEY, "a""b" REAL, c TEXT, d BLOB)')
  const result = await run(
    session,
    `INSERT INTO t VALUES (7, 5, 'x', x'01'), (8, 2.5, NULL, x'')
      RETURNING *, id AS one, id + 1 two, c || 'y' "three", count(*) FILTER (WHERE 1) OVER (),
        CAST(id AS TEXT), -- the last
        "a""b"`.replace('count(*) FILTER (WHERE 1) OVER (),', 'c IS NULL, c COLLATE nocase,'),
  )
  expect(result.columns.slice(0, 7)).toEqual([
    { name: 'id', decltype: 'INTEGER' },
    { name: 'a"b', decltype: 'REAL' },
    { name: 'c', decltype: 'TEXT' },
    { name: 'd', decltype: 'BLOB' },
    { name: 'one', decltype: 'INTEGER' },
    { name: 'two', decltype: null },
    { name: 'three', decltype: null },
  ])
  expect(result.rows).toEqual([
    [7n, 5, 'x', new Uint8Array([1]), 7n, 8n, 'xy', 0n, 'x', '7', 5],
    [8n, 2.5, null, new Uint8Array(), 8n, 9n, null, 1n, null, '8', 2.5],
  ])
  expect(result).toMatchObject({ affectedRowCount: 2, lastInsertRowid: 8n })
})

test('counts are those of the statement', async () => {
  const session = await open(await openBackend())
  const created = await run(session, 'CREATE TABLE t (id INTEGER PRIMARY KEY, a)')
  expect(created).toMatchObject({ affectedRowCount: 0, lastInsertRowid: null })
  const big = 2n ** 62n + 1n
  expect(await run(session, 'INSERT INTO t VALUES (?, 1)', [big])).toMatchObject({
    affectedRowCount: 1,
    lastInsertRowid: big,
  })
  await run(session, 'INSERT INTO t VALUES (1, 1), (2, 1)')
  expect(await run(session, 'UPDATE t SET a = 2')).toMatchObject({
    affectedRowCount: 3,
    lastInsertRowid: null,
  })
  expect(await run(session, 'SELECT 1')).toMatchObject({ affectedRowCount: 0 })
  expect(await run(session, 'DELETE FROM t WHERE id = 1')).toMatchObject({ affectedRowCount: 1 })
})

test('columns follow the schema, also one that was rolled back', async () => {
  const backend = await openBackend()
  const [a, b] = [await open(backend), await open(backend)]
  await a.sequence('CREATE TABLE t (x); INSERT INTO t VALUES (1)')
  expect(await rows(a, 'SELECT * FROM t')).toEqual([[1n]])
  await b.sequence('ALTER TABLE t ADD COLUMN y INTEGER DEFAULT 2')
  expect((await run(a, 'SELECT * FROM t')).columns).toEqual([
    { name: 'x', decltype: null },
    { name: 'y', decltype: 'INTEGER' },
  ])
  await a.sequence('BEGIN; ALTER TABLE t ADD COLUMN z')
  expect((await run(a, 'SELECT * FROM t')).columns).toHaveLength(3)
  await run(a, 'ROLLBACK')
  // The same schema version as before, another schema.
  await b.sequence('ALTER TABLE t DROP COLUMN y')
  expect((await run(a, 'SELECT * FROM t')).columns).toHaveLength(1)
})

test('a statement is described without running it', async () => {
  const session = await open(await openBackend())
  await run(session, 'CREATE TABLE t (a INTEGER, b TEXT)')
  expect(await session.describe('INSERT INTO t VALUES (:a, ?) RETURNING a')).toEqual({
    params: [{ name: ':a' }, { name: null }],
    columns: [{ name: 'a', decltype: 'INTEGER' }],
    isExplain: false,
    isReadonly: false,
  })
  expect(await session.describe('EXPLAIN SELECT * FROM t')).toMatchObject({
    isExplain: true,
    isReadonly: true,
  })
  expect(await rows(session, 'SELECT * FROM t')).toEqual([])
})

test('errors have the codes of sqld', async () => {
  const session = await open(await openBackend())
  await session.sequence('CREATE TABLE t (a INTEGER NOT NULL UNIQUE CHECK (a > 0)) STRICT')
  await run(session, 'INSERT INTO t VALUES (1)')
  const wrong: readonly (readonly [string, string])[] = [
    ['selec 1', 'SQL_PARSE_ERROR'],
    ['SELECT (', 'SQL_PARSE_ERROR'],
    ["SELECT 'a", 'SQL_PARSE_ERROR'],
    ['SELECT \u0000 1', 'SQL_PARSE_ERROR'],
    ["SELECT '\uD800'", 'SQL_PARSE_ERROR'],
    ['VACUUM', 'SQL_PARSE_ERROR'],
    ['  -- nothing', 'SQL_NO_STATEMENT'],
    ['SELECT 1; SELECT 2', 'SQL_MANY_STATEMENTS'],
    ['SELECT * FROM nowhere', 'SQL_INPUT_ERROR'],
    ['SELECT ?', 'ARGS_INVALID'],
    ['INSERT INTO t VALUES (1)', 'SQLITE_CONSTRAINT'],
    ['INSERT INTO t VALUES (NULL)', 'SQLITE_CONSTRAINT'],
    ['INSERT INTO t VALUES (-1)', 'SQLITE_CONSTRAINT'],
    ["INSERT INTO t VALUES ('x')", 'SQLITE_CONSTRAINT'],
    ['SELECT abs(-9223372036854775808)', 'SQLITE_UNKNOWN'],
    ['SELECT zeroblob(6000000)', 'SQLITE_TOOBIG'],
    ['COMMIT', 'SQLITE_UNKNOWN'],
  ]
  for (const [sql, code] of wrong) {
    await expect(run(session, sql), sql).rejects.toEqual(failing(code))
  }
  expect(await rows(session, 'SELECT count(*) FROM t')).toEqual([[1n]])
})

test('a result that would fill the memory ends, and the session goes on', async () => {
  const session = await open(await openBackend())
  const endless =
    'WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x, zeroblob(100000) FROM c'
  await expect(run(session, endless)).rejects.toEqual(failing('RESPONSE_TOO_LARGE'))
  expect(await rows(session, 'SELECT 1')).toEqual([[1n]])
})

test('a sequence is looked at before its first statement runs', async () => {
  const session = await open(await openBackend())
  await expect(session.sequence('CREATE TABLE t (a); VACUUM')).rejects.toEqual(
    failing('SQL_PARSE_ERROR'),
  )
  expect(await rows(session, 'SELECT name FROM sqlite_schema')).toEqual([])
})

test('what a session set or left open is gone for the next one', async () => {
  const backend = await openBackend()
  const first = await open(backend)
  await first.sequence(
    'PRAGMA foreign_keys = off; CREATE TABLE t (a); BEGIN; INSERT INTO t VALUES (1)',
  )
  await first.close()
  const second = await open(backend)
  expect(await second.isAutocommit()).toBe(true)
  expect(await rows(second, 'PRAGMA foreign_keys')).toEqual([[1n]])
  expect(await rows(second, 'SELECT * FROM t')).toEqual([])
  await expect(run(first, 'SELECT 1')).rejects.toEqual(failing('SQLITE_MISUSE'))
})

test('commits are durable and readers do not wait for a writer', async () => {
  const backend = await openBackend()
  const [writer, reader] = [await open(backend), await open(backend)]
  expect(await rows(writer, 'PRAGMA journal_mode')).toEqual([['wal']])
  expect(await rows(writer, 'PRAGMA synchronous')).toEqual([[2n]])
  await writer.sequence('CREATE TABLE t (a); BEGIN IMMEDIATE; INSERT INTO t VALUES (1)')
  expect(await rows(reader, 'SELECT count(*) FROM t')).toEqual([[0n]])
  await run(writer, 'COMMIT')
  expect(await rows(reader, 'SELECT count(*) FROM t')).toEqual([[1n]])
})

test('a writer waits for the one before it, by whatever statement that began', async () => {
  const begins = [
    'BEGIN IMMEDIATE',
    'BEGIN; INSERT INTO t VALUES (0)',
    'SAVEPOINT s; DELETE FROM t',
  ]
  const backend = await openBackend()
  const [a, b] = [await open(backend), await open(backend)]
  await run(a, 'CREATE TABLE t (a)')
  for (const begin of begins) {
    await a.sequence(begin)
    let isDone = false
    const waiting = run(b, 'INSERT INTO t VALUES (1)').then(() => {
      isDone = true
    })
    await turns()
    expect(isDone, begin).toBe(false)
    await run(a, begin.startsWith('SAVEPOINT') ? 'RELEASE s' : 'COMMIT')
    await waiting
  }
})

test('an overdue transaction is undone for a waiting writer, and all its statements are told', async () => {
  const backend = await openBackend()
  const [a, b] = [await open(backend), await open(backend)]
  await a.sequence('CREATE TABLE t (a); BEGIN IMMEDIATE; INSERT INTO t VALUES (1)')
  const waiting = run(b, 'INSERT INTO t VALUES (2)')
  await runtime.advance(5_000)
  await waiting
  for (let i = 0; i < 2; i++) {
    await expect(run(a, 'INSERT INTO t VALUES (3)')).rejects.toEqual(failing('TRANSACTION_TIMEOUT'))
  }
  expect(await a.isAutocommit()).toBe(false)
  await expect(run(a, 'COMMIT')).rejects.toEqual(failing('TRANSACTION_TIMEOUT'))
  expect(await a.isAutocommit()).toBe(true)
  expect(await rows(a, 'SELECT a FROM t')).toEqual([[2n]])

  await a.sequence('BEGIN IMMEDIATE')
  const again = run(b, 'INSERT INTO t VALUES (4)')
  await runtime.advance(5_000)
  await again
  await run(a, 'ROLLBACK')
  await run(a, 'INSERT INTO t VALUES (5)')
  expect(await rows(b, 'SELECT a FROM t')).toEqual([[2n], [4n], [5n]])
})

test('a transaction that read before another wrote cannot write, and harms nobody', async () => {
  const backend = await openBackend()
  const [a, b] = [await open(backend), await open(backend)]
  await a.sequence('CREATE TABLE t (a); BEGIN')
  expect(await rows(a, 'SELECT * FROM t')).toEqual([])
  await run(b, 'INSERT INTO t VALUES (1)')
  await expect(run(a, 'INSERT INTO t VALUES (2)')).rejects.toEqual(failing('SQLITE_BUSY'))
  await run(b, 'INSERT INTO t VALUES (3)')
  expect(await rows(a, 'SELECT * FROM t')).toEqual([])
  await run(a, 'COMMIT')
  await run(a, 'INSERT INTO t VALUES (4)')
  expect(await rows(a, 'SELECT a FROM t')).toEqual([[1n], [3n], [4n]])
})

test('a statement that was explained holds nothing', async () => {
  const backend = await openBackend()
  const [a, b] = [await open(backend), await open(backend)]
  await run(a, 'CREATE TABLE t (a)')
  for (const sql of ['EXPLAIN SELECT * FROM t', 'EXPLAIN QUERY PLAN SELECT * FROM t']) {
    expect((await rows(a, sql)).length).toBeGreaterThan(0)
    await rows(a, 'SELECT * FROM t')
    await run(b, 'INSERT INTO t VALUES (1)')
    await a.sequence('BEGIN IMMEDIATE; DELETE FROM t; COMMIT')
    expect(await rows(a, "SELECT sql FROM sqlite_stmt WHERE busy AND sql LIKE 'EXPLAIN%'")).toEqual(
      [],
    )
  }
})

test('a rolled back writer does not stand in the way of a transaction that has read', async () => {
  const backend = await openBackend()
  const [a, b] = [await open(backend), await open(backend)]
  await a.sequence('CREATE TABLE t (a); BEGIN; SELECT * FROM t')
  await b.sequence('BEGIN IMMEDIATE; INSERT INTO t VALUES (1); ROLLBACK')
  await a.sequence('INSERT INTO t VALUES (2); COMMIT')
  expect(await rows(b, 'SELECT a FROM t')).toEqual([[2n]])
})

test('a closed session gives the lock to the next', async () => {
  const backend = await openBackend()
  const [a, b] = [await open(backend), await open(backend)]
  await a.sequence('CREATE TABLE t (a); BEGIN IMMEDIATE; INSERT INTO t VALUES (1)')
  const waiting = run(b, 'INSERT INTO t VALUES (2)')
  await a.close()
  await waiting
  expect(await rows(b, 'SELECT a FROM t')).toEqual([[2n]])
})

test('a full file fails what grows it, and is read on', async () => {
  const session = await open(await openBackend({ maxBytes: 100_000 }))
  await run(session, 'CREATE TABLE t (a)')
  await run(session, 'INSERT INTO t VALUES (1)')
  const large = new Uint8Array(200_000)
  await expect(run(session, 'INSERT INTO t VALUES (?)', [large])).rejects.toEqual(
    failing('SQLITE_FULL'),
  )
  expect(await rows(session, 'SELECT a FROM t')).toEqual([[1n]])
  await run(session, 'INSERT INTO t VALUES (2)')
})

test('there are so many sessions and no more', async () => {
  const backend = await openBackend({ maxSessions: 2 })
  const first = await open(backend)
  await open(backend)
  const outcome = open(backend).catch((error: unknown) => error)
  await runtime.advance(1_000)
  expect(await outcome).toMatchObject({ code: 'OVERLOADED' })
  const waiting = open(backend)
  await first.close()
  expect(await rows(await waiting, 'SELECT 1')).toEqual([[1n]])
})

test('a file is served by one process, and one that is no database is refused', async () => {
  await openBackend()
  await expect(openBackend()).rejects.toMatchObject({ code: 'STORE_LOCKED' })
  await expect(openBackend({ path: join(directory, 'none', 'a.db') })).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
  })
})

test('a temporary file is gone with its backend, what is in a named one stays', async () => {
  const temporary = await openBackend({ path: undefined })
  const session = await open(temporary)
  await run(session, 'CREATE TABLE t (a)')
  const [[file] = []] = await rows(session, 'SELECT file FROM pragma_database_list')
  await temporary.close()
  expect(typeof file).toBe('string')

  const named = await openBackend()
  await (await open(named)).sequence('CREATE TABLE t (a); INSERT INTO t VALUES (1)')
  await named.close()
  expect(await rows(await open(await openBackend()), 'SELECT a FROM t')).toEqual([[1n]])
})
