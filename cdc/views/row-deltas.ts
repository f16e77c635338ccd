/**
 * What a batch of changes does to the rows of one table: for each row the image before the first
 * change and after the last. What happened between is nobody's to see, since the batch takes effect
 * as a whole.
 */
import type { Change, RowImage } from '../../src/core/change.ts'
import type { CompiledTable } from '../../src/schema/compiled.ts'
import { encodeKey } from '../../src/schema/image.ts'

/** A row's net change. */
export interface RowDelta {
  readonly tenant: string
  /** JSON text of the primary key. */
  readonly key: string
  readonly before: RowImage | null
  readonly after: RowImage | null
}

/** The net changes of a table, in order of first change. */
export function rowDeltas(table: CompiledTable, changes: readonly Change[]): RowDelta[] {
  const deltas = new Map<string, RowDelta>()
  for (const change of changes) {
    if (change.tableId !== table.id) continue
    const key = encodeKey(table, change.key)
    const id = `${change.tenant}\0${key}`
    const before = deltas.get(id)
    deltas.set(id, {
      tenant: change.tenant,
      key,
      before: before === undefined ? change.before : before.before,
      after: change.after,
    })
  }
  return [...deltas.values()]
}
