/**
 * Deletes expired pinned rows at their homes, and outcomes past their retention. Expired rows are absent since their instant for every reader
 * and writer; the sweep gives the space back and tells consumers (`cause: ttl`).
 */
import { hlcMs } from '../../src/core/hlc.ts'
import { newTxId } from '../../src/core/ids.ts'
import type { Runtime } from '../../src/core/ports/runtime.ts'
import { StatementFailed, type Statement, type Store } from '../../src/core/ports/store.ts'
import type { StoreClock } from '../../src/core/store-clock.ts'
import type { SqlRow, SqlValue } from '../../src/core/values.ts'
import type { CompiledSchema, CompiledTable } from '../../src/schema/compiled.ts'
import { beginContext } from '../../src/schema/system-tables.ts'
import { keyColumns, toJsonCell, fromJsonCell, type CellColumn } from '../../src/sql/json-cells.ts'
import { tenantKey } from '../../src/tenancy/tenant-key.ts'
import type { HomeLookup } from './engine.ts'
import { groupBy } from './group-by.ts'
import { pruneOutcomes } from './outcomes.ts'
import { homeGuard } from './program.ts'

/** What a sweeper needs. */
export interface PinnedSweeperOptions {
  readonly store: Store
  readonly schema: CompiledSchema
  /** The clock of `store`. */
  readonly clock: StoreClock
  readonly runtime: Runtime
  readonly region: string
  readonly directory: HomeLookup
  /** Rows of one delete, at most. Default 500. */
  readonly maxBatchRows?: number
}

/** What the sweeps of a store did. */
export interface SweepMetrics {
  /** Rows deleted since the start. */
  readonly deleted: number
  /** How long the longest-expired row at home here was overdue when the last sweep met it; 0: none. */
  readonly oldestOverdueMs: number
}

/** Sweeps when asked to: when that is belongs to the node, which staggers its regions. */
export interface PinnedSweeper {
  /**
   * Deletes rows that have expired and are at home here (the rest is their home's to delete), and
   * outcomes of writes that are too old to be repeated.
   */
  sweep(): Promise<void>
  metrics(): SweepMetrics
}

const DEFAULT_MAX_BATCH_ROWS = 500
const MIN_BATCH_ROWS = 16
/** A delete that holds the writer longer than this is followed by smaller ones. */
const TARGET_WRITE_MS = 5

/** Creates the sweeper of one store. */
export function createPinnedSweeper(options: PinnedSweeperOptions): PinnedSweeper {
  return new Sweeper(options)
}

/** An expired row, by what finds it. */
export interface Expired {
  readonly tenant: string
  readonly expiresMs: number
  readonly key: readonly SqlValue[]
}

class Sweeper implements PinnedSweeper {
  readonly #options: PinnedSweeperOptions
  readonly #tables: readonly CompiledTable[]
  #batchRows: number
  #deleted = 0
  #oldestOverdueMs = 0

  constructor(options: PinnedSweeperOptions) {
    this.#options = options
    this.#tables = options.schema.tables.filter((t) => t.consistency === 'pinned' && t.ttl !== null)
    this.#batchRows = options.maxBatchRows ?? DEFAULT_MAX_BATCH_ROWS
  }

  metrics(): SweepMetrics {
    return { deleted: this.#deleted, oldestOverdueMs: this.#oldestOverdueMs }
  }

  async sweep(): Promise<void> {
    const { clock, runtime } = this.#options
    const nowMs = Math.max(runtime.clock.nowMs(), hlcMs(clock.last()))
    this.#oldestOverdueMs = 0
    for (const table of this.#tables) await this.#sweepTable(table, nowMs)
    await this.#pruneOutcomes(nowMs)
  }

  async #pruneOutcomes(nowMs: number): Promise<void> {
    const { store, runtime } = this.#options
    for (;;) {
      const limit = this.#batchRows
      const startMs = runtime.clock.monotonicMs()
      const pruned = await pruneOutcomes(store, nowMs, limit)
      if (pruned < limit) return
      await this.#yield(runtime.clock.monotonicMs() - startMs)
    }
  }

  /** Pages through what has expired: rows of other homes, which stay, must not hide those of here. */
  async #sweepTable(table: CompiledTable, nowMs: number): Promise<void> {
    let after: Expired | undefined
    for (;;) {
      const limit = this.#batchRows
      const [result] = await this.#options.store.read([selectExpired(table, nowMs, limit, after)])
      const rows = (result?.rows ?? []).map(readExpired)
      for (const [tenant, group] of groupBy(rows, (row) => row.tenant)) {
        await this.#sweepTenant(table, tenant, group, nowMs)
      }
      after = rows.at(-1)
      if (after === undefined || rows.length < limit) return
    }
  }

