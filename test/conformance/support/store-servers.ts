/** libSQL servers for tests of the store that speaks to one. */
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'
import { openStoreServer } from '../../../src/node/store-server.ts'
import { tempFolder } from './temp-folder.ts'

/** Where a server is. */
export interface ServerAddress {
  readonly url: string
  readonly token?: string | undefined
}

/** A server with an empty database, for the running test alone. */
export async function emptyServer(protocol: 'http' | 'ws'): Promise<ServerAddress> {
  const server = await openStoreServer({
    file: join(tempFolder(), 'store.db'),
    host: '127.0.0.1',
    port: 0,
    runtime: systemRuntime,
  })
  onTestFinished(() => server.close())
  return { url: server.url.replace(/^http/, protocol) }
}
