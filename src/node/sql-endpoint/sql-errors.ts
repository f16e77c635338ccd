/**
 * Errors as SQL clients see them: a code, and a message that names what the user knows. What a
 * store says of its files and tables stays here.
 */
import { MeridianError, toWireError, type ErrorCode } from '../../core/errors.ts'
import { SqlError } from '../../core/ports/sql-session.ts'
import { SQL_PATH_PREFIX } from '../../core/wire-http.ts'

/** Of these the message is about the node's inside: clients get another one. */
const INTERNAL_CODES: readonly ErrorCode[] = [
  'CLOSED',
  'INTERNAL',
  'STORE_LOCKED',
  'STORE_CORRUPT',
  'STORE_FOREIGN',
  'STORE_NEWER',
  'STORE_FULL',
  'STORE_UNAVAILABLE',
]

/** A message may quote all that a user wrote: what is looked through is what is shown. */
const MAX_SHOWN_LENGTH = 1_000
/** Names of stored tables and columns, and paths, each of which is read in one way only. */
const INTERNAL_NAME = /\b(?:[tvm]\d+(?:_\w*)?|[cbga]\d+|_[a-z]\w*|[^\s/]*(?:\/[^\s/]*)+\.db)\b/gi

/** The error to send; what is no error of SQL or of Meridian comes back as it is. */
export function toSqlError(error: unknown, region: string, sql: string): unknown {
  if (error instanceof SqlError || !(error instanceof MeridianError)) return error
  if (INTERNAL_CODES.includes(error.code)) {
    return new SqlError(error.code, `Region ${region} cannot read its rows now.`)
  }
  if (error.code === 'TENANT_REQUIRED') {
    const path = `${SQL_PATH_PREFIX}/<tenant>/`
    const message = toWireError(error).message
    return new SqlError(error.code, `${message} Connect to ${path}, with the slash at its end.`)
  }
  if (error.code !== 'QUERY_FAILED') return new SqlError(error.code, error.message)
  const shown = error.message.slice(0, MAX_SHOWN_LENGTH).toWellFormed()
  const names = shown.match(INTERNAL_NAME) ?? []
  // What the user wrote itself tells nothing.
  if (names.every((name) => sql.includes(name))) return new SqlError(error.code, shown)
  return new SqlError(error.code, 'The query failed.')
}
