/** A view's filter, once over row images and once as SQL. */
import type { RowImage } from '../../src/core/change.ts'
import type { SqlValue } from '../../src/core/values.ts'
import type { CompiledPredicate, CompiledTable, CompiledView } from '../../src/schema/compiled.ts'
import { compareStored } from '../../src/schema/evaluate.ts'

/** The place of a column's value in row images. */
export function indexOf(table: CompiledTable, columnId: number): number {
  return table.valueIndex.get(columnId) as number
}

/** Whether a row passes; NULL passes no comparison, as in SQL. */
export function passes(view: CompiledView, image: RowImage): boolean {
  return view.filter.every((predicate) =>
    holds(predicate, image[indexOf(view.source, predicate.columnId)] ?? null),
  )
}

function holds({ op, value }: CompiledPredicate, current: SqlValue): boolean {
  if (op === 'is null') return current === null
  if (op === 'is not null') return current !== null
  if (current === null || value === null) return false
  const order = compareStored(current, value)
  switch (op) {
    case '=':
      return order === 0
    case '!=':
      return order !== 0
    case '<':
      return order < 0
    case '<=':
      return order <= 0
    case '>':
      return order > 0
    case '>=':
      return order >= 0
  }
}

/** The filter as SQL over rows `r`, with its arguments. */
export function filterSql(view: CompiledView): {
  readonly sql: string
  readonly args: readonly SqlValue[]
} {
  const args: SqlValue[] = []
  const parts = view.filter.map(({ columnId, op, value }) => {
    if (op === 'is null' || op === 'is not null') return `r.c${columnId} ${op.toUpperCase()}`
    args.push(value)
    return `r.c${columnId} ${op} ?`
  })
  return { sql: parts.length === 0 ? '1' : parts.join(' AND '), args }
}

/** The instant at which a row ends, in ms; null: never. */
export function expiryOf(table: CompiledTable, image: RowImage): number | null {
  if (table.ttl === null) return null
  const expiry = image[indexOf(table, table.ttl.id)] ?? null
  return expiry === null ? null : Number(expiry)
}
