/** Operations on the tables of `shop`, and what a region's store then holds of them. */
import type { CellChange, CellCondition, WriteOp } from '../../src/core/operations.ts'
import type { SqlValue } from '../../src/core/values.ts'
import { rowsByKey, selectByKeys, type StoredRow } from '../../src/sql/select.ts'
import type { PinnedRegion } from './pinned-region.ts'
import { imageOf, rowsOf, shopTable } from './shop.ts'

type Row = Readonly<Record<string, unknown>>

export function put(
  kind: 'insert' | 'upsert',
  name: 'orders' | 'stock',
  ...rows: readonly Row[]
): WriteOp {
  return { kind, table: shopTable(name).id, rows: rows.map((row) => imageOf(name, row)) }
}

export function item(n: number, more: Row = {}): Row {
  return { place: 'p', item: BigInt(n), count: 1, ...more }
}

export function place(name: 'orders' | 'stock', column: string): number {
  const table = shopTable(name)
  return table.valueIndex.get(table.columnByName.get(column)?.id ?? -1) ?? -1
}

export function change(name: 'orders' | 'stock', column: string, op: CellChange['op']): CellChange {
  return { column: place(name, column), op }
}

export function update(
  name: 'orders' | 'stock',
  key: readonly SqlValue[],
  cells: readonly CellChange[],
  conditions: readonly CellCondition[] = [],
): WriteOp {
  return { kind: 'update', table: shopTable(name).id, key, cells, conditions }
}

export async function storedRow(
  region: PinnedRegion,
  name: 'orders' | 'stock',
  ...key: readonly SqlValue[]
): Promise<StoredRow | undefined> {
  const table = shopTable(name)
  const rows = await rowsOf(region.store, selectByKeys(table, 'a', [key], region.wall.nowMs))
  return rowsByKey(table, 1, rows)[0]
}

export async function countRows(
  region: PinnedRegion,
  name: 'orders' | 'stock' | '_outbox' | '_outcomes',
): Promise<number> {
  const table = name.startsWith('_') ? name : shopTable(name).physicalName
  const [first] = await rowsOf(region.store, { sql: `SELECT count(*) FROM ${table}`, args: [] })
  return Number(first?.[0])
}
