/**
 * Whether a file is a store that this version may open. Looked at without writing: a refused file
 * stays as it is, byte for byte.
 */
import { statSync } from 'node:fs'
import { MeridianError } from '../../core/errors.ts'
import { Connection } from './connection.ts'
import { storeError } from './engine-errors.ts'

/** Marks the files of one application and one format in their header. */
export interface FileIdentity {
  /** `PRAGMA application_id`. */
  readonly applicationId: number
  /** `PRAGMA user_version`: the newest format that this version reads. */
  readonly format: number
}

const MIN_DATABASE_BYTES = 512

/**
 * Whether the file is still to be set up (absent, or without any table).
 *
 * @throws MeridianError `STORE_CORRUPT`, `STORE_FOREIGN`, `STORE_NEWER`, `STORE_UNAVAILABLE`
 */
export function inspectFile(path: string, expected: FileIdentity): { readonly isFresh: boolean } {
  const bytes = fileSize(path)
  if (bytes === 0) return { isFresh: true }
  // The engine takes a shorter file for an empty database, and would overwrite it.
  if (bytes < MIN_DATABASE_BYTES) {
    throw new MeridianError('STORE_CORRUPT', `File ${path} is damaged or not a database.`, {
      fix: 'Name another file, or restore this one from a backup.',
      details: { path },
    })
  }
  const { tables, applicationId, format } = readIdentity(path)
  if (applicationId !== expected.applicationId && (tables > 0 || applicationId !== 0)) {
    throw new MeridianError(
      'STORE_FOREIGN',
      `File ${path} is another application's database (id ${applicationId}).`,
      { fix: 'Name another file for the store.', details: { path, applicationId } },
    )
  }
  if (format > expected.format) {
    throw new MeridianError(
      'STORE_NEWER',
      `Store ${path} has format ${format}; this version reads up to ${expected.format}.`,
      { fix: 'Run a newer version of Meridian.', details: { path, format } },
    )
  }
  return { isFresh: tables === 0 }
}

/** Marks a fresh file. One transaction: no crash leaves half a mark. */
export function markFile(connection: Connection, identity: FileIdentity): void {
  connection.once('BEGIN IMMEDIATE')
  connection.pragma(`application_id = ${identity.applicationId}`)
  connection.pragma(`user_version = ${identity.format}`)
  connection.once('COMMIT')
}

function readIdentity(path: string): { tables: number; applicationId: number; format: number } {
  // Without a write-ahead log the file alone is the database: nothing need be made beside it.
  const mode = fileSize(`${path}-wal`) === 0 ? 'immutable=1' : 'mode=ro'
  const connection = new Connection(path, mode)
  try {
    return {
      tables: Number(connection.value('SELECT count(*) FROM sqlite_schema')),
      applicationId: Number(connection.pragma('application_id')),
      format: Number(connection.pragma('user_version')),
    }
  } catch (error) {
    throw storeError(error, path) ?? error
  } finally {
    connection.close()
  }
}

function fileSize(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}
