/**
 * A store with its change log and its views, in memory: rows are written as engines write them, the
 * log falls behind as a test says, and the maintainer's writes fail when a test says.
 */
import { createOutboxFeed } from '../../cdc/capture/outbox-feed.ts'
import type { ViewFaults } from '../../cdc/views/faults.ts'
import { createViewMaintainer, type ViewMaintainer } from '../../cdc/views/maintainer.ts'
import type { Cause, Change, RowImage } from '../../src/core/change.ts'
import { MeridianError } from '../../src/core/errors.ts'
import type { ChangeFeed } from '../../src/core/ports/changes.ts'
import type { Timers } from '../../src/core/ports/runtime.ts'
import { StatementFailed, type Statement, type Store } from '../../src/core/ports/store.ts'
import { StoreClock } from '../../src/core/store-clock.ts'
import type { SqlRow, SqlValue } from '../../src/core/values.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import { encodeChange } from '../../src/protocol/change-codec.ts'
import type { CompiledSchema, CompiledTable, CompiledView } from '../../src/schema/compiled.ts'
import { prepareStore } from '../../src/schema/migrate.ts'
import { keyOfImage } from '../../src/schema/rows.ts'
import { beginContext, setCause } from '../../src/schema/system-tables.ts'
import { outboxRows, type NewOutboxChange } from '../../src/sql/outbox-rows.ts'
import { deleteRows, upsertRows } from '../../src/sql/write-rows.ts'
import { sameRows, showKey } from './row-text.ts'
import { MemoryChangeLog } from './memory-change-log.ts'
import { MemoryStore } from './memory-store.ts'
import { recompute, type LiveRow } from './view-model.ts'

/** How the maintainer's next write fails: before it, inside it, or after it, its answer lost. */
export type WriteFailure = 'before' | 'inside' | 'after'

/** The store as the maintainer has it. */
class FailingStore implements Store {
  readonly #store: MemoryStore
  failure: WriteFailure | undefined
  /** The process that had it is gone: nothing of it reaches the store any more. */
  isDead = false
  /** How often the maintainer has called `write` and `read`. */
  writes = 0
  reads = 0

  constructor(store: MemoryStore) {
    this.#store = store
  }