  async #sweepTenant(
    table: CompiledTable,
    tenant: string,
    rows: readonly Expired[],
    nowMs: number,
  ): Promise<void> {
    const { store, clock, runtime, region, directory, schema } = this.#options
    const home = await directory.lookup(tenant)
    if (home?.home !== region || home.state !== 'active') return
    const overdueMs = nowMs - (rows[0]?.expiresMs ?? nowMs)
    this.#oldestOverdueMs = Math.max(this.#oldestOverdueMs, overdueMs)
    const startMs = runtime.clock.monotonicMs()
    try {
      const results = await store.write([
        beginContext({
          txId: newTxId(runtime.clock, runtime.random),
          hlc: clock.next(),
          epoch: home.epoch,
          cause: 'ttl',
          schemaVersion: schema.version,
          capture: true,
          origin: null,
        }),
        homeGuard(tenantKey(tenant), region, home.epoch),
        deleteExpired(table, tenant, rows, nowMs),
      ])
      this.#deleted += results.at(-1)?.rowsAffected ?? 0
    } catch (error) {
      // Moved away, or another writer drew a later stamp: the next sweep sees it as it is then.
      if (!(error instanceof StatementFailed && error.statementIndex < 2)) throw error
    }
    await this.#yield(runtime.clock.monotonicMs() - startMs)
  }

  /** Leaves the writer to others for as long as it was taken, and takes it for less when that was long. */
  #yield(elapsedMs: number): Promise<void> {
    const most = this.#options.maxBatchRows ?? DEFAULT_MAX_BATCH_ROWS
    const next = elapsedMs > TARGET_WRITE_MS ? this.#batchRows / 2 : this.#batchRows * 2
    this.#batchRows = Math.min(most, Math.max(MIN_BATCH_ROWS, Math.floor(next)))
    return new Promise((resolve) => {
      this.#options.runtime.timers.after(Math.ceil(elapsedMs), resolve)
    })
  }
}

/** Expired rows in the order of the index on the instant, behind `after`. */
export function selectExpired(
  table: CompiledTable,
  nowMs: number,
  limit: number,
  after: Expired | undefined,
): Statement {
  const instant = `c${table.ttl?.id}`
  const order = [instant, 'tenant', ...keyColumns(table).map((column) => column.name)].join(', ')
  const behind =
    after === undefined ? '' : `AND (${order}) > (${'?, '.repeat(1 + after.key.length)}?)`
  return {
    sql: `SELECT ${order} FROM ${table.physicalName}
      WHERE ${instant} IS NOT NULL AND ${instant} <= ? ${behind} ORDER BY ${order} LIMIT ?`,
    args: [
      nowMs,
      ...(after === undefined ? [] : [after.expiresMs, after.tenant, ...after.key]),
      limit,
    ],
    bigints: keyColumns(table).some((column) => column.wide),
  }
}

function readExpired(row: SqlRow): Expired {
  const [expiresMs, tenant, ...key] = row
  return { expiresMs: Number(expiresMs), tenant: tenant as string, key }
}

/** Asks again whether each row has expired: it may have been renewed since it was found. */
function deleteExpired(
  table: CompiledTable,
  tenant: string,
  rows: readonly Expired[],
  nowMs: number,
): Statement {
  const columns = keyColumns(table)
  const names = columns.map((column) => column.name).join(', ')
  const cells = columns.map((column, i) => fromJsonCell(column, 'value', i)).join(', ')
  const keys = rows.map(({ key }) => key.map((v, i) => toJsonCell(columns[i] as CellColumn, v)))
  return {
    sql: `DELETE FROM ${table.physicalName} WHERE (tenant, ${names}) IN (
      SELECT ?, ${cells} FROM json_each(?)) AND c${table.ttl?.id} <= ?`,
    args: [tenant, JSON.stringify(keys), nowMs],
  }
}
