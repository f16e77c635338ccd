/** A region's cache as a node runs it: what keeps it current, reads through it, and how they stand. */
import type { L1Cache, L1Status } from '../cache/l1-cache.ts'
import { startCacheRole, type CacheRoleOptions } from './cache-role.ts'
import type { CachedReads, CachedReadStatus } from './cached-reads.ts'

/** What it is made of. */
export interface RegionCacheParts extends Omit<CacheRoleOptions, 'cache'> {
  /** Left out: the region has none. */
  readonly cache?: L1Cache
  readonly cached: CachedReads | undefined
}

/** How a region's cache stands. */
export interface RegionCacheStatus extends CachedReadStatus {
  /** It holds the store's changes up to here; null while it cannot be asked. */
  readonly position: number | null
  /** The code of why it does not follow. */
  readonly error: string | null
  /** What this process keeps of it in its memory. */
  readonly memory: L1Status
}

/** A region's cache. */
export interface RegionCache {
  status(): RegionCacheStatus
  /** Ends what uses it, and closes it. */
  close(): Promise<void>
}

/** Starts to keep it current; `undefined` where there is none. */
export function startRegionCache(parts: RegionCacheParts): RegionCache | undefined {
  const { cache, cached } = parts
  if (cache === undefined || cached === undefined) return undefined
  const role = startCacheRole({ ...parts, cache })
  return {
    status: () => {
      const { position, error } = role.status()
      return {
        ...cached.status(),
        position: position ?? null,
        error: error?.code ?? null,
        memory: cache.status(),
      }
    },
    async close() {
      await role.stop()
      await cached.close()
      await cache.close()
    },
  }
}
