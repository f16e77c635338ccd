/** A statement in the form in which a server runs it, and its result in the form of the port. */
import { MeridianError } from '../../../core/errors.ts'
import type { StatementResult } from '../../../core/ports/store.ts'
import { rowBytes, type SqlRow, type SqlValue } from '../../../core/values.ts'
import type { BoundValue } from '../../libsql/engine.ts'
import type { BoundStatement } from '../bind.ts'
import {
  checkArgumentCount,
  checkStatementText,
  tooManyBytes,
  tooManyRows,
  type CheckedText,
} from '../statement-rules.ts'
import { hasWord, replaceParameters } from '../statement-text.ts'
import type { StepResult } from './batch.ts'

/** A statement that may be sent. */
export interface RemoteStatement {
  readonly sql: string
  readonly args: readonly BoundValue[]
  readonly bigints: boolean
  readonly maxRows: number | undefined
  readonly maxBytes: number | undefined
  readonly isReadOnly: boolean
  readonly isDefinition: boolean
}

const SELECTS = new Set(['select', 'values'])
const MAX_CHECKED_TEXTS = 1024

/** Reads statements; those that come again are read once. */
export class StatementReader {
  readonly #checked = new Map<string, CheckedText>()

  /** @throws MeridianError `QUERY_REFUSED`, `INVALID_ARGUMENT`, `INVALID_VALUE` */
  read(statement: BoundStatement): RemoteStatement {
    const text = this.#check(statement.sql)
    checkArgumentCount(text.parameters, statement.args.length)
    const { isReadOnly, isDefinition } = text
    const { sql, args } = spellOutInfinity(statement, text)
    const maxRows = givesRows(statement, text) ? statement.maxRows : undefined
    return {
      sql: maxRows === undefined ? sql : limitRows(sql, statement.sql, text, maxRows),
      args,
      bigints: statement.bigints === true,
      maxRows,
      // A write's answer is small, and it is late to refuse it once it is there.
      maxBytes: isReadOnly ? statement.maxBytes : undefined,
      isReadOnly,
      isDefinition,
    }
  }

  #check(sql: string): CheckedText {
    const known = this.#checked.get(sql)
    if (known !== undefined) return known
    const text = checkStatementText(sql)
    this.#checked.set(sql, text)
    if (this.#checked.size > MAX_CHECKED_TEXTS) {
      for (const oldest of this.#checked.keys()) {
        this.#checked.delete(oldest)
        break
      }
    }
    return text
  }
}

/** The result as the port has it. @throws MeridianError `RESULT_TOO_LARGE` */
export function toStatementResult(
  { bigints, maxRows, maxBytes }: RemoteStatement,
  { columns, rows, rowsAffected }: StepResult,
): StatementResult {
  if (maxRows !== undefined && rows.length > maxRows) throw tooManyRows(maxRows)
  if (maxBytes !== undefined) checkBytes(rows, maxBytes)
  if (columns.length === 0) return { rows: [], rowsAffected }
  return { rows: bigints ? rows : rows.map(toNumbers), rowsAffected: 0 }
}

/** Whether the statement may have changed the database. */
export function hasWritten(statement: RemoteStatement, result: StepResult): boolean {
  if (statement.isReadOnly) return false
  return statement.isDefinition || result.rowsAffected > 0 || result.rows.length > 0
}

/** What EXPLAIN and PRAGMA give is small, and can be neither limited nor counted. */
function givesRows({ sql, maxRows }: BoundStatement, { verb, isReadOnly }: CheckedText): boolean {
  if (maxRows === undefined) return false
  return isReadOnly ? SELECTS.has(verb) : hasWord(sql, 'returning')
}

function checkBytes(rows: readonly SqlRow[], maxBytes: number): void {
  let bytes = 0
  for (const row of rows) bytes += rowBytes(row)
  if (bytes > maxBytes) throw tooManyBytes(maxBytes)
}

function toNumbers(row: SqlRow): SqlRow {
  return row.map((value: SqlValue) => (typeof value === 'bigint' ? Number(value) : value))
}

/** The protocol has no infinity among its arguments; SQL has: a number beyond the range. */
function spellOutInfinity(
  { sql, args }: BoundStatement,
  { parameters }: CheckedText,
): Pick<RemoteStatement, 'sql' | 'args'> {
  if (!args.some(isInfinite)) return { sql, args }
  if (parameters === undefined) {
    throw new MeridianError('INVALID_VALUE', 'An infinite number needs a plain `?`.', {
      fix: 'Write `?` instead of a numbered or named parameter.',
    })
  }
  return {
    sql: replaceParameters(sql, (index) => {
      const value = args[index]
      if (!isInfinite(value)) return undefined
      return Number(value) > 0 ? '(9e999)' : '(-9e999)'
    }),
    args: args.filter((value) => !isInfinite(value)),
  }
}

function isInfinite(value: BoundValue | undefined): boolean {
  return value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY
}

/**
 * One row more than is wanted tells that there are too many; the server stops there. What a
 * statement that writes returns is counted behind it (`batch-plan.ts`).
 */
function limitRows(sql: string, original: string, text: CheckedText, maxRows: number): string {
  if (!SELECTS.has(text.verb)) return sql
  // Behind its end there are at most a semicolon and comments.
  const statement = sql.slice(0, sql.length - (original.length - text.end))
  return `SELECT * FROM (${statement}\n) LIMIT ${maxRows + 1}`
}
