/**
 * How views of rows (lists and top lists) store a row of their source: under its scope, its tenant
 * where one scope has several, and its primary key; each column once, under its name in the source.
 */
import type { RowImage } from '../../src/core/change.ts'
import type { SqlRow, SqlValue } from '../../src/core/values.ts'
import type { CompiledColumn, CompiledView } from '../../src/schema/compiled.ts'
import { showsTenant } from '../../src/schema/view-columns.ts'
import { fromJsonCell, toJsonCell, type CellColumn } from '../../src/sql/json-cells.ts'
import { liveRow } from '../../src/sql/live-row.ts'
import { filterSql, indexOf } from './filter.ts'
import { scopeOf, sourceIndex, viewTable } from './view-names.ts'

/** A stored column and its place in the images of the source. */
interface RowColumn {
  readonly cell: CellColumn
  readonly index: number
}

/** A column of the order. */
export interface OrderColumn {
  readonly name: string
  readonly descending: boolean
  /** Its place in the images of the source; -1: the row's tenant. */
  readonly index: number
}

const TENANT: CellColumn = { name: 'row_tenant', storage: 'TEXT', wide: false }
const SCOPE: CellColumn = { name: 'tenant', storage: 'TEXT', wide: false }

export class RowColumns {
  /** The whole order: declared columns, then tenant and primary key. */
  readonly order: readonly OrderColumn[]
  /** The stored key, comma-separated: scope, tenant, primary key. */
  readonly key: string
  readonly deleteSql: string
  readonly upsertSql: string
  readonly #view: CompiledView
  readonly #hasTenant: boolean
  readonly #keyCells: readonly CellColumn[]
  /** Scope, tenant, primary key. */
  readonly #stored: readonly CellColumn[]
  readonly #columns: readonly RowColumn[]

