/** SQL of users in processes of its own: nothing that it does blocks, ends or floods its parent. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished, expect, test } from 'vitest'
import {
  StatementFailed,
  type QuerySnapshot,
  type Statement,
  type Store,
} from '../../src/core/ports/store.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import { openFileStore } from '../../src/drivers/store/file-store.ts'
import { startProgram } from '../support/program.ts'
import { until } from '../support/until.ts'

const ENDLESS =
  'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n'
const SLOW = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)
  SELECT count(*) FROM n`
const LONG_MS = 60_000

interface World {
  readonly store: Store
  readonly path: string
}

async function openStore(timeoutMs: number, maxProcesses = 2): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'meridian-queries-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'store.db')
  const { timers } = systemRuntime
  const store = await openFileStore({ path, timers, queries: { timeoutMs, maxProcesses } })
  onTestFinished(() => store.close())
  await store.write([
    statement('CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT) STRICT'),
    statement("INSERT INTO t VALUES (1, 'one')"),
  ])
  return { store, path }
}

function statement(sql: string, more: Partial<Statement> = {}): Statement {
  return { sql, args: [], ...more }
}

async function snapshotOf(store: Store): Promise<QuerySnapshot> {
  if (store.snapshot === undefined) throw new Error('The store has no snapshots.')
  return store.snapshot()
}

async function rowsOf(from: Pick<Store, 'query'>, sql: string): Promise<unknown> {
  return (await from.query(statement(sql))).rows
}

/** Processes that run queries on the file. */
function processesOf(path: string): number[] {
  const all = execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' })
  return all
    .split('\n')
    .filter((line) => line.includes('query-program') && line.includes(path))
    .map((line) => Number.parseInt(line, 10))
}

test('a query gives rows, 64-bit integers, blobs and the origins of its columns', async () => {
  const { store } = await openStore(LONG_MS)
  const sql = "SELECT k, v AS name, x'00ff', 9223372036854775807, ? FROM t"
  const args = ['é']
  expect(await store.query({ sql, args, bigints: true })).toEqual({
    rows: [[1n, 'one', new Uint8Array([0, 255]), 2n ** 63n - 1n, 'é']],
    rowsAffected: 0,
    columns: [
      { name: 'k', table: 't', column: 'k' },
      { name: 'name', table: 't', column: 'v' },
      { name: "x'00ff'", table: null, column: null },
      { name: '9223372036854775807', table: null, column: null },
      { name: '?', table: null, column: null },
    ],
  })
})

test('a query without end is ended, and others are answered meanwhile', async () => {
  const { store, path } = await openStore(5000)
  // Both processes have started once two queries have run side by side.
  await Promise.all([rowsOf(store, SLOW), rowsOf(store, SLOW)])
  await until(() => expect(processesOf(path).length).toBe(2))
  const endless = store.query(statement(ENDLESS)).catch((error: unknown) => error)
  let isOver = false
  void endless.then(() => (isOver = true))
  let answered = 0
  while (!isOver) {
    expect(await rowsOf(store, 'SELECT v FROM t')).toEqual([['one']])
    await store.write([
      statement("INSERT INTO t (v) VALUES ('more')"),
      statement('DELETE FROM t WHERE k > 1'),
    ])
    answered += 1
  }
  expect(answered).toBeGreaterThan(0)
  const error = await endless
  expect(error).toBeInstanceOf(StatementFailed)
  expect((error as Error).message).toBe('it ran longer than 5000 ms')
  await until(() => expect(processesOf(path).length).toBeLessThanOrEqual(1))
  expect(await rowsOf(store, 'SELECT v FROM t')).toEqual([['one']])
})

test('a query that wants too much memory, or gives too much, fails alone', async () => {
  const { store } = await openStore(LONG_MS)
  const messageOf = (sql: string, more: Partial<Statement> = {}): Promise<string> =>
    store.query(statement(sql, more)).then(
      () => 'none',
      (error: unknown) => (error as Error).message,
    )
  const long = "SELECT printf('%300000000d', 1)"
  expect(await messageOf(long)).toBe('it needs more memory than a query may have')
  const rows = "SELECT printf('%1000d', value) FROM json_each('[1,2,3]')"
  expect(await messageOf(rows, { maxBytes: 2500 })).toContain('more than 2500 bytes')
  expect(await messageOf(rows, { maxBytes: 3000 })).toBe('none')
  expect(await messageOf(rows, { maxRows: 2 })).toContain('more than 2 rows')
  expect(await messageOf("INSERT INTO t (v) VALUES ('x')")).toContain('must not change')
  expect(await rowsOf(store, 'SELECT v FROM t')).toEqual([['one']])
})

test('a snapshot sees what was committed when it was opened, until it is ended', async () => {
  const { store } = await openStore(LONG_MS, 3)
  const snapshot = await snapshotOf(store)
  await store.write([statement("INSERT INTO t (v) VALUES ('later')")])
  expect(await rowsOf(snapshot, 'SELECT count(*) FROM t')).toEqual([[1]])
  expect(await rowsOf(store, 'SELECT count(*) FROM t')).toEqual([[2]])
  snapshot.end()
  snapshot.end()
  await expect(rowsOf(snapshot, 'SELECT 1')).rejects.toBeInstanceOf(StatementFailed)
  const next = await snapshotOf(store)
  expect(await rowsOf(next, 'SELECT count(*) FROM t')).toEqual([[2]])
  next.end()
})

test('snapshots that are held leave a process for queries, and others wait their turn', async () => {
  const { store } = await openStore(LONG_MS, 2)
  const held = await snapshotOf(store)
  const waiting = snapshotOf(store)
  expect(await rowsOf(store, 'SELECT v FROM t')).toEqual([['one']])
  held.end()
  const next = await waiting
  expect(await rowsOf(next, 'SELECT v FROM t')).toEqual([['one']])
  next.end()
})

test('a query whose process is killed runs again', async () => {
  const { store, path } = await openStore(LONG_MS, 1)
  await rowsOf(store, 'SELECT 1')
  const [first] = processesOf(path)
  if (first === undefined) throw new Error('no process')
  const query = rowsOf(store, SLOW)
  process.kill(first, 'SIGKILL')
  expect(await query).toEqual([[300_000]])
  expect(processesOf(path)).not.toContain(first)
})

test('closing the store ends what runs', async () => {
  const { store, path } = await openStore(LONG_MS)
  await rowsOf(store, 'SELECT 1')
  const endless = store.query(statement(ENDLESS)).catch((error: unknown) => error)
  await store.close()
  expect(await endless).toMatchObject({ code: 'CLOSED' })
  expect(processesOf(path)).toEqual([])
})

test('processes end with their parent, even inside a query without end', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'meridian-queries-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'store.db')
  const program = startProgram('test/integration/programs/endless-query.ts', [path])
  await program.prints('asked')
  expect(processesOf(path).length).toBeGreaterThan(0)
  program.kill('SIGKILL')
  await program.ended
  await until(() => expect(processesOf(path)).toEqual([]))
})
