/**
 * What a store costs over the engine beneath it: transactions a second at several numbers of
 * concurrent callers, a bulk load, how long the event loop stands still meanwhile, point reads.
 * Every figure stands beside the same statements on raw `libsql`, measured in the same run.
 *
 *   npx tsx benchmarks/micro/store-writer.ts [seconds per measurement, default 2]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { createClient } from '@libsql/client'
import Database from 'libsql'
import type { Statement, Store } from '../../src/core/ports/store.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import { openFileStore } from '../../src/drivers/store/file-store.ts'

const SECONDS = Number(process.argv[2] ?? 2)
const BULK_ROWS = 1000
const DEFINITIONS = [
  'CREATE TABLE clock (one INTEGER PRIMARY KEY, hlc TEXT NOT NULL) STRICT',
  "INSERT INTO clock VALUES (1, '')",
  'CREATE TABLE item (k INTEGER PRIMARY KEY, v TEXT NOT NULL, n INTEGER) STRICT',
  'CREATE TABLE outbox (seq INTEGER PRIMARY KEY AUTOINCREMENT, k INTEGER, after TEXT) STRICT',
  `CREATE TRIGGER capture AFTER INSERT ON item
    BEGIN INSERT INTO outbox (k, after) VALUES (new.k, json_array(new.k, new.v, new.n)); END`,
]
const SET_CLOCK = 'UPDATE clock SET hlc = ?'
const INSERT = 'INSERT INTO item VALUES (?, ?, ?)'
const LAST_SEQ = "SELECT seq FROM sqlite_sequence WHERE name = 'outbox'"
const BULK = 'INSERT INTO item SELECT value->>0, value->>1, value->>2 FROM json_each(?)'
const POINT_READ = 'SELECT k, v, n FROM item WHERE k = ?'
const VALUE = 'a value of some forty characters, as usual'

const folder = mkdtempSync(join(tmpdir(), 'store-writer-'))
let files = 0
let nextKey = 0

const transaction = (): Statement[] => {
  const key = nextKey++
  return [
    { sql: SET_CLOCK, args: [`${key}`] },
    { sql: INSERT, args: [key, VALUE, 7] },
    { sql: LAST_SEQ, args: [] },
  ]
}

const bulkRows = (): string =>
  JSON.stringify(Array.from({ length: BULK_ROWS }, () => [nextKey++, VALUE, 7]))

interface Measured {
  readonly perSecond: number
  readonly stallP50Ms: number
  readonly stallP99Ms: number
  readonly stallMaxMs: number
}

/** Runs callers in closed loops and watches the event loop meanwhile. */
async function measure(callers: number, each: () => Promise<unknown>, unit = 1): Promise<Measured> {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  let done = 0
  const caller = async (endMs: number): Promise<void> => {
    while (performance.now() < endMs) {
      await each()
      done++
    }
  }
  const startMs = performance.now()
  delay.enable()
  await Promise.all(Array.from({ length: callers }, () => caller(startMs + SECONDS * 1000)))
  delay.disable()
  const elapsed = (performance.now() - startMs) / 1000
  return {
    perSecond: (done * unit) / elapsed,
    stallP50Ms: delay.percentile(50) / 1e6 - 1,
    stallP99Ms: delay.percentile(99) / 1e6 - 1,
    stallMaxMs: delay.max / 1e6 - 1,
  }
}

/** The engine alone, `group` transactions a commit by savepoints. */
async function measureEngine(group: number): Promise<Measured> {
  const db = openEngine()
  const prepared = new Map(
    [...['BEGIN IMMEDIATE', 'SAVEPOINT m', 'RELEASE m', 'COMMIT', SET_CLOCK, INSERT, LAST_SEQ]].map(
      (sql) => [sql, db.prepare(sql)],
    ),
  )
  const run = (sql: string, ...args: unknown[]): unknown => prepared.get(sql)?.run(args)
  const each = async (): Promise<void> => {
    run('BEGIN IMMEDIATE')
    for (let i = 0; i < group; i++) {
      if (group > 1) run('SAVEPOINT m')
      const key = BigInt(nextKey++)
      run(SET_CLOCK, `${key}`)
      run(INSERT, key, VALUE, 7n)
      prepared.get(LAST_SEQ)?.raw().all([])
      if (group > 1) run('RELEASE m')
    }
    run('COMMIT')
    await nextTurn()
  }
  const measured = await measure(1, each, group)
  db.close()
  return measured
}

