/**
 * The outcomes of a log group in a snapshot. An outcome that is decided again moves to a higher
 * index, never to a lower one: a walk in index order to the end meets every outcome where it is
 * last.
 */
import type { Statement } from '../../src/core/ports/store.ts'
import type { SqlRow } from '../../src/core/values.ts'
import { toHex } from '../../src/core/values.ts'
import { lastPrunedIndex } from './outcomes.ts'

/** Where a walk is: index and transaction. */
export type OutcomePlace = readonly [index: number, tx: string]

/** Reads the `limit` outcomes behind a place, in order. */
export function selectOutcomes(
  group: string,
  after: OutcomePlace | null,
  limit: number,
  maxBytes: number | undefined,
): Statement {
  const [index, tx] = after ?? [-1, '']
  return {
    sql: `SELECT tx, log_index, hash, outcome FROM _strong_outcomes
      WHERE log_group = ? AND log_index >= ? AND (log_index > ? OR tx > ?)
      ORDER BY log_index, tx LIMIT ?`,
    args: [group, index, index, tx, limit],
    ...(maxBytes === undefined ? {} : { maxBytes }),
  }
}

/** The cells of an outcome. */
export function outcomeCells([tx, index, hash, outcome]: SqlRow): readonly unknown[] {
  return [tx, index, hash, toHex(outcome as Uint8Array)]
}

/** The place of an outcome's row. */
export function placeOf([tx, index]: SqlRow): OutcomePlace {
  return [Number(index), tx as string]
}

/** Makes the outcomes between two places (null: no bound) those of `rows`. */
export function replaceOutcomes(
  group: string,
  after: OutcomePlace | null,
  upTo: OutcomePlace | null,
  rows: string,
): Statement[] {
  const [fromIndex, fromTx] = after ?? [-1, '']
  const [toIndex, toTx] = upTo ?? [Number.MAX_SAFE_INTEGER, '']
  return [
    {
      sql: `DELETE FROM _strong_outcomes WHERE log_group = ?
        AND log_index >= ? AND (log_index > ? OR tx > ?)
        AND log_index <= ? AND (log_index < ? OR tx <= ?)`,
      args: [group, fromIndex, fromIndex, fromTx, toIndex, toIndex, toTx],
    },
    {
      sql: `INSERT INTO _strong_outcomes (tx, log_group, log_index, hash, outcome)
        SELECT value->>0, ?, value->>1, value->>2, unhex(value->>3) FROM json_each(?) WHERE true
        ON CONFLICT (tx) DO UPDATE SET log_index = excluded.log_index, hash = excluded.hash,
          outcome = excluded.outcome`,
      args: [group, rows],
    },
  ]
}

/** Deletes what whoever applied the log up to `index` has pruned, some of it since it was read. */
export function pruneOutcomes(group: string, index: number, windowRecords: number): Statement {
  return {
    sql: 'DELETE FROM _strong_outcomes WHERE log_group = ? AND log_index < ?',
    args: [group, lastPrunedIndex(index) - windowRecords],
  }
}
