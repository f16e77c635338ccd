/**
 * How fast changes of eventual tables are merged, beside a raw bulk insert of the same rows in the
 * same run: decoding, merging and encoding in memory; the applier into a file store (rows, merge
 * state and outbox, fsynced); local transactions. A change of 8 columns counts as 8.
 */
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

import { asTimed, type Rate } from './timed.ts'

/** Columns of a row beside its key. */
export const VALUE_COLUMNS = 8
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
const { clock: wallClock, timers, random } = systemRuntime

/** How much is merged. */
export interface MergeRateOptions {
  /** Exists; stores are made in it. */
  readonly folder: string
  /** Rows at most. */
  readonly rows: number
  /** Each kind of work ends with the first batch after so long; it does one at least. */
  readonly phaseMs: number
  readonly signal: AbortSignal
}

/** What was found. Counts are of column changes. */
export interface MergeRates {
  /** Plain columns, with one JSON parameter a batch; neither merge state nor outbox. */
  readonly rawInsert: Rate
  /** Local transactions of 1,000 rows. */
  readonly localInserts: Rate
  /** Local transactions of one column of one row, 1,000 at once. */
  readonly localUpdates: Rate
  /** The applier, of whole rows of another region. */
  readonly importInserts: Rate
  /** The applier, of single columns. */
  readonly importUpdates: Rate
  /** Decoding, merging and encoding alone, of a row and of one column's change of it. */
  readonly inMemory: Rate
  /** Encoded sizes in bytes: a row inserted, a column updated, the merge state of a row. */
  readonly bytes: { readonly insert: number; readonly update: number; readonly state: number }
}

/** @throws the signal's reason, and MeridianError what stores throw */
export async function measureMergeRates(options: MergeRateOptions): Promise<MergeRates> {
  const { folder, rows } = options
  const [a, b] = await Promise.all([openRegion(folder, 'a'), openRegion(folder, 'b')])
  try {
    const images = batches(
      Array.from({ length: rows }, (_, row) => image(row)),
      BATCH,
    )
    await createRaw(b.store)
    const rawInsert = await inBatches(options, images, VALUE_COLUMNS, (batch) =>
      rawInsertBatch(b.store, batch),
    )
    const localInserts = await inBatches(options, images, VALUE_COLUMNS, (batch) =>
      commit(a, [{ kind: 'insert', table: items.id, rows: batch }]),
    )
    const inserts = await changesOf(a, 0)
    const importInserts = await inBatches(
      options,
      batches(inserts, BATCH),
      VALUE_COLUMNS,
      (batch) => apply(b, batch),
    )
    // Updates are of rows that both have.
    const held = images.flat().slice(0, importInserts.count / VALUE_COLUMNS)
    const localUpdates = await inBatches(options, batches(updatesOf(held), BATCH), 1, (batch) =>
      Promise.all(batch.map((op) => commit(a, [op]))),
    )
    const updates = await changesOf(a, inserts.length)
    const importUpdates = await inBatches(options, batches(updates, BATCH), 1, (batch) =>
      apply(b, batch),
    )
    // Of each row its insertion and the update of one of its columns.
    const pairs = updates.map((update, i) => [inserts[i] as Change, update] as const)
    const inMemory = await inBatches(options, batches(pairs, BATCH), VALUE_COLUMNS + 1, (batch) =>
      mergeInMemory(batch),
    )
    const bytes = bytesOf(inserts, updates)
    return {
      ...{ rawInsert, localInserts, localUpdates, importInserts, importUpdates },
      ...{ inMemory, bytes },
    }
  } finally {
    await Promise.all([a.store.close(), b.store.close()])
  }
}

interface Region {
  readonly store: Store
  readonly context: EventualContext
}

async function openRegion(folder: string, region: string): Promise<Region> {
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

async function apply(region: Region, batch: readonly Change[]): Promise<void> {
  await createEventualApplier(region.context).apply(batch, async (statements) => {
    await region.store.write([begin(region, batch[0] as Change), ...statements])
  })
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

const rawColumns = items.physical.map((column) => column.name)

async function createRaw(store: Store): Promise<void> {
  const create = `CREATE TABLE raw (tenant TEXT NOT NULL, ${items.physical
    .map((column) => `${column.name} ${column.storage}`)
    .join(', ')}, PRIMARY KEY (tenant, ${rawColumns[0]})) STRICT, WITHOUT ROWID`
  await store.write([{ sql: create, args: [] }])
}

async function rawInsertBatch(store: Store, batch: readonly SqlValue[][]): Promise<void> {
  const values = rawColumns.map((_, i) => `value->>${i}`).join(', ')
  const sql = `INSERT INTO raw SELECT '${TENANT}', ${values} FROM json_each(?)`
  await store.write([{ sql, args: [JSON.stringify(batch)] }])
}

function mergeInMemory(pairs: readonly (readonly [Change, Change])[]): void {
  for (const [insert, update] of pairs) {
    const before = merge(EMPTY_ROW, decodeDelta(insert.delta as Uint8Array), 'deleteWins')
    const stored = decodeState(encodeState(before), {
      register: (slot) => before.registers.get(slot)?.value ?? null,
      text: () => ({ update: new Uint8Array(), text: '' }),
    })
    const delta = decodeDelta(update.delta as Uint8Array)
    encodeState(merge(stored, delta, 'deleteWins'))
  }
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

function updatesOf(images: readonly SqlValue[][]): readonly WriteOp[] {
  return images.map((row, i) => ({
    kind: 'update' as const,
    table: items.id,
    key: [row[0] as SqlValue],
    cells: [{ column: 1 + (i % 4) * 2, op: { kind: 'set' as const, value: `changed ${i}` } }],
    conditions: [],
  }))
}

function bytesOf(inserts: readonly Change[], updates: readonly Change[]): MergeRates['bytes'] {
  const first = decodeDelta((inserts[0] as Change).delta as Uint8Array)
  const sum = updates.reduce((all, { delta }) => all + (delta as Uint8Array).length, 0)
  return {
    insert: encodeDelta(first).length,
    update: Math.round(sum / updates.length),
    state: encodeState(first).length,
  }
}

/** Batches, one after the other, while there are any and there is time. */
function inBatches<T>(
  { phaseMs, signal }: MergeRateOptions,
  all: readonly (readonly T[])[],
  changesEach: number,
  work: (batch: readonly T[]) => Promise<unknown> | void,
): Promise<Rate> {
  return asTimed(async () => {
    const endMs = performance.now() + phaseMs
    let count = 0
    for (const batch of all) {
      signal.throwIfAborted()
      if (count > 0 && performance.now() > endMs) break
      await work(batch)
      count += batch.length * changesEach
    }
    return count
  })
}