async function measureEngineBulk(): Promise<Measured> {
  const db = openEngine()
  const bulk = db.prepare(BULK)
  const measured = await measure(
    1,
    async () => {
      bulk.run([bulkRows()])
      await nextTurn()
    },
    BULK_ROWS,
  )
  db.close()
  return measured
}

function openEngine(): InstanceType<typeof Database> {
  const db = new Database(join(folder, `${files++}.db`))
  db.exec('PRAGMA journal_mode = WAL')
  for (const sql of DEFINITIONS) db.exec(sql)
  return db
}

async function openStore(writer: 'inline' | 'worker'): Promise<Store> {
  const path = join(folder, `${files++}.db`)
  const store = await openFileStore({ path, timers: systemRuntime.timers, writer })
  await store.write(DEFINITIONS.map((sql) => ({ sql, args: [] })))
  return store
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

function report(name: string, measured: Measured, base: Measured): void {
  const { perSecond, stallP50Ms, stallP99Ms, stallMaxMs } = measured
  const columns = [
    name.padEnd(30),
    Math.round(perSecond).toString().padStart(9),
    (perSecond / base.perSecond).toFixed(2).padStart(9),
    ...[stallP50Ms, stallP99Ms, stallMaxMs].map((ms) => ms.toFixed(2).padStart(8)),
  ]
  console.log(columns.join(' '))
}

async function compareReads(): Promise<void> {
  const store = await openStore('inline')
  await store.write([{ sql: BULK, args: [bulkRows()] }])
  const path = join(folder, `${files - 1}.db`)
  const engine = new Database(path)
  const client = createClient({ url: `file:${path}` })
  const prepared = engine.prepare(POINT_READ).raw()
  const first = nextKey - BULK_ROWS
  const time = async (name: string, read: (key: number) => unknown): Promise<void> => {
    const rounds = 20_000
    for (let i = 0; i < rounds / 10; i++) await read(first + (i % BULK_ROWS))
    const startMs = performance.now()
    for (let i = 0; i < rounds; i++) await read(first + (i % BULK_ROWS))
    const micros = ((performance.now() - startMs) * 1000) / rounds
    console.log(`${name.padEnd(30)} ${micros.toFixed(1).padStart(9)} us`)
  }
  console.log('\npoint read by key')
  await time('engine, prepared', (key) => prepared.get([BigInt(key)]))
  await time('store.read', (key) => store.read([{ sql: POINT_READ, args: [key] }]))
  await time('@libsql/client', (key) => client.execute({ sql: POINT_READ, args: [BigInt(key)] }))
  client.close()
  engine.close()
  await store.close()
}

console.log(
  `${'transactions of 3 statements'.padEnd(30)} per second  ratio   stall p50      p99      max ms`,
)
for (const callers of [1, 32, 128]) {
  const engine = await measureEngine(callers)
  report(`${callers} engine`, engine, engine)
  for (const writer of ['inline', 'worker'] as const) {
    const store = await openStore(writer)
    report(`${callers} ${writer}`, await measure(callers, () => store.write(transaction())), engine)
    await store.close()
  }
}
const bulkEngine = await measureEngineBulk()
report('rows in bulk, engine', bulkEngine, bulkEngine)
for (const writer of ['inline', 'worker'] as const) {
  const store = await openStore(writer)
  const write = (): Promise<unknown> => store.write([{ sql: BULK, args: [bulkRows()] }])
  report(`rows in bulk, ${writer}`, await measure(1, write, BULK_ROWS), bulkEngine)
  await store.close()
}
await compareReads()
rmSync(folder, { recursive: true, force: true })
