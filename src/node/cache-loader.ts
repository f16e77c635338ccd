/**
 * What happens on a miss: the row is read from the store once, for all that miss it meanwhile, here
 * and in other processes (a lease), and the cache is filled in the background.
 */
import { decodeRow, encodeRow, rowExpiryMs } from '../cache/row-codec.ts'
import type { GuardedCache } from '../cache/guarded-cache.ts'
import { MAX_ROWS_BYTES } from '../core/limits.ts'
import type { CacheEntry } from '../core/ports/cache.ts'
import type { Runtime } from '../core/ports/runtime.ts'
import type { Store } from '../core/ports/store.ts'
import type { SqlValue } from '../core/values.ts'
import type { CompiledSchema, CompiledTable } from '../schema/compiled.ts'
import { MILESTONE_STATEMENTS, type Milestones } from '../session/milestones.ts'
import { rowsByKey, selectByKeys, type StoredRow } from '../sql/select.ts'
import { splitPosition, withPosition } from './positioned-row.ts'

/** What loads. */
export interface CacheLoaderParts {
  readonly cache: GuardedCache
  readonly store: Store
  readonly schema: CompiledSchema
  readonly milestones: Milestones
  readonly runtime: Runtime
}

/** Rows by their keys, and their names in the cache. */
export interface NamedRows {
  readonly table: CompiledTable
  readonly tenant: string
  readonly keys: readonly (readonly SqlValue[])[]
  readonly names: readonly string[]
  /** Only the store's own position is asked for: nothing else can be seen by these rows. */
  readonly ownOnly: boolean
}

/** Rows as the store held them at one moment, those that had expired too. */
export interface Snapshot {
  readonly rows: readonly (StoredRow | undefined)[]
  readonly position: number
  /** Monotonic ms before they were asked for. */
  readonly atMs: number
}

const LEASE_MS = 2_000
const ENTRY_TTL_MS = 3_600_000
/** How long another process's fill is waited for, and how often it is looked for. */
const FILL_WAIT_MS = 40
const FILL_LOOK_MS = 10
/** Fills that wait for the cache; what comes on top is not filled. */
const MAX_FILLS = 1_000
/** Before every row's instant: what is stored is read, whether or not it has expired. */
const BEFORE_ALL_MS = Number.MIN_SAFE_INTEGER

export class CacheLoader {
  readonly #parts: CacheLoaderParts
  readonly #loading = new Map<string, Promise<Snapshot>>()
  readonly #filling = new Set<Promise<void>>()
  fills = 0
  refusedFills = 0
  /** Reads of the store. */
  loads = 0

  constructor(parts: CacheLoaderParts) {
    this.#parts = parts
  }

  /** Resolves once no fill is under way. */
  async idle(): Promise<void> {
    await Promise.all(this.#filling)
  }

  /** The load of a row that is under way. */
  running(name: string): Promise<Snapshot> | undefined {
    return this.#loading.get(name)
  }

  /** Reads one row that the cache lacks, and fills it. Others may join while it runs. */
  loadOne(row: NamedRows, name: string): Promise<Snapshot> {
    const loading = this.#loadLeased(row, name)
    this.#loading.set(name, loading)
    const done = (): void => {
      if (this.#loading.get(name) === loading) this.#loading.delete(name)
    }
    loading.then(done, done)
    return loading
  }

  /** Reads rows in one snapshot, and fills those with these indexes. */
  async loadAll(rows: NamedRows, missing: readonly number[]): Promise<Snapshot> {
    const { cache } = this.#parts
    const leases = await Promise.all(
      missing.map((index) => cache.acquireLease(rows.names[index] as string, LEASE_MS)),
    )
    const snapshot = await this.read(rows)
    missing.forEach((index, i) => this.#fill(rows, snapshot, index, leases[i]))
    return snapshot
  }

  async #loadLeased(row: NamedRows, name: string): Promise<Snapshot> {
    const lease = await this.#parts.cache.acquireLease(name, LEASE_MS)
    const elsewhere = lease === undefined ? await this.#filledElsewhere(row, name) : undefined
    if (elsewhere !== undefined) return elsewhere
    const snapshot = await this.read(row)
    this.#fill(row, snapshot, 0, lease)
    return snapshot
  }

  /** Another process reads the row from the store: it is about to be here. */
  async #filledElsewhere({ table }: NamedRows, name: string): Promise<Snapshot | undefined> {
    const { cache, schema, runtime } = this.#parts
    for (let waitedMs = 0; waitedMs < FILL_WAIT_MS; waitedMs += FILL_LOOK_MS) {
      if (!cache.status().inUse) return undefined
      await new Promise<void>((resolve) => {
        runtime.timers.after(FILL_LOOK_MS, resolve)
      })
      const atMs = runtime.clock.monotonicMs()
      const read = await cache.read([name])
      const entry = read?.entries[0]
      if (entry === undefined || read?.applied === undefined) continue
      const position = Math.max(entry.position, read.applied)
      if (entry.value === null) return { rows: [undefined], position, atMs }
      const row = decodeRow(schema, table, entry.value)
      return row === undefined ? undefined : { rows: [row], position, atMs }
    }
    return undefined
  }

  /** Reads rows from the store in one snapshot with its position, which becomes a milestone. */
  async read({ table, tenant, keys, ownOnly }: NamedRows): Promise<Snapshot> {
    const { store, milestones, runtime } = this.#parts
    const atMs = runtime.clock.monotonicMs()
    const select = selectByKeys(table, tenant, keys, BEFORE_ALL_MS)
    this.loads++
    if (ownOnly && keys.length === 1) {
      const [result] = await store.read([withPosition(select)])
      const { rows, position } = splitPosition(result)
      milestones.recordOwn(position, atMs)
      return { rows: rowsByKey(table, 1, rows), position, atMs }
    }
    const bounded = { ...select, maxBytes: MAX_ROWS_BYTES }
    const [found, ...rest] = await store.read([bounded, ...MILESTONE_STATEMENTS])
    const position = milestones.record(rest, atMs)
    return { rows: rowsByKey(table, keys.length, found?.rows ?? []), position, atMs }
  }

  #fill(rows: NamedRows, snapshot: Snapshot, index: number, lease: string | undefined): void {
    if (lease === undefined || this.#filling.size >= MAX_FILLS) return
    const { cache, schema } = this.#parts
    const row = snapshot.rows[index]
    const entry: CacheEntry = {
      position: snapshot.position,
      value: row === undefined ? null : encodeRow(schema, row),
      expiresAtMs: row === undefined ? null : rowExpiryMs(rows.table, row),
    }
    const filling = cache.fill(rows.names[index] as string, lease, entry, ENTRY_TTL_MS)
    const counted = filling.then((stored) => {
      if (stored) this.fills++
      else this.refusedFills++
      this.#filling.delete(counted)
    })
    this.#filling.add(counted)
  }
}
