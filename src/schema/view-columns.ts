/** The columns of a view's result, in order. */
import type { ColumnType, CompiledColumn, CompiledView } from './compiled.ts'

/** One column of a view's result. */
export interface ViewColumn {
  readonly name: string
  /** The column whose values it holds; null: a number that was computed, or the tenant. */
  readonly source: CompiledColumn | null
  /** The type of its values. */
  readonly type: ColumnType
}

/**
 * The columns of a view's result. Groups: the group columns, then the aggregates; others: the
 * selected columns. Rows of a view that spans tenants and is not grouped begin with their tenant.
 */
export function viewColumns(view: CompiledView): readonly ViewColumn[] {
  const { shape } = view
  if (shape.kind === 'group') {
    return [
      ...shape.groupBy.map((id) => plainColumn(view, id)),
      ...shape.aggregates.map(({ name, fn, columnId }): ViewColumn => {
        const source = columnId === null ? null : columnOf(view, columnId)
        return fn === 'min' || fn === 'max' || fn === 'sum'
          ? { name, source, type: source?.type ?? 'integer' }
          : { name, source: null, type: fn === 'count' ? 'integer' : 'real' }
      }),
    ]
  }
  const columns = shape.columns.map((id) => plainColumn(view, id))
  return showsTenant(view) ? [{ name: 'tenant', source: null, type: 'text' }, ...columns] : columns
}

/** Whether the rows of a view say whose they are. */
export function showsTenant(view: CompiledView): boolean {
  return view.span === 'region' && view.source.scope === 'tenant' && view.shape.kind !== 'group'
}

function plainColumn(view: CompiledView, id: number): ViewColumn {
  const source = columnOf(view, id)
  return { name: source.name, source, type: source.type }
}

function columnOf(view: CompiledView, id: number): CompiledColumn {
  return view.source.columnById.get(id) as CompiledColumn
}
