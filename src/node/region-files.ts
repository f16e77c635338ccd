/** The durable parts of one region: where its rows are, and its change log. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { ChangeLog } from '../core/ports/change-log.ts'
import type { Store } from '../core/ports/store.ts'
import { openFileChangeLog } from '../drivers/change-log/file-change-log.ts'
import type { Closing } from './closing.ts'
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

/** Opens the change log of a store (`<region>.<incarnation>`): positions are a store's own. */
export type OpenChangeLog = (source: string) => Promise<ChangeLog>

/** What a region keeps. */
export interface RegionFiles {
  readonly store: Store
  readonly changeLog: OpenChangeLog
}

/**
 * Opens both; each is handed to `closing` as soon as it is open.
 *
 * @throws MeridianError `STORE_LOCKED`, `STORE_CORRUPT`, `STORE_FOREIGN`, `STORE_NEWER`,
 * `STORE_UNAVAILABLE`, and of a store on a server `CONFIG_INVALID`, `UNAUTHENTICATED`
 */
export async function openRegionFiles(
  options: RegionFilesOptions,
  closing: Closing,
): Promise<RegionFiles> {
  const { region, directory, runtime, writer } = options
  const folder = join(directory, region)
  await makeDataFolder(folder)
  const { timers } = runtime
  const store = closing.add(await openRegionStore({ ...options, folder }))
  const path = join(folder, 'changes.db')
  const changeLog = closing.add(await openFileChangeLog({ path, timers, writer }))
  return { store, changeLog: async () => changeLog }
}
