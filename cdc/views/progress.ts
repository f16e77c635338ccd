/** How far views are, in the store: read all at once, and moved all at once. */
import type { Statement, Store } from '../../src/core/ports/store.ts'

/** How far a view is. */
export interface ViewProgress {
  /** The view holds the store's changes up to here. */
  readonly position: number
  /** The instant at which it judged expiry last. */
  readonly nowMs: number
}

/** A view's way from where the store has it to where it is then. */
export interface ViewMove {
  readonly viewId: number
  readonly from: ViewProgress
  readonly to: ViewProgress
}

/** How far each view of a store is, by id. */
export async function loadProgress(store: Store): Promise<Map<number, ViewProgress>> {
  const sql = 'SELECT view_id, position, now_ms FROM _views'
  const [result] = await store.read([{ sql, args: [] }])
  return new Map(
    (result?.rows ?? []).map(([id, position, nowMs]) => [
      Number(id),
      { position: Number(position), nowMs: Number(nowMs) },
    ]),
  )
}

/**
 * Moves views. The first statement fails, as a check, and with it the write, where the store has
 * one of them elsewhere or not at all: somebody else keeps the views too.
 */
export function moveProgress(moves: readonly ViewMove[]): Statement[] {
  const rows = moves.map(({ viewId, from, to }) => [viewId, from.position, to.position, to.nowMs])
  const args = [JSON.stringify(rows)]
  return [
    {
      sql: `INSERT INTO _guard SELECT 1 FROM json_each(?) j
        LEFT JOIN _views v ON v.view_id = j.value->>0 WHERE v.position IS NOT j.value->>1 LIMIT 1`,
      args,
    },
    {
      sql: `UPDATE _views SET position = j.value->>2, now_ms = j.value->>3
        FROM json_each(?) j WHERE view_id = j.value->>0`,
      args,
    },
  ]
}