  async write(statements: readonly Statement[]): ReturnType<Store['write']> {
    this.writes += 1
    const failure = this.failure
    this.failure = undefined
    const lost = new MeridianError('STORE_UNAVAILABLE', 'The disk is gone.')
    if (this.isDead) throw lost
    if (failure === 'before') throw lost
    if (failure === 'inside') {
      const half = statements.slice(0, Math.ceil(statements.length / 2))
      const broken = { sql: 'INSERT INTO _guard VALUES (1)', args: [] }
      await this.#store.write([...half, broken]).catch((error: unknown) => {
        if (!(error instanceof StatementFailed)) throw error
      })
      throw lost
    }
    const results = await this.#store.write(statements)
    if (failure === 'after') throw lost
    return results
  }

  read(statements: readonly Statement[]): ReturnType<Store['read']> {
    this.reads += 1
    return this.#store.read(statements)
  }

  query(statement: Statement): ReturnType<Store['query']> {
    return this.#store.query(statement)
  }

  onCommit(listener: () => void): () => void {
    return this.#store.onCommit(listener)
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

/** A row to write (`image`) or to delete (`key`). */
export interface ViewWrite {
  readonly table: string
  readonly tenant: string
  readonly key: readonly SqlValue[]
  readonly image: RowImage | null
}

/** A view that does not hold what a recompute holds. */
export interface Difference {
  readonly view: string
  readonly tenant: string
  readonly actual: readonly SqlRow[]
  readonly expected: readonly SqlRow[]
}

export interface ViewWorldOptions {
  readonly schema: CompiledSchema
  readonly tenants: readonly string[]
  readonly faults?: ViewFaults
  readonly reserveRows?: number
  /** What the maintainer waits with; default: short waits are shorter still. */
  readonly timers?: Timers
}

const TIMEOUT_MS = 20_000

export class ViewWorld {
  readonly store: MemoryStore
  readonly log = new MemoryChangeLog()
  failing: FailingStore
  schema: CompiledSchema
  nowMs = 1_000_000
  /** What has stopped views. */
  readonly stopped: MeridianError[] = []
  readonly #options: ViewWorldOptions
  readonly #clock: StoreClock
  #feed: ChangeFeed
  #views: ViewMaintainer | undefined
  #transactions = 0

  private constructor(options: ViewWorldOptions, store: MemoryStore) {
    this.#options = options
    this.schema = options.schema
    this.store = store
    this.failing = new FailingStore(store)
    const wall = (): number => this.nowMs
    this.#clock = new StoreClock({ nowMs: wall, monotonicMs: wall, bootMs: wall })
    this.#feed = createOutboxFeed({ store, schema: options.schema, source: 'eu.1' })
  }

  static async open(options: ViewWorldOptions): Promise<ViewWorld> {
    const store = new MemoryStore()
    await prepareStore(store, options.schema, systemRuntime)
    const world = new ViewWorld(options, store)
    await world.start()
    return world
  }

  get views(): ViewMaintainer {
    return this.#views as ViewMaintainer
  }

  /** Starts the views, those of another schema when one is given. */
  async start(schema = this.schema): Promise<void> {
    this.schema = schema
    const { faults, reserveRows, timers = FAST_TIMERS } = this.#options
    this.#views = await createViewMaintainer({
      store: this.failing,
      schema,
      changeLog: this.log,
      runtime: { ...systemRuntime, timers },
      nowMs: () => this.nowMs,
      onStopped: (error) => this.stopped.push(error),
      ...(faults === undefined ? {} : { faults }),
      ...(reserveRows === undefined ? {} : { reserveRows }),
    })
  }

  async restart(schema = this.schema): Promise<void> {
    await this.views.stop()
    await this.start(schema)
  }

  /** Ends the views without a last write, as a killed process ends, and starts them again. */
  async crash(): Promise<void> {
    this.failing.isDead = true
    await this.views.stop()
    this.failing = new FailingStore(this.store)
    await this.start()
  }

  /** Gives the store another schema, and starts its views. */
  async migrate(schema: CompiledSchema): Promise<void> {
    await this.views.stop()
    await prepareStore(this.store, schema, systemRuntime)
    this.#feed = createOutboxFeed({ store: this.store, schema, source: 'eu.1' })
    await this.start(schema)
  }

  async close(): Promise<void> {
    await this.views.stop()
    await this.store.close()
  }

  /** One transaction; rows of one table's mode. Expired rows in its way are deleted first. */
  async write(writes: readonly ViewWrite[], cause: Cause = 'user'): Promise<void> {
    if (writes.length === 0) return
    const hlc = this.#clock.next()
    const txId = `tx-${++this.#transactions}`
    const version = `v-${hlc}`
    const eventual = this.table(writes[0]?.table ?? '').consistency === 'eventual'
    const statements: Statement[] = []
    const changes: NewOutboxChange[] = []
    // The rows as the transaction has left them so far: it may write one twice.
    const current = new Map<string, RowImage | null>()
    for (const { table: named, tenant, key, image } of writes) {
      const table = this.table(named)
      const id = JSON.stringify([table.id, tenant, ...key.map(showKey)])
      const before = current.has(id)
        ? (current.get(id) ?? null)
        : await this.#stored(table, tenant, key)
      current.set(id, image)
      if (before === null && image === null) continue
      if (eventual) {
        const merge = [new Uint8Array(), image === null ? 0 : 1]
        const row = { tenant, image: image ?? before ?? [], version, epoch: 0, merge }
        statements.push(upsertRows(table, [row]))
        changes.push({
          epoch: 0,
          origin: null,
          txId,
          hlc,
          schemaVersion: this.schema.version,
          cause,
          tableId: table.id,
          op: image === null ? 'delete' : before === null ? 'insert' : 'update',
          tenant,
          key,
          before,
          after: image,
          version,
          delta: new Uint8Array(),
        })
        continue
      }
      if (before !== null && this.#isExpired(table, before)) {
        const swept = deleteRows(table, [{ tenant, key }])
        statements.push(setCause('ttl'), swept, setCause(cause))
      }
      statements.push(
        image === null
          ? deleteRows(table, [{ tenant, key }])
          : upsertRows(table, [{ tenant, image, version, epoch: 1 }]),
      )
    }
    if (changes.length > 0) statements.push(outboxRows(this.schema, changes))
    const context = beginContext({
      txId,
      hlc,
      epoch: 1,
      cause,
      schemaVersion: this.schema.version,
      capture: !eventual,
      origin: null,
    })
    await this.store.write([context, ...statements])
  }

  /** Deletes all expired rows. */
  async sweep(): Promise<void> {
    for (const table of this.schema.tables) {
      if (table.ttl === null) continue
      const expired = (await this.#rows(table)).filter(({ image }) => this.#isExpired(table, image))
      await this.write(
        expired.map(({ tenant, image }) => ({
          table: table.name,
          tenant,
          key: keyOfImage(table, image),
          image: null,
        })),
        'ttl',
      )
    }
  }

  /** Copies the next changes to the log, wherever that cuts a transaction; resolves with its end. */
  async relay(count: number): Promise<number> {
    const start = await this.log.end()
    const changes: Change[] = []
    while (changes.length < count) {
      const more = await this.#feed.read(start + changes.length, count - changes.length)
      if (more.length === 0) break
      changes.push(...more)
    }
    const cut = changes.slice(0, count)
    await this.log.append(
      cut.map((change) => ({ position: change.localSeq, payload: encodeChange(change) })),
    )
    return start + cut.length
  }

  /** Brings log and views up to the store; resolves with what then differs from a recompute. */
  async settle(): Promise<Difference[]> {
    const end = await this.relay(Infinity)
    await this.views.waitApplied(end, TIMEOUT_MS)
    return this.differences()
  }

  async differences(): Promise<Difference[]> {
    const differences: Difference[] = []
    for (const view of this.schema.views) {
      const rows = (await this.#rows(view.source)).filter(
        ({ image }) => !this.#isExpired(view.source, image),
      )
      for (const tenant of view.span === 'region' ? [''] : this.#options.tenants) {
        const actual = await this.read(view, tenant)
        const expected = recompute(view, tenant, rows)
        if (!sameRows(actual, expected)) {
          differences.push({ view: view.name, tenant, actual, expected })
        }
      }
    }
    return differences
  }

  /** A view's rows as a reader gets them. */
  async read(
    view: CompiledView | string,
    tenant: string,
    { prefix = [], limit = 1_000_000 }: { prefix?: readonly SqlValue[]; limit?: number } = {},
  ): Promise<SqlRow[]> {
    if (typeof view === 'string') return this.read(this.view(view), tenant, { prefix, limit })
    const select = this.views.select(view, tenant, prefix, limit, this.nowMs)
    const [result] = await this.store.read([select])
    return this.views.rows(view, result?.rows ?? [])
  }

  table(name: string): CompiledTable {
    const found = this.schema.tableByName.get(name)
    if (found === undefined) throw new Error(`no table ${name}`)
    return found
  }

  /** One row of SQL on the store. */
  async value(sql: string): Promise<SqlValue | undefined> {
    const [result] = await this.store.read([{ sql, args: [] }])
    return result?.rows[0]?.[0]
  }

  view(name: string): CompiledView {
    return this.schema.viewByName.get(name) as CompiledView
  }

  /** The visible rows of a table, expired ones too. */
  async #rows(table: CompiledTable): Promise<LiveRow[]> {
    const names = table.physical.map((c) => c.name).join(', ')
    const visible = table.consistency === 'eventual' ? ' WHERE _visible = 1' : ''
    const sql = `SELECT tenant, ${names} FROM ${table.physicalName}${visible}`
    const [result] = await this.store.read([{ sql, args: [], bigints: true }])
    return (result?.rows ?? []).map(([tenant, ...image]) => ({
      tenant: String(tenant),
      image: image.map((value, i) =>
        typeof value === 'bigint' && table.physical[i]?.wide !== true ? Number(value) : value,
      ),
    }))
  }

  async #stored(
    table: CompiledTable,
    tenant: string,
    key: readonly SqlValue[],
  ): Promise<RowImage | null> {
    const wanted = JSON.stringify(key.map(showKey))
    const found = (await this.#rows(table)).find(
      (row) =>
        row.tenant === tenant &&
        JSON.stringify(keyOfImage(table, row.image).map(showKey)) === wanted,
    )
    return found?.image ?? null
  }

  #isExpired(table: CompiledTable, image: RowImage): boolean {
    if (table.ttl === null) return false
    const expiry = image[table.valueIndex.get(table.ttl.id) as number] ?? null
    return expiry !== null && Number(expiry) <= this.nowMs
  }
}

/** Waits between attempts are short here. */
const FAST_TIMERS = {
  ...systemRuntime.timers,
  after: (delayMs: number, callback: () => void) =>
    systemRuntime.timers.after(delayMs > 1000 ? delayMs : delayMs / 20, callback),
}
