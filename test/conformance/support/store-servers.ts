/** libSQL servers for tests of the store that speaks to one. */
import { join } from 'node:path'
import { createClient } from '@libsql/client'
import { onTestFinished } from 'vitest'
import { openStoreServer } from '../../../src/node/store-server.ts'
import { tempFolder } from './temp-folder.ts'

/** Where a server is. */
export interface ServerAddress {
  readonly url: string
  readonly token?: string | undefined
}

/**
 * A server with an empty database, for the running test alone. `MERIDIAN_TEST_LIBSQL_URL` (http) and
 * `MERIDIAN_TEST_LIBSQL_TOKEN` name another than our own, sqld for one; all that it has is dropped.
 */
export async function emptyServer(protocol: 'http' | 'ws'): Promise<ServerAddress> {
  const url = process.env['MERIDIAN_TEST_LIBSQL_URL']
  const token = process.env['MERIDIAN_TEST_LIBSQL_TOKEN']
  if (url !== undefined) {
    await dropAll(url, token)
    return { url: url.replace(/^http/, protocol), token }
  }
  const server = await openStoreServer({ file: join(tempFolder(), 'store.db') })
  onTestFinished(() => server.close())
  return { url: server.url.replace(/^http/, protocol) }
}

async function dropAll(url: string, token: string | undefined): Promise<void> {
  const client = createClient({ url, ...(token === undefined ? {} : { authToken: token }) })
  const { rows } = await client.execute(
    `SELECT 'DROP ' || type || ' "' || name || '"' AS sql FROM sqlite_schema
      WHERE type IN ('table', 'view')
        AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE 'libsql\\_%' ESCAPE '\\'`,
  )
  const drops = rows.flatMap(({ sql }) => (typeof sql === 'string' ? [sql] : []))
  // `migrate` turns foreign keys off, which would keep tables from being dropped.
  if (drops.length > 0) await client.migrate(drops)
  client.close()
}
