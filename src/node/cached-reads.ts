/**
 * Reads by key through the region's cache. An entry is served only where it can be shown to hold
 * what the session has seen and to be young enough; all else reads the store. Protocol and proofs:
 * docs/spec/cache.md.
 */
import { decodeRow, rowExpiryMs } from '../cache/row-codec.ts'
import { rowKey } from '../cache/row-key.ts'
import { GuardedCache, type GuardStatus } from '../cache/guarded-cache.ts'
import type { Cache, CacheEntry, CacheRead } from '../core/ports/cache.ts'
import type { Log } from '../core/ports/log.ts'
import type { Runtime } from '../core/ports/runtime.ts'
import type { Store } from '../core/ports/store.ts'
import type { SqlValue } from '../core/values.ts'
import type { Positions, ReadLevel } from '../protocol/messages.ts'
import type { CompiledSchema, CompiledTable } from '../schema/compiled.ts'
import { hasLocalReads } from '../schema/log-group-names.ts'
import { Milestones } from '../session/milestones.ts'
import type { SeenKinds } from '../session/positions.ts'
import type { StoredRow } from '../sql/select.ts'
import { CacheLoader, type NamedRows, type Snapshot } from './cache-loader.ts'
import { CacheSampler, type SamplerStatus } from './cache-sampler.ts'

/** What reads through a cache. */
export interface CachedReadParts {
  readonly cache: Cache
  readonly store: Store
  readonly schema: CompiledSchema
  /** The store's source id. */
  readonly source: string
  readonly runtime: Runtime
  readonly log?: Log | undefined
  /** One in so many answers of the cache is compared with the store. Default 1,000. */
  readonly sampleEvery?: number
  /** Test-only. */
  readonly faults?: CachedReadFaults
}

/** Deliberate breaches, for tests alone: a checker that stays green with one proves nothing. */
export interface CachedReadFaults {
  /** Entries are served whatever the session has seen. */
  readonly withoutSessionCheck?: boolean
  /** What was read says nothing to the session. */
  readonly nothingSeen?: boolean
  /** Rows that have expired are served. */
  readonly withoutExpiry?: boolean
  /** Entries that share no moment are served together. */
  readonly tornReads?: boolean
}

/** A read by key that was admitted. */
export interface CachedGet {
  readonly table: CompiledTable
  readonly tenant: string
  readonly keys: readonly (readonly SqlValue[])[]
  readonly level: ReadLevel
  /** What of the session these rows must hold. */
  readonly required: Positions
  /** What these rows have seen. */
  readonly kinds: SeenKinds
  /** The instant that expiry is judged at. */
  readonly nowMs: number
}

/** What it gave. */
export interface CachedRows {
  readonly rows: readonly (StoredRow | undefined)[]
  /** What the session has then seen; nothing for stale reads. */
  readonly seen: Positions
  readonly fromCache: boolean
  /** The rows hold all that the store held so many ms ago; null: not known. */
  readonly behindMs: number | null
}

/** What came of the reads. */
export interface CachedReadStatus extends GuardStatus {
  /** Reads that the cache answered. */
  readonly hits: number
  /** Reads that found no entry, or one that has expired. */
  readonly misses: number
  /** Reads whose entries could not be shown to be new enough. */
  readonly behind: number
  /** Reads that no cache can answer, or whose cache cannot be asked. */
  readonly bypassed: number
  /** Reads of the store that misses cost. */
  readonly loads: number
  readonly fills: number
  readonly refusedFills: number
  readonly samples: SamplerStatus
}

/** Beyond, one read of the store is cheaper than its parts. */
const MAX_KEYS = 100
/** A cache that has not moved for so long, while the store has, is not served to sessions. */
const MAX_LAG_MS = 5_000
const SAMPLE_EVERY = 1_000

export class CachedReads {
  readonly #parts: CachedReadParts
  readonly #faults: CachedReadFaults
  readonly #cache: GuardedCache
  readonly #milestones: Milestones
  readonly #loader: CacheLoader
  readonly #sampler: CacheSampler
  readonly #count = { hits: 0, misses: 0, behind: 0, bypassed: 0 }

