/**
 * The mark of a store whose copy of a log group is not whole: it is being made the same as a peer's.
 * It stands from before the first row is touched until the
 * transaction that sets the new position, so that no crash lets a half seeded copy serve.
 */
import type { Statement, StatementResult } from '../../src/core/ports/store.ts'

/** What a store says of a reseed. */
export interface ReseedMarker {
  /** Of one attempt; another process's attempt has another. */
  readonly attempt: string
  /** The region that it is seeded from. */
  readonly peer: string
  /** What the peer had applied at the beginning. */
  readonly index: number
}

/** Reads the marker of a group; `readMarker` makes it of the result. */
export function selectMarker(group: string): Statement {
  return { sql: 'SELECT value FROM _meta WHERE key = ?', args: [markerKey(group)] }
}

export function readMarker(result: StatementResult | undefined): ReseedMarker | undefined {
  const value = result?.rows[0]?.[0]
  return value === undefined ? undefined : (JSON.parse(String(value)) as ReseedMarker)
}

/** Sets the marker, whoever set it before. */
export function setMarker(group: string, marker: ReseedMarker): Statement {
  return {
    sql: `INSERT INTO _meta (key, value) VALUES (?, ?)
      ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
    args: [markerKey(group), JSON.stringify(marker)],
  }
}

/** Fails (kind `check`) unless the marker is this attempt's. */
export function markerGuard(group: string, attempt: string): Statement {
  return {
    sql: `INSERT INTO _guard SELECT 1 WHERE ? IS NOT
      (SELECT value->>'attempt' FROM _meta WHERE key = ?)`,
    args: [attempt, markerKey(group)],
  }
}

export function clearMarker(group: string): Statement {
  return { sql: 'DELETE FROM _meta WHERE key = ?', args: [markerKey(group)] }
}

function markerKey(group: string): string {
  return `reseed:${group}`
}
