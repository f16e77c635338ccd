/**
 * Port: shared hot entries of a region. Entries are versioned bytes; an older version never
 * replaces a newer one. A cache may lose anything at any time and callers fail open.
 */

/** A cached entry. */
export interface CacheEntry {
  /** Fixed-width text: text order is version order. */
  readonly version: string
  /** The cached bytes, or `null` for "known to be absent". */
  readonly value: Uint8Array | null
  /** Wall-clock milliseconds at which the value was known to be current. */
  readonly asOfMs: number
}

/** Versioned cache with leases on misses (Nishtala et al., "Scaling Memcache", NSDI 2013). */
export interface Cache {
  /** The entry, or `undefined` on a miss. */
  get(key: string): Promise<CacheEntry | undefined>

  /** One caller a miss gets a token and should fill; the others get `undefined`. */
  acquireLease(key: string, ttlMs: number): Promise<string | undefined>

  /**
   * Stores the entry if the lease still lives and the entry is not older than what is there.
   * Returns whether it was stored.
   */
  fill(key: string, lease: string, entry: CacheEntry, ttlMs: number): Promise<boolean>

  /** Replaces the entry if the version is newer, and ends any lease on the key. */
  put(key: string, entry: CacheEntry, ttlMs: number): Promise<boolean>

  /** Drops everything. */
  clear(): Promise<void>

  /** Releases the cache. */
  close(): Promise<void>
}
