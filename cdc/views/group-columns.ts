/** What a grouped view is made of: its group columns, its aggregates, and what a row gives to them. */
import type { RowImage } from '../../src/core/change.ts'
import type { SqlValue } from '../../src/core/values.ts'
import type { CompiledAggregate, CompiledColumn, CompiledView } from '../../src/schema/compiled.ts'
import { toJsonCell, type CellColumn } from '../../src/sql/json-cells.ts'
import { indexOf } from './filter.ts'
import { scopeOf } from './view-names.ts'

/** A column that rows are grouped by. */
export interface GroupColumn {
  /** As the view stores it: `g<i>`. */
  readonly cell: CellColumn
  /** Its place in the images of the source. */
  readonly index: number
  /** Its name in the source's table. */
  readonly sourceName: string
}

/** An aggregate over a column, or over the rows themselves. */
export interface Aggregate {
  readonly fn: CompiledAggregate['fn']
  /** The column that it reads; null: it counts rows. */
  readonly column: CompiledColumn | null
  /** Its place in the images of the source; -1 where there is no column. */
  readonly index: number
  /** The form of one value of the column. */
  readonly input: CellColumn
  /** The form of the result, stored as `a<i>`. */
  readonly result: CellColumn
}

/** What one row gives to its group. */
export interface Contribution {
  readonly scope: string
  /** JSON text of the group columns' values: unlike a primary key it may hold NULL. */
  readonly group: string
  /** A value for each aggregate. */
  readonly inputs: readonly SqlValue[]
}

const ROWS: CellColumn = { name: '', storage: 'INTEGER', wide: false }

export class GroupColumns {
  readonly groups: readonly GroupColumn[]
  readonly aggregates: readonly Aggregate[]
  readonly #view: CompiledView

  constructor(view: CompiledView) {
    const { shape, source } = view
    this.#view = view
    const columnOf = (id: number): CompiledColumn => source.columnById.get(id) as CompiledColumn
    const groupBy = shape.kind === 'group' ? shape.groupBy : []
    this.groups = groupBy.map((id, i) => ({
      cell: plainCell(`g${i}`, columnOf(id)),
      index: indexOf(source, id),
      sourceName: `c${id}`,
    }))
    const aggregates = shape.kind === 'group' ? shape.aggregates : []
    this.aggregates = aggregates.map(({ fn, columnId }, i) => {
      const column = columnId === null ? null : columnOf(columnId)
      return {
        fn,
        column,
        index: columnId === null ? -1 : indexOf(source, columnId),
        input: column === null ? ROWS : plainCell('', column),
        result: resultCell(`a${i}`, fn, column),
      }
    })
  }

  /** What a row that passes the filter gives to its group. */
  contributionOf(tenant: string, image: RowImage): Contribution {
    return {
      scope: scopeOf(this.#view, tenant),
      group: JSON.stringify(
        this.groups.map(({ cell, index }) => toJsonCell(cell, image[index] ?? null)),
      ),
      inputs: this.aggregates.map(({ index }) => image[index] ?? null),
    }
  }
}

function plainCell(name: string, { storage, type }: CompiledColumn): CellColumn {
  return { name, storage, wide: type === 'bigint' }
}

function resultCell(
  name: string,
  fn: CompiledAggregate['fn'],
  column: CompiledColumn | null,
): CellColumn {
  if (fn === 'count' || column === null) return { ...ROWS, name }
  if (fn === 'avg') return { name, storage: 'REAL', wide: false }
  if (fn === 'sum' && column.storage === 'INTEGER') return { name, storage: 'INTEGER', wide: true }
  return plainCell(name, column)
}