  constructor(view: CompiledView) {
    const { shape, source } = view
    const table = viewTable(view)
    this.#view = view
    this.#hasTenant = showsTenant(view)
    const orderBy = shape.kind === 'top' ? shape.orderBy : []
    const shown = shape.kind === 'group' ? [] : shape.columns
    const keyIds = source.primaryKey.map((c) => c.id)
    const ids = new Set([...keyIds, ...orderBy.map((o) => o.columnId), ...shown])
    if (source.ttl !== null) ids.add(source.ttl.id)
    this.#columns = [...ids].map((id) => ({
      cell: cellOf(source.columnById.get(id) as CompiledColumn),
      index: indexOf(source, id),
    }))
    this.#keyCells = source.primaryKey.map(cellOf)
    const ordered = (id: number, descending: boolean): OrderColumn => ({
      name: `c${id}`,
      descending,
      index: indexOf(source, id),
    })
    this.order = [
      ...orderBy.map(({ columnId, descending }) => ordered(columnId, descending)),
      ...(this.#hasTenant ? [{ name: TENANT.name, descending: false, index: -1 }] : []),
      ...keyIds
        .filter((id) => orderBy.every(({ columnId }) => columnId !== id))
        .map((id) => ordered(id, false)),
    ]
    const head = this.#hasTenant ? [SCOPE, TENANT] : [SCOPE]
    const key = [...head, ...this.#keyCells]
    const stored = [...head, ...this.#columns.map(({ cell }) => cell)]
    const rewritten = stored.slice(key.length).map(({ name }) => `${name} = excluded.${name}`)
    this.key = key.map(({ name }) => name).join(', ')
    this.#stored = key
    this.deleteSql = `DELETE FROM ${table} WHERE (${this.key}) IN
      (SELECT ${this.keyFromJson('value')} FROM json_each(?))`
    this.upsertSql = `INSERT INTO ${table} (${stored.map((c) => c.name).join(', ')})
      SELECT ${fromJson(stored, 'value')} FROM json_each(?) WHERE true
      ON CONFLICT DO ${rewritten.length === 0 ? 'NOTHING' : `UPDATE SET ${rewritten.join(', ')}`}`
  }

  /** Creates the view's table. */
  createTable(): string {
    const { source } = this.#view
    const isKey = (id: string): boolean => source.primaryKey.some((c) => `c${c.id}` === id)
    const definitions = [
      'tenant TEXT NOT NULL',
      ...(this.#hasTenant ? [`${TENANT.name} TEXT NOT NULL`] : []),
      ...this.#columns.map(
        ({ cell }) => `${cell.name} ${cell.storage}${isKey(cell.name) ? ' NOT NULL' : ''}`,
      ),
      `PRIMARY KEY (${this.key})`,
    ]
    return `CREATE TABLE ${viewTable(this.#view)} (${definitions.join(', ')}) STRICT, WITHOUT ROWID`
  }

  /** SQL that reads a key out of a JSON value of `keyJson`, in the order of `key`. */
  keyFromJson(json: string): string {
    return fromJson(this.#stored, json)
  }

  /** One row as a JSON value of `upsertSql`. */
  toJson(tenant: string, image: RowImage): unknown[] {
    return [
      ...this.#headJson(tenant),
      ...this.#columns.map(({ cell, index }) => toJsonCell(cell, image[index] ?? null)),
    ]
  }

  /** A row's key as a JSON value of `deleteSql`; `key` is JSON text of the primary key. */
  keyJson(tenant: string, key: string): unknown[] {
    return [...this.#headJson(tenant), ...(JSON.parse(key) as unknown[])]
  }

  /** The same for a stored key that was read, its columns in the order of `key`. */
  storedKeyJson(row: SqlRow): unknown[] {
    const head = this.#hasTenant ? 2 : 1
    return [
      ...row.slice(0, head),
      ...this.#keyCells.map((cell, i) => toJsonCell(cell, row[head + i] ?? null)),
    ]
  }

  /** The values of the order's columns. */
  orderValues(tenant: string, image: RowImage): SqlValue[] {
    return this.order.map(({ index }) => (index === -1 ? tenant : (image[index] ?? null)))
  }

  /** The order as SQL over stored rows `v`, as it is or from the end. */
  orderSql(direction: 'forwards' | 'backwards' = 'forwards'): string {
    const isBack = direction === 'backwards'
    return this.order
      .map(({ name, descending }) => `v.${name}${descending === isBack ? '' : ' DESC'}`)
      .join(', ')
  }

  /** The order as the columns of an index on the source. */
  sourceIndexColumns(): string {
    const names = this.#sourceOrder('').join(', ')
    return this.#view.span === 'tenant' ? `tenant, ${names}` : names
  }

  /** Fills a scope with the first `rows` live rows of the source. */
  fillSql(rows: number): string {
    const { source, span } = this.#view
    const names = this.#columns.map(({ cell }) => cell.name)
    const head = this.#hasTenant ? [SCOPE.name, TENANT.name] : [SCOPE.name]
    const conditions = [
      ...(span === 'tenant' ? ['r.tenant = ?'] : []),
      filterSql(this.#view).sql,
      liveRow(source, 'r').sql,
    ]
    return `INSERT INTO ${viewTable(this.#view)} (${[...head, ...names].join(', ')})
      SELECT ?, ${this.#hasTenant ? 'r.tenant, ' : ''}${names.map((n) => `r.${n}`).join(', ')}
      FROM ${source.physicalName} r INDEXED BY ${sourceIndex(this.#view, 0)}
      WHERE ${conditions.join(' AND ')}
      ORDER BY ${this.#sourceOrder('r.').join(', ')} LIMIT ${rows}`
  }

  /** The arguments of `fillSql`. */
  fillArgs(scope: string, nowMs: number): SqlValue[] {
    const { source, span } = this.#view
    const own = span === 'tenant' ? [scope] : []
    const now = liveRow(source, 'r').takesNow ? [nowMs] : []
    return [scope, ...own, ...filterSql(this.#view).args, ...now]
  }

  /** Selects the shown columns of live rows, without an order. */
  selectSql(): string {
    const { shape, source } = this.#view
    const shown = shape.kind === 'group' ? [] : shape.columns.map((id) => `v.c${id}`)
    const columns = [...(this.#hasTenant ? [`v.${TENANT.name}`] : []), ...shown].join(', ')
    const ttl = `v.c${source.ttl?.id}`
    const expiry = source.ttl === null ? '' : ` AND (${ttl} IS NULL OR ${ttl} > ?)`
    return `SELECT ${columns} FROM ${viewTable(this.#view)} v WHERE v.tenant = ?${expiry}`
  }

  /** The arguments of `selectSql`. */
  selectArgs(tenant: string, nowMs: number): SqlValue[] {
    const now = this.#view.source.ttl === null ? [] : [nowMs]
    return [scopeOf(this.#view, tenant), ...now]
  }

  #headJson(tenant: string): string[] {
    return this.#hasTenant ? [scopeOf(this.#view, tenant), tenant] : [scopeOf(this.#view, tenant)]
  }

  #sourceOrder(prefix: string): string[] {
    return this.order.map(({ name, descending }) => {
      const column = name === TENANT.name ? 'tenant' : name
      return `${prefix}${column}${descending ? ' DESC' : ''}`
    })
  }
}

function cellOf({ id, storage, type, encrypted }: CompiledColumn): CellColumn {
  return { name: `c${id}`, storage, wide: type === 'bigint' && encrypted === null }
}

function fromJson(cells: readonly CellColumn[], json: string): string {
  return cells.map((cell, i) => fromJsonCell(cell, json, i)).join(', ')
}
