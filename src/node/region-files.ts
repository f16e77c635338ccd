/** What a region keeps: its rows, its change log, and a cache of hot rows. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createL1Cache, type L1Cache } from '../cache/l1-cache.ts'
import type { Store } from '../core/ports/store.ts'
import { openRedisCache } from '../drivers/redis/redis-cache.ts'
import type { Closing } from './closing.ts'
import { redisSettings } from './engine-settings.ts'
import { openRegionChangeLog, type RegionChangeLog } from './region-change-log.ts'
import { openRegionStore, type RegionStoreOptions } from './region-store.ts'

/** How a region's files are opened. */
export interface RegionFilesOptions extends Omit<RegionStoreOptions, 'folder'> {
  /** The deployment's folder; the region has one of its own in it. */
  readonly directory: string
}

/** Rows are there for whoever may read the files: nobody but their owner. */
export async function makeDataFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 })
}

/** What a region keeps. */
export interface RegionFiles extends RegionChangeLog {
  readonly store: Store
  /**
   * Hot rows, for the nodes of the region together, the hottest in this process; reads go to the
   * store where it is left out.
   */
  readonly cache?: L1Cache
}

/**
 * Opens them; each is handed to `closing` as soon as it is open.
 *
 * @throws MeridianError `STORE_LOCKED`, `STORE_CORRUPT`, `STORE_FOREIGN`, `STORE_NEWER`,
 * `STORE_UNAVAILABLE`, and of a store on a server `CONFIG_INVALID`, `UNAUTHENTICATED`
 */
export async function openRegionFiles(
  options: RegionFilesOptions,
  closing: Closing,
): Promise<RegionFiles> {
  const { region, directory, config, runtime, sources } = options
  const folder = join(directory, region)
  await makeDataFolder(folder)
  const store = closing.add(await openRegionStore({ ...options, folder }))
  const changeLog = await openRegionChangeLog({ ...options, folder }, closing)
  const redis = config.caches[region]
  if (redis === undefined) return { store, ...changeLog }
  const endpoint = await redisSettings(redis, region, sources)
  const { name } = config
  const { log } = sources
  const shared = openRedisCache({ name, region, config: endpoint, runtime, log })
  const { clock } = runtime
  const cache = closing.add(createL1Cache({ shared, feed: shared.feed, clock }))
  return { store, ...changeLog, cache }
}
