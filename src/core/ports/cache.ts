/**
 * Port: hot entries of a region's store, shared by its nodes. A cache may lose anything at any
 * time, and callers fail open. Positions are `localSeq`s of the store under one incarnation: they
 * order the changes of every key, whatever mode or home its table has.
 */

/** A cached entry. It holds what the store held from `position` up to `CacheRead.applied`. */
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
  /** One for each key; an entry may be newer than `applied`. */
  readonly entries: readonly (CacheEntry | undefined)[]
  /**
   * Every change up to here is in the entries: each holds what the store held at every position
   * from its own up to this one. `undefined`: nothing is known, and there are no entries.
   */
  readonly applied: number | undefined
}

/** A key whose row changed. */
export interface CacheChange {
  readonly key: string
  readonly position: number
  /** The row's bytes after the change; `null`: it was deleted; `undefined`: not worth keeping. */
  readonly value: Uint8Array | null | undefined
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
   * Begins with a store's incarnation, and returns where changes must be applied from. Where the
   * cache knows the incarnation still, that is where the appliers left off. Where it does not, all
   * it had is dropped and it begins at `position`, a position of the store's change log.
   */
  begin(incarnation: string, position: number): Promise<number>

  /** Entries in the order of the keys, and a position that they all reach. */
  read(keys: readonly string[]): Promise<CacheRead>

  /** One caller a miss gets a token and should fill; the others get `undefined`. */
  acquireLease(key: string, ttlMs: number): Promise<string | undefined>

  /**
   * Stores the entry while its lease lives, it is not older than what is there, and no change of
   * the key's bucket after its position was applied; a cache that has lost its floors takes no
   * fill. Returns whether it was stored.
   */
  fill(key: string, lease: string, entry: CacheEntry, ttlMs: number): Promise<boolean>

  /**
   * Applies all changes of the store after `after` up to `position`, the end of a transaction:
   * they renew the entries that are there, end leases and raise their buckets' floors. Repeating
   * it is harmless. Returns how far the cache then is: less than `position` where it has lost what
   * came before (it was restored, or failed over), and nothing was applied: apply from there;
   * `undefined` where it has lost everything: begin again.
   */
  apply(
    changes: readonly CacheChange[],
    after: number,
    position: number,
  ): Promise<number | undefined>

  /** Drops everything, floors and position too: nothing is known until it begins again. */
  clear(): Promise<void>

  /** Releases the cache. */
  close(): Promise<void>
}
