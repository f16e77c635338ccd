/** A region's eventual mode on a store in memory, with a clock that tests move. */
import { readOutbox } from '../../cdc/capture/outbox-reader.ts'
import { createEventualApplier, type EventualApplier } from '../../crdt/applier.ts'
import {
  createEventualContext,
  createEventualEngine,
  type EventualContext,
} from '../../crdt/engine.ts'
import { createEventualSweeper, type EventualSweeper } from '../../crdt/sweeper.ts'
import { makeSource, type Change, type RowImage } from '../../src/core/change.ts'
import type {
  CellChange,
  TransactionRequest,
  TransactionResult,
  WriteOp,
} from '../../src/core/operations.ts'
import type { TransactionEngine } from '../../src/core/ports/engine.ts'
import type { Statement } from '../../src/core/ports/store.ts'
import { StoreClock } from '../../src/core/store-clock.ts'
import type { SqlRow, SqlValue } from '../../src/core/values.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import type { CompiledTable } from '../../src/schema/compiled.ts'
import { prepareStore } from '../../src/schema/migrate.ts'
import { beginContext } from '../../src/schema/system-tables.ts'
import { liveRow } from '../../src/sql/live-row.ts'
import { eventualSchema } from './eventual-schema.ts'
import { MemoryStore } from './memory-store.ts'

const TENANT = 'acme'

/** Wall time that tests move. */
export class WallClock {
  ms = 1_700_000_000_000

  nowMs(): number {
    return this.ms
  }

  monotonicMs(): number {
    return this.ms
  }

  bootMs(): number {
    return this.ms
  }
}

let ids = 0

/** A request of one tenant, under a fresh key unless `overrides` say otherwise. */
export function request(
  clock: WallClock,
  ops: readonly WriteOp[],
  overrides: Partial<TransactionRequest> = {},
): TransactionRequest {
  const id = `tx-${++ids}`
  return {
    txId: id,
    tenant: TENANT,
    reads: [],
    ops,
    idempotencyKey: id,
    contentHash: 'hash',
    issuedAtMs: clock.ms,
    basis: 0,
    ...overrides,
  }
}

export class EventualRegion {
  readonly store: MemoryStore
  readonly source: string
  readonly wallClock: WallClock
  readonly clock: StoreClock
  readonly context: EventualContext
  readonly engine: TransactionEngine
  readonly applier: EventualApplier
  readonly sweeper: EventualSweeper
  isLeader = true

  private constructor(store: MemoryStore, source: string, wallClock: WallClock, clock: StoreClock) {
    this.store = store
    this.source = source
    this.wallClock = wallClock
    this.clock = clock
    this.context = createEventualContext({
      store,
      schema: eventualSchema,
      clock,
      wallClock,
      source,
    })
    this.engine = createEventualEngine(this.context)
    this.applier = createEventualApplier(this.context)
    this.sweeper = createEventualSweeper(this.context, {
      isLeader: () => this.isLeader,
      newTxId: () => `sweep-${++ids}`,
    })
  }

  static async open(
    region: string,
    wallClock: WallClock = new WallClock(),
    store: MemoryStore = new MemoryStore(),
  ): Promise<EventualRegion> {
    const { random } = systemRuntime
    const prepared = await prepareStore(store, eventualSchema, { random })
    const source = makeSource(region, prepared.incarnation)
    const clock = new StoreClock(wallClock, prepared.lastHlc)
    return new EventualRegion(store, source, wallClock, clock)
  }

  /** Another process on the same store. */
  async restart(): Promise<EventualRegion> {
    return EventualRegion.open(this.source.split('.')[0] as string, this.wallClock, this.store)
  }

  commit(
    ops: readonly WriteOp[],
    overrides?: Partial<TransactionRequest>,
  ): Promise<TransactionResult> {
    return this.engine.commit(request(this.wallClock, ops, overrides))
  }

  insert(
    table: CompiledTable,
    key: string,
    title: string,
    more: Partial<Cells> = {},
  ): ReturnType<EventualRegion['commit']> {
    return this.commit([{ kind: 'insert', table: table.id, rows: [image(key, title, more)] }])
  }

  update(
    table: CompiledTable,
    key: string,
    ...cells: CellChange[]
  ): ReturnType<EventualRegion['commit']> {
    return this.commit([{ kind: 'update', table: table.id, key: [key], cells, conditions: [] }])
  }

  delete(table: CompiledTable, key: string): ReturnType<EventualRegion['commit']> {
    return this.commit([{ kind: 'delete', table: table.id, key: [key], conditions: [] }])
  }

  /** The live rows' images, by key. */
  async rows(table: CompiledTable): Promise<Map<string, RowImage>> {
    const live = liveRow(table, 'o')
    const [result] = await this.store.read([
      {
        sql: `SELECT ${table.physical.map((c) => c.name).join(', ')} FROM ${table.physicalName} o
          WHERE ${live.sql}`,
        args: live.takesNow ? [this.wallClock.ms] : [],
      },
    ])
    return new Map(result?.rows.map((row) => [row[0] as string, row]))
  }

  async read(sql: string, ...args: SqlValue[]): Promise<readonly SqlRow[]> {
    const [result] = await this.store.read([{ sql, args }])
    return result?.rows ?? []
  }

  /** What was changed here and elsewhere, in order. */
  async changes(afterSeq = 0): Promise<readonly Change[]> {
    const entries = await readOutbox(this.store, eventualSchema, this.source, afterSeq, 10_000)
    return entries.map((entry) => entry.change)
  }

  /** What was changed here first. */
  async ownChanges(): Promise<readonly Change[]> {
    return (await this.changes()).filter((change) => change.origin.source === this.source)
  }

  /** Imports changes of one source, with their position, as the stream does. */
  async import(changes: readonly Change[]): Promise<void> {
    await this.applier.apply(changes, async (statements) => {
      const last = changes.at(-1) as Change
      await this.store.write([this.#begin(), positionOf(last), ...statements])
    })
  }

  /** Imports everything that the other region made and this one has not. */
  async pull(from: EventualRegion, limit = 10_000): Promise<void> {
    const [row] = await this.read('SELECT seq FROM _positions WHERE source = ?', from.source)
    const position = Number(row?.[0] ?? 0)
    const changes = (await from.ownChanges()).filter((change) => change.origin.seq > position)
    if (changes.length > 0) await this.import(changes.slice(0, limit))
  }

  #begin(): Statement {
    return beginContext({
      txId: 'import',
      hlc: this.clock.next(),
      epoch: 0,
      cause: 'user',
      schemaVersion: eventualSchema.version,
      capture: false,
      origin: null,
    })
  }
}

function positionOf(last: Change): Statement {
  return {
    sql: `INSERT INTO _positions VALUES (?, ?, ?)
      ON CONFLICT (source) DO UPDATE SET seq = max(seq, excluded.seq)`,
    args: [last.origin.source, last.origin.seq, last.hlc],
  }
}

/** A row's cells behind key and title. */
export interface Cells {
  readonly amount: number | null
  readonly quantity: number
  readonly tags: string
  readonly notes: string
  readonly expiresAt: number | null
}

/** The image of a row of `carts` or `pages`. */
export function image(key: string, title: string, more: Partial<Cells> = {}): SqlValue[] {
  const { amount = null, quantity = 0, tags = '[]', notes = '', expiresAt = null } = more
  return [key, title, amount, quantity, tags, notes, expiresAt]
}
