/**
 * How fast changes of eventual tables are merged, beside a raw bulk insert of the same rows in the
 * same run: decoding, merging and encoding in memory; the applier into a file store (rows, merge
 * state and outbox, fsynced); local transactions.
 *
 * The headline is column changes a second: a change of 8 columns counts as 8. `raw` writes the
 * plain columns with one JSON parameter a batch and neither merge state nor outbox.
 *
 * Run: node --import tsx benchmarks/micro/crdt-merge.ts [rows]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readOutbox } from '../../cdc/capture/outbox-reader.ts'
import { createEventualApplier } from '../../crdt/applier.ts'
import { decodeDelta, decodeState, encodeDelta, encodeState } from '../../crdt/codec.ts'
import {
  createEventualContext,
  createEventualEngine,
  type EventualContext,
} from '../../crdt/engine.ts'
import { merge } from '../../crdt/merge.ts'
import { EMPTY_ROW } from '../../crdt/state.ts'
import { makeSource, type Change } from '../../src/core/change.ts'
import type { WriteOp } from '../../src/core/operations.ts'
import type { Statement, Store } from '../../src/core/ports/store.ts'
import { StoreClock } from '../../src/core/store-clock.ts'
import type { SqlValue } from '../../src/core/values.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import { openFileStore } from '../../src/drivers/store/file-store.ts'
import { integer, text } from '../../src/schema/columns.ts'
import { compileSchema } from '../../src/schema/compile.ts'
import type { CompiledTable } from '../../src/schema/compiled.ts'
import { defineSchema, table } from '../../src/schema/define.ts'
import { prepareStore } from '../../src/schema/migrate.ts'
import { beginContext } from '../../src/schema/system-tables.ts'

const VALUE_COLUMNS = 8
const BATCH = 1000
const TENANT = 'acme'

const columns = Object.fromEntries(
  Array.from({ length: VALUE_COLUMNS }, (_, i) => [`v${i}`, i % 2 === 0 ? text() : integer()]),
)
const { compiled } = compileSchema(
  defineSchema({
    tables: { items: table({ id: text().primaryKey(), ...columns }, { consistency: 'eventual' }) },
  }),
)
const items = compiled.tables[0] as CompiledTable

interface Region {
  readonly store: Store
  readonly context: EventualContext
}

const folder = mkdtempSync(join(tmpdir(), 'meridian-bench-'))
const { clock: wallClock, timers, random } = systemRuntime

async function openRegion(region: string): Promise<Region> {
  const store = await openFileStore({ path: join(folder, `${region}.db`), timers })
  const prepared = await prepareStore(store, compiled, { random })
  const clock = new StoreClock(wallClock, prepared.lastHlc)
  const source = makeSource(region, prepared.incarnation)
  const context = createEventualContext({ store, schema: compiled, clock, wallClock, source })
  return { store, context }
}

function image(row: number): SqlValue[] {
  const values = Array.from({ length: VALUE_COLUMNS }, (_, i) =>
    i % 2 === 0 ? `value ${row} of column ${i}` : row * i,
  )
  return [`row-${row.toString().padStart(8, '0')}`, ...values]
}

let transactions = 0

async function commit(region: Region, ops: readonly WriteOp[]): Promise<void> {
  const id = `tx-${transactions++}`
  await createEventualEngine(region.context).commit({
    txId: id,
    tenant: TENANT,
    reads: [],
    ops,
    idempotencyKey: id,
    contentHash: id,
    issuedAtMs: wallClock.nowMs(),
    basis: 0,
  })
}

function batches<T>(list: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, i) =>
    list.slice(i * size, (i + 1) * size),
  )
}

async function timed(work: () => Promise<void> | void): Promise<number> {
  const start = performance.now()
  await work()
  return (performance.now() - start) / 1000
}

async function apply(region: Region, changes: readonly Change[]): Promise<void> {
  const applier = createEventualApplier(region.context)
  for (const batch of batches(changes, BATCH)) {
    await applier.apply(batch, async (statements) => {
      await region.store.write([begin(region, batch[0] as Change), ...statements])
    })
  }
}

function begin(region: Region, first: Change): Statement {
  const { clock } = region.context
  return beginContext({
    txId: first.txId,
    hlc: clock.next(),
    epoch: 0,
    cause: 'user',
    schemaVersion: compiled.version,
    capture: false,
    origin: null,
  })
}

async function rawInsert(store: Store, rows: readonly SqlValue[][]): Promise<void> {
  const names = items.physical.map((column) => column.name)
  const create = `CREATE TABLE raw (tenant TEXT NOT NULL, ${items.physical
    .map((column) => `${column.name} ${column.storage}`)
    .join(', ')}, PRIMARY KEY (tenant, ${names[0]})) STRICT, WITHOUT ROWID`
  await store.write([{ sql: create, args: [] }])
  const values = names.map((_, i) => `value->>${i}`).join(', ')
  const sql = `INSERT INTO raw SELECT '${TENANT}', ${values} FROM json_each(?)`
  for (const batch of batches(rows, BATCH)) {
    await store.write([{ sql, args: [JSON.stringify(batch)] }])
  }
}

function mergeInMemory(inserts: readonly Change[], updates: readonly Change[]): void {
  inserts.forEach((insert, i) => {
    const before = merge(EMPTY_ROW, decodeDelta(insert.delta as Uint8Array), 'deleteWins')
    const stored = decodeState(encodeState(before), {
      register: (slot) => before.registers.get(slot)?.value ?? null,
      text: () => ({ update: new Uint8Array(), text: '' }),
    })
    const update = decodeDelta((updates[i] as Change).delta as Uint8Array)
    encodeState(merge(stored, update, 'deleteWins'))
  })
}

async function changesOf(region: Region, afterSeq: number): Promise<Change[]> {
  const entries = await readOutbox(
    region.store,
    compiled,
    region.context.source,
    afterSeq,
    Number.MAX_SAFE_INTEGER,
  )
  return entries.map((entry) => entry.change)
}

function report(name: string, columnChanges: number, seconds: number, rawPerSecond?: number): void {
  const perSecond = columnChanges / seconds
  const ratio = rawPerSecond === undefined ? '' : `  ${(perSecond / rawPerSecond).toFixed(2)} × raw`
  console.log(
    `${name.padEnd(44)} ${Math.round(perSecond).toLocaleString('en').padStart(12)} /s${ratio}`,
  )
}

async function main(rows: number): Promise<void> {
  const [a, b] = await Promise.all([openRegion('a'), openRegion('b')])
  const images = Array.from({ length: rows }, (_, row) => image(row))
  const cells = rows * VALUE_COLUMNS
  console.log(`${rows.toLocaleString('en')} rows of ${VALUE_COLUMNS} columns; column changes:`)

  const rawSeconds = await timed(() => rawInsert(b.store, images))
  const raw = cells / rawSeconds
  report('raw bulk insert', cells, rawSeconds)

  const localSeconds = await timed(async () => {
    for (const batch of batches(images, BATCH)) {
      await commit(a, [{ kind: 'insert', table: items.id, rows: batch }])
    }
  })
  report('local transactions of 1,000 rows', cells, localSeconds, raw)
  const inserts = await changesOf(a, 0)

  const singleUpdates = images.map((row, i) => ({
    kind: 'update' as const,
    table: items.id,
    key: [row[0] as SqlValue],
    cells: [{ column: 1 + (i % 4) * 2, op: { kind: 'set' as const, value: `changed ${i}` } }],
    conditions: [],
  }))
  const updateSeconds = await timed(async () => {
    for (const batch of batches(singleUpdates, BATCH)) {
      await Promise.all(batch.map((op) => commit(a, [op])))
    }
  })
  report('local transactions of 1 cell, 1,000 at once', rows, updateSeconds)
  const updates = await changesOf(a, inserts.length)

  report('import of inserts', cells, await timed(() => apply(b, inserts)), raw)
  report('import of updates of 1 cell', rows, await timed(() => apply(b, updates)))
  report(
    'decode, merge, encode in memory',
    cells + rows,
    await timed(() => mergeInMemory(inserts, updates)),
    raw,
  )

  const deltas = [...inserts, ...updates].map((change) => change.delta as Uint8Array)
  const mean = (list: readonly Uint8Array[]): number =>
    Math.round(list.reduce((sum, bytes) => sum + bytes.length, 0) / list.length)
  const insert = encodeDelta(decodeDelta(deltas[0] as Uint8Array))
  const state = encodeState(decodeDelta(deltas[0] as Uint8Array))
  console.log(
    `bytes: insert ${insert.length}, update of 1 cell ${mean(deltas.slice(rows))}, state ${state.length}`,
  )
  await Promise.all([a.store.close(), b.store.close()])
}

try {
  await main(Number(process.argv[2] ?? 20_000))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
