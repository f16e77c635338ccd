/** What a buffered write makes of a row, for the reads of its own transaction. */
import type { RowImage } from '../core/change.ts'
import type { WriteOp } from '../core/operations.ts'
import { sameValue, type SqlValue } from '../core/values.ts'
import type { CompiledTable } from '../schema/compiled.ts'
import { applyCellOp } from '../schema/evaluate.ts'
import { keyOfImage } from '../schema/rows.ts'

/** The row with this key after `op`. Whether the write will be accepted is judged at the commit. */
export function applyWrite(
  table: CompiledTable,
  key: readonly SqlValue[],
  image: RowImage | undefined,
  op: WriteOp,
): RowImage | undefined {
  switch (op.kind) {
    case 'insert':
    case 'upsert':
      return op.rows.findLast((row) => sameKey(keyOfImage(table, row), key)) ?? image
    case 'delete':
      return sameKey(op.key, key) ? undefined : image
    case 'update': {
      if (image === undefined || !sameKey(op.key, key)) return image
      const changed = [...image]
      for (const { column, op: cellOp } of op.cells) {
        changed[column] = applyCellOp(table, column, changed[column] ?? null, cellOp)
      }
      return changed
    }
  }
}

/**
 * The write without what it does to other columns than these: that depends on what they hold, which
 * is not known, or must not count.
 */
export function withinColumns(op: WriteOp, columns: readonly number[]): WriteOp {
  if (op.kind !== 'update') return op
  return { ...op, cells: op.cells.filter(({ column }) => columns.includes(column)) }
}

function sameKey(a: readonly SqlValue[], b: readonly SqlValue[]): boolean {
  return a.every((value, i) => sameValue(value, b[i] ?? null))
}
