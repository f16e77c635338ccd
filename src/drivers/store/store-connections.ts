/** The connections of a store, set up and checked. */
import { MeridianError } from '../../core/errors.ts'
import { Connection } from './connection.ts'

const SYNCHRONOUS_FULL = 2

/** Settings of the writing connection. */
export interface WriterSettings {
  readonly path: string
  /** Size limit of the file in bytes; beyond it writes fail with `STORE_FULL`. */
  readonly maxFileBytes?: number
}

/**
 * The writing connection: write-ahead log, every commit forced to the disk, foreign keys enforced.
 *
 * @throws MeridianError `STORE_UNAVAILABLE` when the file does not take these settings
 */
export function openWriter(settings: WriterSettings): Connection {
  const { path, maxFileBytes } = settings
  const connection = new Connection(path)
  const journal = connection.pragma('journal_mode = WAL')
  connection.pragma('synchronous = FULL')
  connection.pragma('foreign_keys = ON')
  connection.pragma('trusted_schema = OFF')
  if (maxFileBytes !== undefined) {
    const pageBytes = Number(connection.pragma('page_size'))
    connection.pragma(`max_page_count = ${Math.max(1, Math.floor(maxFileBytes / pageBytes))}`)
  }
  if (journal !== 'wal' || connection.pragma('synchronous') !== SYNCHRONOUS_FULL) {
    connection.close()
    throw new MeridianError('STORE_UNAVAILABLE', `Store ${path} cannot be written durably.`, {
      fix: 'Put the file on a local disk; a write-ahead log does not work on network drives.',
      details: { path, journal },
    })
  }
  return connection
}

/** A connection that cannot write, whatever it is asked. */
export function openReader(path: string): Connection {
  const connection = new Connection(path, 'mode=ro')
  connection.pragma('query_only = ON')
  connection.pragma('trusted_schema = OFF')
  return connection
}
