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
  after: RowImage | null
}

/** The net changes of a table, in order of first change. */
export function rowDeltas(table: CompiledTable, changes: readonly Change[]): RowDelta[] {
  const deltas = new Map<string, RowDelta>()
  for (const { tableId, tenant, key: values, before, after } of changes) {
    if (tableId !== table.id) continue
    const key = encodeKey(table, values)
    const id = rowId(tenant, key)
    const known = deltas.get(id)
    if (known === undefined) deltas.set(id, { tenant, key, before, after })
    else known.after = after
  }
  return [...deltas.values()]
}

/** A row's identity within its table, as one text. */
export function rowId(tenant: string, key: string): string {
  return `${tenant}\0${key}`
}
