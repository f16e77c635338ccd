/** The engine's errors as clients of sqld know them: its codes and the beginnings of its texts. */
import { SqlError } from '../../core/ports/sql-session.ts'

const NAME_BY_PRIMARY_CODE: Readonly<Record<number, string>> = {
  1: 'SQLITE_UNKNOWN',
  2: 'SQLITE_INTERNAL',
  3: 'SQLITE_PERM',
  4: 'SQLITE_ABORT',
  5: 'SQLITE_BUSY',
  6: 'SQLITE_LOCKED',
  7: 'SQLITE_NOMEM',
  8: 'SQLITE_READONLY',
  9: 'SQLITE_INTERRUPT',
  10: 'SQLITE_IOERR',
  11: 'SQLITE_CORRUPT',
  12: 'SQLITE_NOTFOUND',
  13: 'SQLITE_FULL',
  14: 'SQLITE_CANTOPEN',
  15: 'SQLITE_PROTOCOL',
  17: 'SQLITE_SCHEMA',
  18: 'SQLITE_TOOBIG',
  19: 'SQLITE_CONSTRAINT',
  20: 'SQLITE_MISMATCH',
  21: 'SQLITE_MISUSE',
  22: 'SQLITE_NOLFS',
  23: 'SQLITE_AUTH',
  25: 'SQLITE_RANGE',
  26: 'SQLITE_NOTADB',
}
const SQLITE_ERROR = 1
const BUSY = 5
/** How SQLite's own parser speaks; sqld parses first and says so by a code of its own. */
const SYNTAX = /syntax error$|^incomplete input$|^unrecognized token|^parser stack overflow$/

interface EngineFailure extends Error {
  readonly code: string
  readonly rawCode: number
}

function isEngineFailure(error: unknown): error is EngineFailure {
  return error instanceof Error && typeof (error as Partial<EngineFailure>).rawCode === 'number'
}

/** Whether the engine could not get a lock, which leaves its connection unusable. */
export function isBusy(error: unknown): boolean {
  return isEngineFailure(error) && (error.rawCode & 0xff) === BUSY
}

/** Whether the engine does not take the text for SQL. */
export function isSyntaxError(error: unknown): boolean {
  return isEngineFailure(error) && error.rawCode === SQLITE_ERROR && SYNTAX.test(error.message)
}

/** What the client is told of an error of preparing or of running; others come back as they are. */
export function toSqlError(error: unknown, phase: 'preparing' | 'running'): unknown {
  if (!isEngineFailure(error)) return error
  const { message, rawCode } = error
  if (isSyntaxError(error)) {
    return new SqlError('SQL_PARSE_ERROR', `SQL string could not be parsed: ${message}`)
  }
  if (rawCode === SQLITE_ERROR && phase === 'preparing') {
    return new SqlError('SQL_INPUT_ERROR', `SQL input error: ${message}`)
  }
  const code = NAME_BY_PRIMARY_CODE[rawCode & 0xff] ?? 'SQLITE_UNKNOWN'
  return new SqlError(code, `SQLite error: ${message}`)
}
