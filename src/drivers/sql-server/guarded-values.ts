/**
 * Rows that are safe to fetch. The engine ends the whole process on a text that is not UTF-8, and
 * drops what follows a NUL; any client can make such a text: `SELECT CAST(x'ff' AS TEXT)`. So
 * texts and blobs leave the engine as blobs that are marked, and become values here.
 */
import { SqlError } from '../../core/ports/sql-session.ts'
import type { SqlRow, SqlValue } from '../../core/values.ts'
import type { SqlStatementText } from '../libsql/sql-statements.ts'
import { sqlTokens, type SqlToken } from '../libsql/sql-tokens.ts'
import { checkSize } from './bind-parameters.ts'

const TEXT_MARK = 't'.charCodeAt(0)
const DECODER = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A REAL that is whole would come out of a CASE of a RETURNING clause as an INTEGER. */
function guarded(expression: string): string {
  return (
    `CASE typeof(${expression}) WHEN 'text' THEN CAST('t'||${expression} AS BLOB) ` +
    `WHEN 'blob' THEN CAST('b'||${expression} AS BLOB) ` +
    `WHEN 'real' THEN ${expression}*1.0 ELSE ${expression} END`
  )
}

/** The query around a query of `width` columns. Its rows are the same, in the same order. */
export function guardQuery(sql: string, width: number): string {
  const names = Array.from({ length: width }, (_, i) => `c${i}`)
  return `WITH guarded(${names.join()}) AS (${sql}\n) SELECT ${names.map(guarded).join()} FROM guarded`
}

/**
 * A statement with its RETURNING clause guarded. `parses` asks the engine, which alone knows
 * whether the last word of an item is a part of it or the name given to it.
 *
 * @throws SqlError `SQL_PARSE_ERROR`
 */
export function guardReturning(
  { sql, returningAt = sql.length }: SqlStatementText,
  columns: readonly { readonly name: string }[],
  parses: (sql: string) => boolean,
): string {
  const before = sql.slice(0, returningAt)
  const items = splitItems(sql.slice(returningAt))
  const stars = items.filter((item) => item.text === '*').length
  const starWidth = stars === 0 ? 0 : (columns.length - items.length + stars) / stars
  let place = 0
  const expressions = items.flatMap((item) => {
    if (item.text !== '*') {
      place++
      return [expressionOf(item, (text) => parses(`${before} ${text}`))]
    }
    const names = columns.slice(place, place + starWidth).map(({ name }) => quoteName(name))
    place += starWidth
    return names
  })
  return `${before} ${expressions.map((text) => guarded(`(${text}\n)`)).join()}`
}

interface Item {
  readonly text: string
  /** Without `AS name`, and without the last word. */
  readonly shorter: readonly string[]
}

function splitItems(clause: string): Item[] {
  const items: Item[] = []
  let tokens: SqlToken[] = []
  const finish = (): void => {
    const first = tokens[0]
    if (first !== undefined) items.push(readItem(clause, first, tokens))
    tokens = []
  }
  for (const token of sqlTokens(clause)) {
    if (token.depth === 0 && clause[token.start] === ',') finish()
    else tokens.push(token)
  }
  finish()
  return items
}

function readItem(clause: string, first: SqlToken, tokens: readonly SqlToken[]): Item {
  const until = (fromEnd: number): string =>
    clause.slice(first.start, tokens.at(-1 - fromEnd)?.end ?? first.start)
  return { text: until(0), shorter: [until(1), until(2)] }
}

function expressionOf({ text, shorter }: Item, parses: (text: string) => boolean): string {
  const found = [text, ...shorter].find(
    (candidate) => candidate !== '' && parses(`(${candidate}\n)`),
  )
  if (found !== undefined) return found
  throw new SqlError(
    'SQL_PARSE_ERROR',
    'SQL string could not be parsed: near "RETURNING": syntax error',
  )
}

function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/**
 * The values of a guarded row.
 *
 * @throws SqlError `SQLITE_TOOBIG`, `SQLITE_MISMATCH` (a text that is not UTF-8)
 */
export function readGuardedRow(row: readonly SqlValue[]): SqlRow {
  return row.map(readGuarded)
}

function readGuarded(value: SqlValue): SqlValue {
  if (!(value instanceof Uint8Array)) return value
  const bytes = new Uint8Array(value.buffer, value.byteOffset + 1, value.byteLength - 1)
  checkSize(bytes.byteLength)
  if (value[0] !== TEXT_MARK) return bytes
  try {
    return DECODER.decode(bytes)
  } catch {
    throw new SqlError('SQLITE_MISMATCH', 'SQLite error: a text of the result is not valid UTF-8')
  }
}
