/** Where a region keeps its rows: a file of its own, or the libSQL server that is configured. */
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Config } from '../config/parse-config.ts'
import type { Runtime } from '../core/ports/runtime.ts'
import type { Store } from '../core/ports/store.ts'
import { openFileStore } from '../drivers/store/file-store.ts'
import { openRemoteStore } from '../drivers/store/remote/remote-store.ts'
import { STORE_APPLICATION_ID, STORE_FORMAT } from '../schema/system-tables.ts'
import { readSecret, type SecretSources } from './secrets.ts'

/** How a region's store is opened. */
export interface RegionStoreOptions {
  readonly region: string
  /** The folder of the region's files. */
  readonly folder: string
  readonly config: Config
  readonly runtime: Runtime
  /** Where commits of a file wait for the disk: a worker thread, or this one. */
  readonly writer: 'inline' | 'worker'
  /** Where SQL of users on a file runs: this thread (the default), or processes of its own. */
  readonly queries?: 'inline' | 'process'
  /** Where the token of a server is, and who is told what an operator should know. */
  readonly sources: SecretSources
}

/** As long as the lease of the role: the next node does not wait longer for the one than the other. */
const SHARED_LEASE_MS = 5_000

/**
 * Opens the store of a region, alone.
 *
 * @throws MeridianError `STORE_LOCKED`, `STORE_CORRUPT`, `STORE_FOREIGN`, `STORE_NEWER`,
 * `STORE_UNAVAILABLE`; of a server also `CONFIG_INVALID` (its URL, its secret), `UNAUTHENTICATED`
 */
export async function openRegionStore(options: RegionStoreOptions): Promise<Store> {
  const { region, folder, config, runtime, writer, queries, sources } = options
  const common = {
    applicationId: STORE_APPLICATION_ID,
    format: STORE_FORMAT,
    maxQueuedWrites: config.limits.maxQueuedWrites,
  }
  const server = config.stores[region]
  if (server === undefined) {
    const path = join(folder, 'store.db')
    const { timers } = runtime
    return openFileStore({
      ...common,
      path,
      timers,
      writer,
      queries: queries === 'process' ? { timeoutMs: config.limits.queryTimeoutMs } : 'inline',
    })
  }
  const { url, token } = server
  const secret = token && (await readSecret(token, `stores.${region}.token`, sources))
  const owner = `region ${region}, process ${process.pid} on ${hostname()}`
  const isShared = (config.nodes[region]?.length ?? 0) > 1
  const lease = isShared ? { leaseMs: SHARED_LEASE_MS } : {}
  const store = await openRemoteStore({ ...common, ...lease, url, token: secret, runtime, owner })
  if (store.durability === 'normal') {
    sources.log.write('warn', 'the server of the store does not force commits to the disk', {
      region,
      url,
      fix: 'Set the namespace option durability_mode to "strong".',
    })
  }
  return store
}
