/** The conflict feed, in `_conflicts`: one row a losing value, whatever order showed it. */
import type { Statement } from '../src/core/ports/store.ts'
import { encodeKey } from '../src/schema/image.ts'
import type { Loss } from './conflicts.ts'
import type { RowRef } from './stored-rows.ts'

/** A value that lost, and its row. */
export interface RowLoss {
  readonly ref: RowRef
  readonly loss: Loss
}

/** Stores losses. One that is there stays, but for becoming certain. */
export function conflictRows(losses: readonly RowLoss[]): Statement[] {
  if (losses.length === 0) return []
  const rows = losses.map(({ ref, loss }) => [
    ref.table.id,
    ref.tenant,
    encodeKey(ref.table, ref.key),
    loss.columnId,
    loss.loser,
    loss.winner,
    loss.value,
    loss.uncertain ? 1 : 0,
  ])
  const columns = 'table_id, tenant, key, column_id, loser, winner, value, uncertain'
  const values = columns.split(', ').map((_, index) => `value->>${index}`)
  return [
    {
      sql: `INSERT INTO _conflicts (${columns}) SELECT ${values.join(', ')} FROM json_each(?)
        WHERE true ON CONFLICT DO UPDATE SET uncertain = min(uncertain, excluded.uncertain)`,
      args: [JSON.stringify(rows)],
    },
  ]
}
