/**
 * What a libSQL server's failures mean. It gives codes without SQLite's extended part: constraints
 * are told apart by the engine's text, which has been the same since SQLite 3.7.
 */
import { MeridianError, type Retry } from '../../../core/errors.ts'
import { StatementFailed, type StoreFailureKind } from '../../../core/ports/store.ts'
import { primaryCodeError } from '../engine-errors.ts'
import type { RemoteFailure } from './batch.ts'

const KINDS: readonly (readonly [RegExp, StoreFailureKind])[] = [
  [/^UNIQUE constraint failed: /, 'unique'],
  [/^CHECK constraint failed: /, 'check'],
  [/^NOT NULL constraint failed: /, 'not-null'],
  [/^FOREIGN KEY constraint failed$/, 'foreign-key'],
  [/^cannot store \w+ value in \w+ column /, 'type'],
]

/** Of a code's first two parts, as `SQLITE_IOERR` of `SQLITE_IOERR_FSYNC`. */
const PRIMARY_CODES: Readonly<Record<string, number>> = {
  SQLITE_BUSY: 5,
  SQLITE_LOCKED: 5,
  SQLITE_NOMEM: 7,
  SQLITE_READONLY: 8,
  SQLITE_IOERR: 10,
  SQLITE_CORRUPT: 11,
  SQLITE_FULL: 13,
  SQLITE_CANTOPEN: 14,
  SQLITE_NOTADB: 26,
}

const TRANSACTION_ENDED = new Set(['TRANSACTION_TIMEOUT', 'TRANSACTION_BUSY', 'STREAM_EXPIRED'])
const TOO_LARGE = new Set(['REQUEST_TOO_LARGE', 'BATCH_TOO_LARGE'])
const RESULT_TOO_LARGE = 'RESPONSE_TOO_LARGE'
const OVERLOADED = new Set(['OVERLOADED', 'TOO_MANY_STREAMS'])
const MALFORMED = new Set([
  'SQL_PARSE_ERROR',
  'SQL_NO_STATEMENT',
  'SQL_MANY_STATEMENTS',
  'SQL_INPUT_ERROR',
  'ARGS_INVALID',
  'SQLITE_ERROR',
])

/** Whether another connection held the database, so that waiting may help. */
export function isBusyFailure(failure: RemoteFailure): boolean {
  return primaryCode(failure) === PRIMARY_CODES['SQLITE_BUSY']
}

/** Whether the server could not read one of the statements, as it says before it runs any. */
export function isMalformed(failure: RemoteFailure): boolean {
  return MALFORMED.has(failure.code)
}

/** Whether fewer transactions in the batch might have succeeded. */
export function isOfOneAlone(failure: RemoteFailure): boolean {
  return isMalformed(failure) || TOO_LARGE.has(failure.code) || failure.code === RESULT_TOO_LARGE
}

/**
 * Whether nothing of a batch or commit that failed so can last. A disk that failed may hold what it
 * reported as failed, and a code that is not known here may stand for anything.
 */
export function provesUndone(failure: RemoteFailure): boolean {
  const { code } = failure
  if (code.startsWith('SQLITE_')) return primaryCode(failure) !== PRIMARY_CODES['SQLITE_IOERR']
  return TRANSACTION_ENDED.has(code) || OVERLOADED.has(code) || isOfOneAlone(failure)
}

/** Whether the server does not take the token. */
export function isDenied({ code }: RemoteFailure): boolean {
  return /^AUTH|^UNAUTHENTICATED$|^PERMISSION_DENIED$/.test(code)
}

/** A statement's failure as an error: its own, or one of the store itself. */
export function statementError(failure: RemoteFailure, index: number, url: string): Error {
  const typed = storeFailure(failure, url)
  if (typed !== undefined) return typed
  const message = engineText(failure)
  return new StatementFailed(index, failureKind(failure.code, message), message)
}

/** The error when it is not a statement's own. */
export function storeFailure(failure: RemoteFailure, url: string): MeridianError | undefined {
  const { code } = failure
  const details = { url, engineCode: code }
  if (TRANSACTION_ENDED.has(code)) {
    return new MeridianError(
      'STORE_UNAVAILABLE',
      `The server of store ${url} ended the transaction.`,
      {
        fix: 'Send it again; if it takes more than some seconds, in smaller parts.',
        details,
      },
    )
  }
  if (TOO_LARGE.has(code)) return tooLarge(url)
  if (OVERLOADED.has(code)) {
    return new MeridianError('STORE_UNAVAILABLE', `The server of store ${url} is overloaded.`, {
      fix: 'Try again after a pause.',
      details,
    })
  }
  if (code === RESULT_TOO_LARGE) {
    return new MeridianError(
      'RESULT_TOO_LARGE',
      `The result exceeds what the server sends at once.`,
      {
        fix: 'Ask for fewer rows, page by page.',
        details,
      },
    )
  }
  if (isDenied(failure)) return unauthenticated(url)
  const primary = primaryCode(failure)
  return primary === undefined ? undefined : primaryCodeError(primary, url, failure)
}

/** The server does not take the token. */
export function unauthenticated(url: string): MeridianError {
  return new MeridianError(
    'UNAUTHENTICATED',
    `The server of store ${url} does not take the token.`,
    {
      fix: 'Check the token of the store in the configuration, and that it has not expired.',
      details: { url },
    },
  )
}

/** More than the server takes in one request. */
export function tooLarge(url: string): MeridianError {
  return new MeridianError(
    'TRANSACTION_TOO_LARGE',
    `The statements exceed what the server of store ${url} takes at once.`,
    { fix: 'Write fewer or smaller rows at a time.', details: { url } },
  )
}

/** The server is not there, or did not answer. */
export function unavailable(
  url: string,
  what: string,
  retry: Retry,
  cause?: unknown,
): MeridianError {
  return new MeridianError('STORE_UNAVAILABLE', `The server of store ${url} ${what}.`, {
    fix:
      retry === 'unknown-outcome'
        ? 'The write may have happened: repeat it with the same idempotency key.'
        : 'Check that it runs and can be reached, then try again.',
    retry,
    details: { url },
    cause,
  })
}

function failureKind(code: string, message: string): StoreFailureKind {
  for (const [pattern, kind] of KINDS) if (pattern.test(message)) return kind
  return code.startsWith('SQLITE_CONSTRAINT') ? 'raise' : 'other'
}

/** The engine's own text, without what servers put before it. */
function engineText({ message }: RemoteFailure): string {
  return message.replace(/^(SQLite error|SQL input error|SQL string could not be parsed): /, '')
}

function primaryCode({ code }: RemoteFailure): number | undefined {
  return PRIMARY_CODES[code.split('_', 2).join('_')]
}