  constructor(parts: CachedReadParts) {
    this.#parts = parts
    this.#faults = parts.faults ?? {}
    this.#cache = new GuardedCache(parts.cache, parts.runtime)
    this.#milestones = new Milestones(parts.source)
    this.#loader = new CacheLoader({ ...parts, cache: this.#cache, milestones: this.#milestones })
    this.#sampler = new CacheSampler({
      ...parts,
      cache: this.#cache,
      loader: this.#loader,
      every: parts.sampleEvery ?? SAMPLE_EVERY,
    })
  }

  status(): CachedReadStatus {
    const { loads, fills, refusedFills } = this.#loader
    const own = { ...this.#count, loads, fills, refusedFills }
    return { ...this.#cache.status(), ...own, samples: this.#sampler.status() }
  }

  /** Ends what runs in the background; the cache itself is its owner's. */
  async close(): Promise<void> {
    this.#cache.close()
    this.#sampler.stop()
    await this.#loader.idle()
  }

  /**
   * Reads by key, or resolves with `undefined` where no cache can answer such a read.
   *
   * @throws MeridianError as reads of the store do
   */
  async get(get: CachedGet): Promise<CachedRows | undefined> {
    const rows = isCacheable(get) ? namedRows(get) : undefined
    const read = rows === undefined ? undefined : await this.#cache.read(rows.names)
    if (rows === undefined || read === undefined) {
      this.#count.bypassed++
      return undefined
    }
    const localSeq = this.#localSeqOf(get)
    if (localSeq === undefined) {
      // The store holds it, since the read was admitted: from this snapshot on that is known.
      this.#count.behind++
      return this.#fromStore(get, await this.#loader.read(rows))
    }
    const missing = this.#missing(get, read)
    if (missing.length === 0) {
      const served = this.#serve(get, read, localSeq)
      this.#count[served === undefined ? 'behind' : 'hits']++
      if (served !== undefined) this.#sampler.sample(rows)
      return served ?? this.#fromStore(get, await this.#loader.read(rows))
    }
    this.#count.misses++
    // A cache that knows nothing takes nothing.
    if (read.applied === undefined) return this.#fromStore(get, await this.#loader.read(rows))
    const [name] = rows.names
    return name !== undefined && rows.names.length === 1
      ? this.#loadOne(get, rows, name, localSeq)
      : this.#fromStore(get, await this.#loader.loadAll(rows, missing))
  }

  /** From where on the store holds what the session has seen; `undefined`: not known. */
  #localSeqOf({ level, required }: CachedGet): number | undefined {
    if (level === 'stale' || this.#faults.withoutSessionCheck === true) return 0
    return this.#milestones.localSeqOf(required)
  }

  #missing(get: CachedGet, { entries }: CacheRead): number[] {
    const missing: number[] = []
    entries.forEach((entry, index) => {
      if (entry === undefined || this.#rowOf(get, entry) === undefined) missing.push(index)
    })
    return missing
  }

  /**
   * The row of an entry, null where it is absent. An entry that has expired says nothing: the row
   * may have been given more time before it ran out.
   */
  #rowOf(get: CachedGet, { value, expiresAtMs }: CacheEntry): StoredRow | null | undefined {
    if (value === null) return null
    const isJudged = this.#faults.withoutExpiry !== true
    if (isJudged && expiresAtMs !== null && expiresAtMs <= get.nowMs) return undefined
    return decodeRow(this.#parts.schema, get.table, value)
  }

  /** The entries as an answer; `undefined` where they cannot be shown to be new enough. */
  #serve(
    get: CachedGet,
    { entries, applied = 0 }: CacheRead,
    localSeq: number,
  ): CachedRows | undefined {
    const newest = Math.max(...entries.map((entry) => entry?.position ?? 0))
    // Entries hold what the store held from their position to `applied`: these share no moment.
    const isTorn = newest > applied && entries.length > 1
    if (isTorn && this.#faults.tornReads !== true) return undefined
    const rows = entries.map((entry) => this.#rowOf(get, entry as CacheEntry) ?? undefined)
    return this.#judge(get, rows, Math.max(newest, applied), localSeq)
  }

  /** Rows as of a position as an answer, unless the session, or the level, asks for newer ones. */
  #judge(
    get: CachedGet,
    rows: CachedRows['rows'],
    position: number,
    localSeq: number,
  ): CachedRows | undefined {
    if (position < localSeq) return undefined
    const nowMs = this.#parts.runtime.clock.monotonicMs()
    const behindMs = nowMs - this.#milestones.freshAsOfMs(position)
    if (behindMs > oldestMs(get.level)) return undefined
    const seen = this.#seenAt(get, position)
    if (seen === undefined) return undefined
    return { rows, seen, fromCache: true, behindMs: Number.isFinite(behindMs) ? behindMs : null }
  }

  #seenAt(get: CachedGet, position: number): Positions | undefined {
    if (get.level === 'stale' || this.#faults.nothingSeen === true) return {}
    return this.#milestones.seenAt(position, get.kinds)
  }

  /** Loads a row, or waits for the load of it that is under way, if that says enough. */
  async #loadOne(
    get: CachedGet,
    rows: NamedRows,
    name: string,
    localSeq: number,
  ): Promise<CachedRows | undefined> {
    const running = this.#loader.running(name)
    const isOwn = running === undefined
    const snapshot = await (running ?? this.#loader.loadOne(rows, name)).catch((error: unknown) => {
      if (isOwn) throw error
    })
    const [row] = snapshot?.rows ?? []
    if (snapshot !== undefined && (isOwn || row === undefined || isLive(get, row))) {
      const live = row !== undefined && isLive(get, row) ? row : undefined
      const answer = this.#judge(get, [live], snapshot.position, localSeq)
      if (answer !== undefined) return { ...answer, fromCache: !isOwn }
    }
    // What others had asked for before may be older than what this session has seen.
    return this.#fromStore(get, await this.#loader.read(rows))
  }

  #fromStore(get: CachedGet, { rows, position }: Snapshot): CachedRows | undefined {
    const seen = this.#seenAt(get, position)
    if (seen === undefined) return undefined
    const live = rows.map((row) => (row !== undefined && isLive(get, row) ? row : undefined))
    return { rows: live, seen, fromCache: false, behindMs: 0 }
  }
}

