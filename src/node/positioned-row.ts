/**
 * A row by its key and the position of its store in one statement: the most frequent read of all
 * costs one call of the engine instead of four (begin, row, position, commit).
 */
import type { Statement, StatementResult } from '../core/ports/store.ts'
import type { SqlRow } from '../core/values.ts'
import { LAST_LOCAL_SEQ } from '../schema/system-tables.ts'

const texts = new Map<string, string>()

/** Adds the position to a `selectByKeys` of one key. Read the result with `splitPosition`. */
export function withPosition(select: Statement): Statement {
  let sql = texts.get(select.sql)
  if (sql === undefined) {
    // Joined from the left: a row that is absent has a position, too.
    sql = `SELECT q.*, p.seq FROM (SELECT (${LAST_LOCAL_SEQ.sql}) AS seq) p
      LEFT JOIN (${select.sql}) q ON true`
    texts.set(select.sql, sql)
  }
  return { ...select, sql }
}

/** The rows, none or one, as the select alone gives them, and the position. */
export function splitPosition(result: StatementResult | undefined): {
  readonly rows: readonly SqlRow[]
  readonly position: number
} {
  const row = result?.rows[0] ?? [0]
  const position = Number(row[row.length - 1])
  // Before the position stands the row's version, which every row has.
  return { rows: (row[row.length - 2] ?? null) === null ? [] : [row], position }
}
