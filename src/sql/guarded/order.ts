/** Whether an ORDER BY leaves ties: rows that tie come in any order, and a LIMIT takes any of them. */
import type { Source, SqlColumn } from './scopes.ts'

/** A column of a source, as one text. */
export type ColumnKey = string

/** A result column. */
export interface ResultColumn {
  /** The column that it is, if it is one and nothing else. */
  readonly key: ColumnKey | undefined
  /** Its AS name, in lower case. */
  readonly alias: string | undefined
}

/** One SELECT, as far as the order of its rows depends on it. */
export interface SelectShape {
  readonly sources: readonly Source[]
  readonly columns: readonly ResultColumn[]
  readonly isDistinct: boolean
  /** Whether it aggregates; `groupBy` is empty where that gives one row. */
  readonly isAggregate: boolean
  readonly groupBy: ReadonlySet<ColumnKey>
}

/** What a term of an ORDER BY orders by; an expression tells no ties apart that count here. */
export type OrderTerm =
  | { readonly kind: 'column'; readonly key: ColumnKey }
  | { readonly kind: 'position'; readonly position: number }
  | { readonly kind: 'expression' }

export function keyOf(source: Source, column: Pick<SqlColumn, 'id'>): ColumnKey {
  return JSON.stringify([source.alias, column.id])
}

/** Whether the terms tell any two rows apart that are not the same in all columns. */
export function isTotalOrder(
  selects: readonly SelectShape[],
  terms: readonly OrderTerm[],
): boolean {
  const [select] = selects as [SelectShape]
  const positions = new Set<number>()
  const keys = new Set<ColumnKey>()
  for (const term of terms) {
    if (term.kind === 'column') keys.add(term.key)
    if (term.kind !== 'position') continue
    positions.add(term.position)
    const key = select.columns[term.position]?.key
    if (key !== undefined) keys.add(key)
  }
  const showsAll = select.columns.every(
    ({ key }, i) => positions.has(i) || (key !== undefined && keys.has(key)),
  )
  if (selects.length > 1 || select.isDistinct) {
    // Of rows that are made one, it is not said which lends what is not shown.
    const shown = new Set(select.columns.map(({ key }) => key))
    const ordersByShown = terms.every(
      (term) => term.kind === 'position' || (term.kind === 'column' && shown.has(term.key)),
    )
    return showsAll && ordersByShown
  }
  if (showsAll) return true
  if (select.isAggregate) return [...select.groupBy].every((key) => keys.has(key))
  return select.sources.every((source) =>
    source.table.key.every((id) => keys.has(keyOf(source, { id }))),
  )
}
