/** The durable parts of one region: where its rows are, and its change log. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '../config/parse-config.ts'
import type { ChangeLog } from '../core/ports/change-log.ts'
import type { Runtime } from '../core/ports/runtime.ts'
import type { Store } from '../core/ports/store.ts'
import { openFileChangeLog } from '../drivers/change-log/file-change-log.ts'
import { openFileStore } from '../drivers/store/file-store.ts'
import { STORE_APPLICATION_ID, STORE_FORMAT } from '../schema/system-tables.ts'
import type { Closing } from './closing.ts'

/** How a region's files are opened. */
export interface RegionFilesOptions {
  readonly region: string
  /** The deployment's folder; the region has one of its own in it. */
  readonly directory: string
  readonly config: Config
  readonly runtime: Runtime
  /** Where commits wait for the disk: a worker thread, or this one. */
  readonly writer: 'inline' | 'worker'
  /** Opens the store where it is not a file. */
  readonly openStore?: (region: string) => Promise<Store>
}

/** What a region keeps. */
export interface RegionFiles {
  readonly store: Store
  readonly changeLog: ChangeLog
}

/**
 * Opens both; each is handed to `closing` as soon as it is open.
 *
 * @throws MeridianError `STORE_LOCKED`, `STORE_CORRUPT`, `STORE_FOREIGN`, `STORE_NEWER`,
 * `STORE_UNAVAILABLE`
 */
export async function openRegionFiles(
  options: RegionFilesOptions,
  closing: Closing,
): Promise<RegionFiles> {
  const { region, directory, config, runtime, writer, openStore } = options
  const folder = join(directory, region)
  await mkdir(folder, { recursive: true })
  const { timers } = runtime
  const openFile = (): Promise<Store> =>
    openFileStore({
      path: join(folder, 'store.db'),
      timers,
      writer,
      applicationId: STORE_APPLICATION_ID,
      format: STORE_FORMAT,
      maxQueuedWrites: config.limits.maxQueuedWrites,
    })
  const store = closing.add(await (openStore?.(region) ?? openFile()))
  const path = join(folder, 'changes.db')
  const changeLog = closing.add(await openFileChangeLog({ path, timers, writer }))
  return { store, changeLog }
}
