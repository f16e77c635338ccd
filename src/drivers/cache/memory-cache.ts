/** Driver: a cache in memory, bounded in entries and bytes; the least recently used go first. */
import { MeridianError } from '../../core/errors.ts'
import type { Cache, CacheChange, CacheEntry, CacheRead } from '../../core/ports/cache.ts'
import type { Clock } from '../../core/ports/runtime.ts'
import { BUCKETS, bucketOf } from './buckets.ts'
import type { CacheFaults } from './faults.ts'

/** What a cache is made of. */
export interface MemoryCacheOptions {
  readonly clock: Clock
  /** Keys that are kept at most. */
  readonly maxEntries: number
  /** Bytes of keys and values that are kept at most, about. Default: no bound. */
  readonly maxBytes?: number
  /** Test-only. */
  readonly faults?: CacheFaults
}

/** What is known of one key. */
interface Slot {
  entry?: CacheEntry
  entryUntilMs: number
  lease?: string
  leaseUntilMs: number
  bytes: number
}

/** What is known of the store. */
interface Life {
  readonly incarnation: string
  applied: number
  /** Position of the last change of each bucket; where there was none, where this life began. */
  readonly floors: Float64Array
}

const SLOT_OVERHEAD_BYTES = 100
const NOTHING: CacheRead = { entries: [], applied: undefined }

/** Makes an empty cache. Bytes are kept as they are given: nobody may change them afterwards. */
export function createMemoryCache(options: MemoryCacheOptions): Cache {
  return new MemoryCache(options)
}

class MemoryCache implements Cache {
  readonly #options: MemoryCacheOptions
  readonly #faults: CacheFaults
  /** In order of use, the least recent first. */
  readonly #slots = new Map<string, Slot>()
  #bytes = 0
  #life: Life | undefined
  #leases = 0
  #isClosed = false

  constructor(options: MemoryCacheOptions) {
    this.#options = options
    this.#faults = options.faults ?? {}
  }

  async begin(incarnation: string, position: number): Promise<number> {
    this.#checkOpen()
    if (this.#life?.incarnation === incarnation) return this.#life.applied
    if (this.#faults.keepFormerLife !== true) this.#drop()
    const floor = this.#faults.floorsFromZero === true ? 0 : position
    const floors = new Float64Array(BUCKETS).fill(floor)
    this.#life = { incarnation, applied: position, floors }
    return position
  }

  async read(keys: readonly string[]): Promise<CacheRead> {
    this.#checkOpen()
    if (this.#life === undefined) return { ...NOTHING, entries: keys.map(() => undefined) }
    const entries = keys.map((key) => {
      const slot = this.#use(key)
      return slot === undefined ? undefined : this.#live(slot)
    })
    return { entries, applied: this.#life.applied }
  }

  async acquireLease(key: string, ttlMs: number): Promise<string | undefined> {
    this.#checkOpen()
    const slot = this.#use(key) ?? this.#add(key)
    const nowMs = this.#options.clock.monotonicMs()
    if (slot.lease !== undefined && slot.leaseUntilMs > nowMs) return undefined
    slot.lease = String(++this.#leases)
    slot.leaseUntilMs = nowMs + ttlMs
    return slot.lease
  }

  async fill(key: string, lease: string, entry: CacheEntry, ttlMs: number): Promise<boolean> {
    this.#checkOpen()
    const slot = this.#use(key)
    const nowMs = this.#options.clock.monotonicMs()
    if (slot === undefined || slot.lease !== lease || slot.leaseUntilMs <= nowMs) return false
    delete slot.lease
    if (this.#life === undefined) return false
    const floor = this.#life.floors[bucketOf(key)] as number
    if (entry.position < floor && this.#faults.fillBelowFloor !== true) return false
    const current = this.#live(slot)
    if (current !== undefined && current.position > entry.position) return false
    this.#put(key, slot, entry)
    slot.entryUntilMs = nowMs + ttlMs
    this.#makeRoom()
    return true
  }

  async apply(
    changes: readonly CacheChange[],
    after: number,
    position: number,
  ): Promise<number | undefined> {
    this.#checkOpen()
    const life = this.#life
    if (life === undefined) return undefined
    if (life.applied < after && this.#faults.applyOverGap !== true) return life.applied
    for (const change of changes) this.#applyOne(life, change)
    life.applied = Math.max(life.applied, position)
    this.#makeRoom()
    return life.applied
  }

  async clear(): Promise<void> {
    this.#checkOpen()
    this.#life = undefined
    if (this.#faults.keepFormerLife !== true) this.#drop()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#drop()
  }

  #applyOne(life: Life, { key, position, value, expiresAtMs }: CacheChange): void {
    const bucket = bucketOf(key)
    const lower = this.#faults.deleteInsteadOfFloor === true
    if (!lower) life.floors[bucket] = Math.max(life.floors[bucket] as number, position)
    const slot = this.#slots.get(key)
    if (slot === undefined) return
    if (!lower) delete slot.lease
    const current = this.#live(slot)
    if (current === undefined || current.position >= position) return
    if (lower || value === undefined) this.#put(key, slot, undefined)
    else this.#put(key, slot, { position, value, expiresAtMs })
  }

  #put(key: string, slot: Slot, entry: CacheEntry | undefined): void {
    this.#bytes -= slot.bytes
    slot.bytes = SLOT_OVERHEAD_BYTES + 2 * key.length + (entry?.value?.length ?? 0)
    this.#bytes += slot.bytes
    if (entry === undefined) delete slot.entry
    else slot.entry = entry
  }

  #live(slot: Slot): CacheEntry | undefined {
    return slot.entryUntilMs > this.#options.clock.monotonicMs() ? slot.entry : undefined
  }

  #use(key: string): Slot | undefined {
    const slot = this.#slots.get(key)
    if (slot === undefined) return undefined
    this.#slots.delete(key)
    this.#slots.set(key, slot)
    return slot
  }

  #add(key: string): Slot {
    const slot: Slot = { entryUntilMs: 0, leaseUntilMs: 0, bytes: 0 }
    this.#slots.set(key, slot)
    this.#put(key, slot, undefined)
    this.#makeRoom()
    return slot
  }

  #makeRoom(): void {
    const { maxEntries, maxBytes = Infinity } = this.#options
    for (const [key, slot] of this.#slots) {
      if (this.#slots.size <= maxEntries && this.#bytes <= maxBytes) return
      this.#slots.delete(key)
      this.#bytes -= slot.bytes
    }
  }

  #drop(): void {
    this.#slots.clear()
    this.#bytes = 0
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new MeridianError('CLOSED', 'The cache is closed.')
  }
}
