/** Compiles a declared view against its compiled source. */
import type { CompiledColumn, CompiledTable, CompiledView } from './compiled.ts'
import { toStored } from './convert.ts'
import type { ViewDefinition, ViewPredicate, ViewShape } from './view-builder.ts'

/** Compiles a view that `validateViews` has accepted. */
export function compileView(
  id: number,
  name: string,
  view: ViewDefinition,
  source: CompiledTable,
): CompiledView {
  return {
    id,
    name,
    source,
    filter: view.filter.map((predicate) => compilePredicate(predicate, source)),
    shape: compileShape(view.shape, source),
    span: view.span,
  }
}

function compilePredicate(
  { column: name, op, value }: ViewPredicate,
  source: CompiledTable,
): CompiledView['filter'][number] {
  const column = columnOf(source, name)
  const unary = op === 'is null' || op === 'is not null'
  return { columnId: column.id, op, value: unary ? null : toStored(source, column, value) }
}

function compileShape(shape: ViewShape, source: CompiledTable): CompiledView['shape'] {
  const ids = (names: readonly string[]): number[] => names.map((n) => columnOf(source, n).id)
  switch (shape.kind) {
    case 'group':
      return {
        kind: 'group',
        groupBy: ids(shape.groupBy),
        aggregates: Object.entries(shape.aggregates).map(([name, { fn, column }]) => ({
          name,
          fn,
          columnId: column === null ? null : columnOf(source, column).id,
        })),
      }
    case 'top':
      return {
        kind: 'top',
        orderBy: shape.orderBy.map(({ column, descending }) => ({
          columnId: columnOf(source, column).id,
          descending,
        })),
        limit: shape.limit,
        columns: ids(shape.columns),
      }
    case 'select':
      return { kind: 'select', columns: ids(shape.columns) }
  }
}

function columnOf(source: CompiledTable, name: string): CompiledColumn {
  return source.columnByName.get(name) as CompiledColumn
}
