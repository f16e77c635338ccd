/** How views of rows (lists and top lists) store a row of their source. */
import type { RowImage } from '../../src/core/change.ts'
import type { SqlValue } from '../../src/core/values.ts'
import type { CompiledColumn, CompiledView } from '../../src/schema/compiled.ts'
import { showsTenant } from '../../src/schema/view-columns.ts'
import { fromJsonCell, toJsonCell, type CellColumn } from '../../src/sql/json-cells.ts'
import { expiryOf, valueOf } from './filter.ts'
import { scopeOf, viewTable } from './view-names.ts'

/** A stored column: its form, and where its value comes from. */
interface RowColumn {
  readonly cell: CellColumn
  /** A column of the source, or what else a row has. */
  readonly from: CompiledColumn | 'tenant' | 'expires'
}

/** A column of the order, with its direction. */
export interface OrderColumn {
  readonly name: string
  readonly descending: boolean
}

/** The stored rows of a view. Keyed by scope and by the row's tenant and key in the source. */
export class RowColumns {
  readonly #view: CompiledView
  readonly #columns: readonly RowColumn[]
  /** The whole order: declared columns, then tenant and primary key. */
  readonly order: readonly OrderColumn[]

  constructor(view: CompiledView) {
    this.#view = view
    const { shape, source } = view
    const column = (id: number): CompiledColumn => source.columnById.get(id) as CompiledColumn
    const orderBy = shape.kind === 'top' ? shape.orderBy : []
    const shown = shape.kind === 'group' ? [] : shape.columns
    this.#columns = [
      ...orderBy.map(({ columnId }, i) => stored(`o${i}`, column(columnId))),
      { cell: { name: 'row_tenant', storage: 'TEXT', wide: false }, from: 'tenant' },
      ...source.primaryKey.map((c, i) => stored(`k${i}`, c)),
      ...shown.map((id, i) => stored(`p${i}`, column(id))),
      { cell: { name: 'expires', storage: 'INTEGER', wide: false }, from: 'expires' },
    ]
    this.order = [
      ...orderBy.map(({ descending }, i) => ({ name: `o${i}`, descending })),
      { name: 'row_tenant', descending: false },
      ...source.primaryKey.map((_, i) => ({ name: `k${i}`, descending: false })),
    ]
  }

  create(): string[] {
    const table = viewTable(this.#view)
    const columns = this.#columns.map(({ cell }) => `${cell.name} ${cell.storage}`).join(', ')
    const order = this.order.map((o) => `${o.name}${o.descending ? ' DESC' : ''}`).join(', ')
    const statements = [
      `CREATE TABLE ${table} (tenant TEXT NOT NULL, rk TEXT NOT NULL, ${columns}, PRIMARY KEY (tenant, rk)) STRICT, WITHOUT ROWID`,
      `CREATE INDEX ${table}_order ON ${table} (tenant, ${order})`,
    ]
    if (this.#view.source.ttl !== null) {
      statements.push(
        `CREATE INDEX ${table}_expires ON ${table} (expires) WHERE expires IS NOT NULL`,
      )
    }
    return statements
  }

  /** One row as a JSON value of `insertSql`. */
  toJson(tenant: string, key: string, image: RowImage): unknown[] {
    return [
      scopeOf(this.#view, tenant),
      rowKey(tenant, key),
      ...this.#columns.map(({ cell, from }) => toJsonCell(cell, this.#value(from, tenant, image))),
    ]
  }

  /** Inserts or replaces rows given as one JSON array of `toJson` values. */
  upsertSql(): string {
    const names = this.#columns.map(({ cell }) => cell.name)
    const sources = this.#columns.map(({ cell }, i) => fromJsonCell(cell, 'value', i + 2))
    return `INSERT INTO ${viewTable(this.#view)} (tenant, rk, ${names.join(', ')})
      SELECT value->>0, value->>1, ${sources.join(', ')} FROM json_each(?) WHERE true
      ON CONFLICT DO UPDATE SET ${names.map((n) => `${n} = excluded.${n}`).join(', ')}`
  }

  /** Names of the stored columns, and where the source's row `r` has them. */
  sourceSql(): { readonly names: string; readonly values: string } {
    const ttl = this.#view.source.ttl
    const value = ({ from }: RowColumn): string => {
      if (from === 'tenant') return 'r.tenant'
      if (from === 'expires') return ttl === null ? 'NULL' : `r.c${ttl.id}`
      return `r.c${from.id}`
    }
    const names = this.#columns.map(({ cell }) => cell.name).join(', ')
    return { names, values: this.#columns.map(value).join(', ') }
  }

  /** The order of the view as SQL over the source's row `r`. */
  sourceOrderSql(): string {
    const { shape, source } = this.#view
    const orderBy = shape.kind === 'top' ? shape.orderBy : []
    return [
      ...orderBy.map((o) => `r.c${o.columnId}${o.descending ? ' DESC' : ''}`),
      'r.tenant',
      ...source.primaryKey.map((c) => `r.c${c.id}`),
    ].join(', ')
  }

  /** The values of the order's columns. */
  orderValues(tenant: string, image: RowImage): SqlValue[] {
    const byName = new Map(this.#columns.map(({ cell, from }) => [cell.name, from]))
    return this.order.map(({ name }) =>
      this.#value(byName.get(name) as RowColumn['from'], tenant, image),
    )
  }

  /** The shown columns, over stored rows `v`. */
  shownSql(): string {
    const { shape } = this.#view
    const count = shape.kind === 'group' ? 0 : shape.columns.length
    const columns = Array.from({ length: count }, (_, i) => `v.p${i}`)
    return [...(showsTenant(this.#view) ? ['v.row_tenant'] : []), ...columns].join(', ')
  }

  #value(from: RowColumn['from'], tenant: string, image: RowImage): SqlValue {
    if (from === 'tenant') return tenant
    if (from === 'expires') return expiryOf(this.#view.source, image)
    return valueOf(this.#view.source, image, from.id)
  }
}

/** A row's identity in its source, as text. */
export function rowKey(tenant: string, key: string): string {
  return JSON.stringify([tenant, key])
}

function stored(name: string, column: CompiledColumn): RowColumn {
  const { storage, type, encrypted } = column
  return { cell: { name, storage, wide: type === 'bigint' && encrypted === null }, from: column }
}
