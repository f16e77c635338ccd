/**
 * The errors of the protocol itself, and how any thrown value becomes what a client sees: a code
 * and a message, never a stack or an internal text.
 */
import { MeridianError } from '../core/errors.ts'
import { SqlError } from '../core/ports/sql-session.ts'
import type { WireError } from './model.ts'

/** Codes that the protocol gives besides those of the database and of Meridian. */
export type HranaCode =
  /** Bytes that are no message of the protocol. */
  | 'MALFORMED'
  /** No such path, or not by that method. */
  | 'NOT_FOUND'
  | 'METHOD_NOT_ALLOWED'
  /** The request exists in a later version than the one that was chosen. */
  | 'VERSION_TOO_OLD'
  /** A baton that is unknown, was used before, or is another caller's. */
  | 'BATON_INVALID'
  /** The stream was idle for too long; its transaction was rolled back. */
  | 'STREAM_EXPIRED'
  | 'STREAM_CLOSED'
  | 'STREAM_NOT_FOUND'
  | 'STREAM_NOT_OPEN'
  | 'STREAM_EXISTS'
  | 'CURSOR_NOT_FOUND'
  | 'CURSOR_NOT_OPEN'
  | 'CURSOR_EXISTS'
  /** The stream has an open cursor: nothing else runs on it until that is closed. */
  | 'CURSOR_OPEN'
  | 'SQL_NOT_FOUND'
  | 'SQL_EXISTS'
  /** Neither or both of `sql` and `sql_id`. */
  | 'SQL_AMBIGUOUS'
  | 'SQL_STORE_TOO_MANY'
  | 'SQL_STORE_TOO_LARGE'
  | 'BATCH_TOO_LARGE'
  /** A condition names a step that does not come before it. */
  | 'BATCH_COND_BAD_STEP'
  | 'PIPELINE_TOO_LARGE'
  | 'RESPONSE_TOO_LARGE'
  /** Streams open at once: in all, for one caller, or on one socket. */
  | 'TOO_MANY_STREAMS'
  | 'IDENTITY_CHANGED'
  | 'HELLO_MISSING'

/** The protocol refuses something. Stays within `src/hrana`: clients get its wire form. */
export class HranaError extends Error {
  override readonly name = 'HranaError'
  readonly code: HranaCode

  constructor(code: HranaCode, message: string) {
    super(message)
    this.code = code
  }
}

/** Bytes that are no message. `what` describes the place, never the value. */
export function malformed(what: string): HranaError {
  return new HranaError('MALFORMED', `The request is malformed: ${what}.`)
}

const INTERNAL: WireError = { message: 'The server failed unexpectedly.', code: 'INTERNAL' }

/** A stored text of 100 kB can fail in every step of a batch, and its failure may quote it. */
const MAX_MESSAGE_LENGTH = 1_000

/** The wire form of whatever was thrown. */
export function toWireError(error: unknown): WireError {
  if (error instanceof HranaError || error instanceof SqlError) return wireError(error)
  // An INTERNAL error wraps texts of who knows what.
  if (error instanceof MeridianError && error.code !== 'INTERNAL') return wireError(error)
  return INTERNAL
}

function wireError({ message, code }: Error & { readonly code: string }): WireError {
  if (message.length <= MAX_MESSAGE_LENGTH) return { message, code }
  const shown = message.slice(0, MAX_MESSAGE_LENGTH).toWellFormed()
  return { message: `${shown}…`, code }
}

/** Whether nobody foresaw this: worth a report to whoever runs the server. */
export function isUnexpected(error: unknown): boolean {
  return toWireError(error) === INTERNAL
}

const STATUS_BY_CODE: Readonly<Record<string, number>> = {
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  TENANT_NOT_FOUND: 404,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  DEADLINE_EXCEEDED: 408,
  REQUEST_TOO_LARGE: 413,
  TOO_MANY_STREAMS: 429,
  OVERLOADED: 503,
  CLOSED: 503,
  STORE_UNAVAILABLE: 503,
}

/** The HTTP status of an error that ends a whole request. */
export function statusOf(error: unknown): number {
  const { code } = toWireError(error)
  const known = STATUS_BY_CODE[code]
  if (known !== undefined) return known
  return error instanceof HranaError ||
    (error instanceof MeridianError && code.startsWith('PROTOCOL_'))
    ? 400
    : 500
}
