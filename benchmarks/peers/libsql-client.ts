/** The bare client of libSQL on a file, durable as Meridian's own stores are. */
import { mkdir, mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Client, InValue } from '@libsql/client'
import { MeridianError } from '../../src/core/errors.ts'
import type { SqlValue } from '../../src/core/values.ts'
import { loadPackage } from './optional-package.ts'

/** What an acknowledgement means here. */
export const ONE_DISK = 'fsync of one disk'

const SYNCHRONOUS_FULL = 2

/**
 * Opens a file, made when it is absent, with a write-ahead log that every commit forces to the
 * disk.
 *
 * @throws MeridianError `CONFIG_INVALID` without the package `@libsql/client`, `STORE_UNAVAILABLE`
 * where the file does not take these settings
 */
export async function openLibsqlClient(path: string): Promise<Client> {
  const { createClient } = await loadPackage('@libsql/client', () => import('@libsql/client'))
  // One connection: settings are a connection's own.
  const client = createClient({ url: pathToFileURL(path).href, concurrency: 1 })
  try {
    await client.execute('PRAGMA journal_mode = WAL')
    await client.execute('PRAGMA synchronous = FULL')
    const journal = await pragma(client, 'journal_mode')
    const synchronous = await pragma(client, 'synchronous')
    if (journal === 'wal' && synchronous === SYNCHRONOUS_FULL) return client
    throw new MeridianError('STORE_UNAVAILABLE', `libSQL cannot write ${path} durably.`, {
      fix: 'Put the folder on a local disk.',
      details: { engine: 'libsql', path, journal, synchronous },
    })
  } catch (error) {
    client.close()
    throw error
  }
}

/** Makes a new folder in `directory`, which is made when it is absent. @throws MeridianError `STORE_UNAVAILABLE` */
export async function makeFolder(directory: string, name: string): Promise<string> {
  try {
    await mkdir(directory, { recursive: true })
    return await mkdtemp(join(directory, `${name}-`))
  } catch (error) {
    throw libsqlFailure(error, directory)
  }
}

/** A failure of the engine or of its disk, typed. */
export function libsqlFailure(error: unknown, path: string): MeridianError {
  if (error instanceof MeridianError) return error
  const reason = error instanceof Error ? error.message : String(error)
  return new MeridianError('STORE_UNAVAILABLE', `libSQL at ${path} failed: ${reason}.`, {
    details: { engine: 'libsql', path },
    cause: error,
  })
}

/** What a setting of the client's connection is. */
export async function pragma(client: Client, name: string): Promise<unknown> {
  const { rows } = await client.execute(`PRAGMA ${name}`)
  return rows[0]?.[0]
}

/** As the client binds it exactly: a `number` would become a REAL. */
export function bind(value: SqlValue): InValue {
  return typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : value
}
