/** Driver: a cache in memory, bounded in entries; the least recently used go first. */
import { MeridianError } from '../../core/errors.ts'
import type { Cache, CacheEntry } from '../../core/ports/cache.ts'
import type { Clock } from '../../core/ports/runtime.ts'

/** What a cache is made of. */
export interface MemoryCacheOptions {
  readonly clock: Clock
  /** Keys that are kept at most. */
  readonly maxEntries: number
}

/** What is known of one key. */
interface Slot {
  entry?: CacheEntry
  entryUntilMs: number
  lease?: string
  leaseUntilMs: number
}

/** Makes an empty cache. Bytes are kept as they are given: nobody may change them afterwards. */
export function createMemoryCache(options: MemoryCacheOptions): Cache {
  return new MemoryCache(options)
}

class MemoryCache implements Cache {
  readonly #clock: Clock
  readonly #maxEntries: number
  /** In order of use, the least recent first. */
  readonly #slots = new Map<string, Slot>()
  #leases = 0
  #isClosed = false

  constructor(options: MemoryCacheOptions) {
    this.#clock = options.clock
    this.#maxEntries = options.maxEntries
  }

  async get(key: string): Promise<CacheEntry | undefined> {
    const slot = this.#use(key)
    return slot === undefined ? undefined : this.#live(slot)
  }

  async acquireLease(key: string, ttlMs: number): Promise<string | undefined> {
    const slot = this.#use(key) ?? this.#add(key)
    const nowMs = this.#clock.monotonicMs()
    if (slot.lease !== undefined && slot.leaseUntilMs > nowMs) return undefined
    slot.lease = String(++this.#leases)
    slot.leaseUntilMs = nowMs + ttlMs
    return slot.lease
  }

  async fill(key: string, lease: string, entry: CacheEntry, ttlMs: number): Promise<boolean> {
    const slot = this.#use(key)
    const nowMs = this.#clock.monotonicMs()
    if (slot === undefined || slot.lease !== lease || slot.leaseUntilMs <= nowMs) return false
    delete slot.lease
    const current = this.#live(slot)
    if (current !== undefined && current.version > entry.version) return false
    slot.entry = entry
    slot.entryUntilMs = nowMs + ttlMs
    return true
  }

  async put(key: string, entry: CacheEntry, ttlMs: number): Promise<boolean> {
    const slot = this.#use(key) ?? this.#add(key)
    delete slot.lease
    const current = this.#live(slot)
    if (current !== undefined && current.version >= entry.version) return false
    slot.entry = entry
    slot.entryUntilMs = this.#clock.monotonicMs() + ttlMs
    return true
  }

  async clear(): Promise<void> {
    this.#checkOpen()
    this.#slots.clear()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#slots.clear()
  }

  #live(slot: Slot): CacheEntry | undefined {
    return slot.entryUntilMs > this.#clock.monotonicMs() ? slot.entry : undefined
  }

  #use(key: string): Slot | undefined {
    this.#checkOpen()
    const slot = this.#slots.get(key)
    if (slot === undefined) return undefined
    this.#slots.delete(key)
    this.#slots.set(key, slot)
    return slot
  }

  #add(key: string): Slot {
    const slot: Slot = { entryUntilMs: 0, leaseUntilMs: 0 }
    this.#slots.set(key, slot)
    if (this.#slots.size > this.#maxEntries) {
      for (const oldest of this.#slots.keys()) {
        this.#slots.delete(oldest)
        break
      }
    }
    return slot
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new MeridianError('CLOSED', 'The cache is closed.')
  }
}
