/**
 * All that may differ between `@libsql/client` on a file and on a server, each with its reason.
 * What two outcomes are once these are taken out must be equal.
 */
import {
  LibsqlBatchError,
  LibsqlError,
  type InValue,
  type ResultSet,
  type Value,
} from '@libsql/client'
import type { RandomStatement } from './random-statements.ts'

export type Side = 'file' | 'server'

/** On a file `true` is bound as REAL; on a server it is an integer. */
export function argumentsFor(
  side: Side,
  { args }: RandomStatement,
): InValue[] | Record<string, InValue> {
  if (side === 'server') return args
  const toInteger = (value: InValue): InValue =>
    typeof value === 'boolean' ? BigInt(value) : value
  if (Array.isArray(args)) return args.map(toInteger)
  return Object.fromEntries(Object.entries(args).map(([name, value]) => [name, toInteger(value)]))
}

/** A result, as far as it must be equal. */
export function comparableResult(
  result: ResultSet,
  { sql, insertsRowid }: RandomStatement,
): unknown {
  const changesRows = /^(INSERT|REPLACE|UPDATE|DELETE|WITH gone)/.test(sql)
  // On a file a RETURNING clause hides the count, and what counts nothing repeats the last one.
  const isCounted = changesRows && !sql.includes('RETURNING')
  return {
    columns: result.columns,
    columnTypes: result.columnTypes,
    rows: result.rows.map((row) => Array.from(row, comparableValue)),
    rowsAffected: isCounted ? result.rowsAffected : null,
    // On a file every statement has it; where no row was inserted it is the connection's last one.
    lastInsertRowid: insertsRowid && result.rowsAffected > 0 ? result.lastInsertRowid : null,
  }
}

function comparableValue(value: Value): unknown {
  if (value instanceof ArrayBuffer) return `x'${Buffer.from(value).toString('hex')}'`
  if (Object.is(value, -0)) return '-0.0'
  return value
}

/** A server tells a statement that it cannot parse or prepare from one that fails as it runs. */
const FILE_CODE: Readonly<Record<string, string>> = {
  SQL_PARSE_ERROR: 'SQLITE_ERROR',
  SQL_INPUT_ERROR: 'SQLITE_ERROR',
  SQLITE_UNKNOWN: 'SQLITE_ERROR',
}
/** Codes come before the text, once more for each error that wraps another. */
const MESSAGE_PREFIX =
  /^(SQL\w+: )*(SQLite error: |SQL input error: |SQL string could not be parsed: )?/

/** An error, as far as it must be equal: `extendedCode` and `rawCode` are known on a file only. */
export function comparableError(error: unknown): unknown {
  if (!(error instanceof LibsqlError)) throw error
  return {
    name: error.name,
    code: FILE_CODE[error.code] ?? error.code,
    message: error.message.replace(MESSAGE_PREFIX, ''),
    statementIndex: error instanceof LibsqlBatchError ? error.statementIndex : null,
  }
}
