/** Rows of a view as they leave the store: integers are numbers, but for those of 64 bits. */
import type { SqlRow } from '../../src/core/values.ts'
import type { CompiledView } from '../../src/schema/compiled.ts'
import { viewColumns } from '../../src/schema/view-columns.ts'

export function narrowRows(view: CompiledView, rows: readonly SqlRow[]): SqlRow[] {
  const wide = viewColumns(view).map(({ type }) => type === 'bigint')
  return rows.map((row) =>
    row.map((value, i) => (typeof value === 'bigint' && wide[i] !== true ? Number(value) : value)),
  )
}
