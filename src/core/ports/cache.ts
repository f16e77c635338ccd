/**
 * Port: hot entries of a region's store, shared by its nodes. A cache may lose anything at any
 * time, and callers fail open. Positions are `localSeq`s of the store under one incarnation: they
 * order the changes of every key, whatever mode or home its table has.
 */

/** A cached entry. */
export interface CacheEntry {
  /** The entry holds what the store held at this position (`localSeq`). */
  readonly position: number
  /** The cached bytes, or `null` for "known to be absent". */
  readonly value: Uint8Array | null
  /** Wall-clock milliseconds from which on the row is absent; `null`: never. */
  readonly expiresAtMs: number | null
}

/** Entries, and how far the changes of the store have been applied to them. */
export interface CacheRead {
  readonly entries: readonly (CacheEntry | undefined)[]
  /** Every change up to here is in the entries, or ended them. `undefined`: nothing is known. */
  readonly applied: number | undefined
}

/** A key whose row changed; without a new value it becomes a tombstone. */
export interface CacheChange {
  readonly key: string
  readonly position: number
  readonly value: Uint8Array | null
  readonly expiresAtMs: number | null
}

/**
 * Versioned cache with leases on misses and a floor a bucket of keys (Nishtala et al., "Scaling
 * Memcache at Facebook", NSDI 2013; protocol in docs/spec/cache.md).
 *
 * @throws MeridianError `CACHE_UNAVAILABLE` from every call that did not get through in time
 */
export interface Cache {
  /**
   * Begins with a store's incarnation. Under another one everything cached before is dropped;
   * under the same one `applied` is where the appliers left off, if the cache still knows.
   */
  begin(incarnation: string): Promise<number | undefined>

  /** Entries in the order of the keys, and the applied position, of one moment. */
  read(keys: readonly string[]): Promise<CacheRead>

  /** One caller a miss gets a token and should fill; the others get `undefined`. */
  acquireLease(key: string, ttlMs: number): Promise<string | undefined>

  /**
   * Stores the entry while its lease lives, it is not older than what is there, and no change of
   * the key's bucket after its position was applied; a bucket whose floor was lost takes no fill.
   * Returns whether it was stored.
   */
  fill(key: string, lease: string, entry: CacheEntry, ttlMs: number): Promise<boolean>

  /**
   * Applies changes in position order: newer ones replace entries or leave tombstones, end leases
   * and raise their buckets' floors. Then `applied` is `position`. Repeating it is harmless.
   */
  apply(changes: readonly CacheChange[], position: number): Promise<void>

  /** Drops everything, floors and position too: nothing is known any more. */
  clear(): Promise<void>

  /** Releases the cache. */
  close(): Promise<void>
}
