/**
 * What a batch of changes does to the rows of one table: for each row the image before the first
 * change and after the last. What was between counts only for who has read the source, which was
 * perhaps ahead: it may have seen it.
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
  readonly between: readonly RowImage[]
  readonly after: RowImage | null
}

interface GrowingDelta extends RowDelta {
  readonly between: RowImage[]
  after: RowImage | null
}

/** The net changes of a table, in order of first change. */
export function rowDeltas(table: CompiledTable, changes: readonly Change[]): RowDelta[] {
  const deltas = new Map<string, GrowingDelta>()
  for (const { tableId, tenant, key: values, before, after } of changes) {
    if (tableId !== table.id) continue
    const key = encodeKey(table, values)
    const id = rowId(tenant, key)
    const known = deltas.get(id)
    if (known === undefined) deltas.set(id, { tenant, key, before, between: [], after })
    else {
      if (known.after !== null) known.between.push(known.after)
      known.after = after
    }
  }
  return [...deltas.values()]
}

/** A row's identity within its table, as one text. */
export function rowId(tenant: string, key: string): string {
  return `${tenant}\0${key}`
}
