/** Which stored rows exist for a reader: the one place that says so in SQL. */
import type { CompiledTable } from '../schema/compiled.ts'

/** A predicate and how often it needs the instant as an argument (0 or 1 times). */
export interface LivePredicate {
  /** SQL without leading AND; '1' when every stored row is live. */
  readonly sql: string
  readonly takesNow: boolean
}

/**
 * SQL that holds for live rows: not expired at `now` (an SQL expression, `?` by default) and, in
 * eventual tables, not deleted. `alias` qualifies the columns.
 */
export function liveRow(table: CompiledTable, alias: string, now: string = '?'): LivePredicate {
  const parts: string[] = []
  if (table.ttl !== null) {
    const name = `${alias}.c${table.ttl.id}`
    parts.push(table.ttl.optional ? `(${name} IS NULL OR ${name} > ${now})` : `${name} > ${now}`)
  }
  if (table.consistency === 'eventual') parts.push(`${alias}._visible = 1`)
  return { sql: parts.join(' AND ') || '1', takesNow: table.ttl !== null }
}

/** SQL that holds for rows that have expired at `now`, whether or not they were swept. */
export function expiredRow(table: CompiledTable, alias: string, now: string = '?'): string {
  // A NULL never compares, so a row without an instant is never expired.
  return table.ttl === null ? '0' : `${alias}.c${table.ttl.id} <= ${now}`
}