/** Whether a cache can answer such a read at all. */
function isCacheable({ level, kinds, keys, table }: CachedGet): boolean {
  // Their changes reach the cache behind the rows' positions, once they are stable.
  if (hasLocalReads(table)) return false
  if (level === 'strong' || keys.length === 0 || keys.length > MAX_KEYS) return false
  // While a region is seeded again, its strong rows are of different indexes: each is right alone.
  if (kinds.logs && keys.length > 1) return false
  // How old other regions' rows are is known of the store as it is, not as of a position.
  return level === 'session' || level === 'stale' || isOwnOnly(kinds)
}

function namedRows({ table, tenant, keys, kinds }: CachedGet): NamedRows | undefined {
  const names: string[] = []
  for (const key of keys) {
    const name = rowKey(table, tenant, key)
    if (name === undefined) return undefined
    names.push(name)
  }
  return { table, tenant, keys, names, ownOnly: isOwnOnly(kinds) }
}

function isOwnOnly(kinds: SeenKinds): boolean {
  return kinds.own && kinds.imported === 'none' && !kinds.logs
}

function isLive({ table, nowMs }: CachedGet, row: StoredRow): boolean {
  const expiresAtMs = rowExpiryMs(table, row)
  return expiresAtMs === null || expiresAtMs > nowMs
}

/** How far behind the store the cache may be, in ms. */
function oldestMs(level: ReadLevel): number {
  if (level === 'stale') return Infinity
  return typeof level === 'object' ? level.maxStalenessMs : MAX_LAG_MS
}
