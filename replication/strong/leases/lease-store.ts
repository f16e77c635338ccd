/**
 * What local strong reads keep in the store: the replicated lease table, and of this store alone its
 * lease row and the stable index that it remembers. Both are kept by the store's id: a copy of the
 * file under another id has neither.
 */
import type { Statement, StatementResult } from '../../../src/core/ports/store.ts'
import type { LeaseTop } from './lease-table.ts'
import type { LeaseRow } from './own-lease.ts'

/**
 * Begins a life of the store's process: one incarnation more, no lease (`rowOfNextLife`). One
 * statement, so that two processes never begin the same life; it returns the incarnation.
 */
export function beginLife(databaseId: string): Statement {
  return {
    sql: `INSERT INTO _lease_row (database_id, incarnation, seq, sent) VALUES (?, 1, 0, NULL)
      ON CONFLICT (database_id) DO UPDATE SET incarnation = incarnation + 1, seq = 0, sent = NULL
      RETURNING incarnation`,
    args: [databaseId],
  }
}

/** Reads the lease row. */
export function selectLeaseRow(databaseId: string): Statement {
  return {
    sql: 'SELECT incarnation, seq, sent FROM _lease_row WHERE database_id = ?',
    args: [databaseId],
  }
}

/** The row of `selectLeaseRow`. */
export function readLeaseRow(result: StatementResult | undefined): LeaseRow | undefined {
  const [row] = result?.rows ?? []
  if (row === undefined) return undefined
  const [incarnation, seq, sent] = row
  const clocks = sent === null ? null : (JSON.parse(String(sent)) as [number, number, number])
  return {
    incarnation: Number(incarnation),
    seq: Number(seq),
    sent: clocks === null ? null : { monotonicMs: clocks[0], bootMs: clocks[1], wallMs: clocks[2] },
  }
}

/** Writes the lease row where it `replacesRow`: the transaction itself asks (L9). */
export function putLeaseRow(databaseId: string, { incarnation, seq, sent }: LeaseRow): Statement {
  const clocks = sent === null ? null : JSON.stringify([sent.monotonicMs, sent.bootMs, sent.wallMs])
  return {
    sql: `INSERT INTO _lease_row (database_id, incarnation, seq, sent) VALUES (?, ?, ?, ?)
      ON CONFLICT (database_id) DO UPDATE SET
        incarnation = excluded.incarnation, seq = excluded.seq, sent = excluded.sent
      WHERE excluded.incarnation > _lease_row.incarnation
        OR (excluded.incarnation = _lease_row.incarnation AND (excluded.seq > _lease_row.seq
          OR (excluded.seq = _lease_row.seq AND excluded.sent IS NULL)))`,
    args: [databaseId, incarnation, seq, clocks],
  }
}

/** Writes an entry of the replicated lease table. */
export function putLeaseTop({ region, databaseId, index, stamp, isLive }: LeaseTop): Statement {
  return {
    sql: `INSERT INTO _leases (region, database_id, log_index, incarnation, seq, is_live)
      VALUES (?, ?, ?, ?, ?, ?)
      ON CONFLICT (region, database_id) DO UPDATE SET log_index = excluded.log_index,
        incarnation = excluded.incarnation, seq = excluded.seq, is_live = excluded.is_live`,
    args: [region, databaseId, index, stamp.incarnation, stamp.seq, isLive ? 1 : 0],
  }
}

/** Reads the replicated lease table. */
export const SELECT_LEASES: Statement = {
  sql: `SELECT region, database_id, log_index, incarnation, seq, is_live FROM _leases
    ORDER BY region, database_id`,
  args: [],
}

/** The lease table of `SELECT_LEASES`. */
export function readLeases(result: StatementResult | undefined): LeaseTop[] {
  return (result?.rows ?? []).map(([region, databaseId, index, incarnation, seq, isLive]) => ({
    region: String(region),
    databaseId: String(databaseId),
    index: Number(index),
    stamp: { incarnation: Number(incarnation), seq: Number(seq) },
    isLive: isLive === 1,
  }))
}

/** Reads the stable index that the store remembers. */
export function selectStableIndex(databaseId: string): Statement {
  return { sql: 'SELECT log_index FROM _stable_index WHERE database_id = ?', args: [databaseId] }
}

/** The index of `selectStableIndex`; 0: none. */
export function readStableIndex(result: StatementResult | undefined): number {
  return Number(result?.rows[0]?.[0] ?? 0)
}

/** Remembers the stable index; it never goes back. */
export function putStableIndex(databaseId: string, index: number): Statement {
  return {
    sql: `INSERT INTO _stable_index (database_id, log_index) VALUES (?, ?)
      ON CONFLICT (database_id) DO UPDATE SET log_index = max(log_index, excluded.log_index)`,
    args: [databaseId, index],
  }
}
