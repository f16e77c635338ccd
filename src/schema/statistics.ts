/**
 * What the planner is told of the tables. Without statistics SQLite takes a tenant for ten rows and
 * reads all of them where an index would find the few that are asked for; with those of a young
 * store it would do the same. So it is told what a grown table is like, once and for all.
 */
import type { Statement } from '../core/ports/store.ts'
import type { CompiledTable } from './compiled.ts'
import { hasLargeCells } from './ddl.ts'
import { tableIndexes } from './indexes.ts'

const ROWS = 1_000_000
const ROWS_OF_A_TENANT = 10_000
const ROWS_OF_A_VALUE = 20
const ROWS_OF_AN_INSTANT = 2

/** Statements that give these tables their statistics, in the write that creates or changes them. */
export function planStatistics(tables: readonly CompiledTable[]): Statement[] {
  if (tables.length === 0) return []
  return [
    // Creates the table of statistics; the guard has no rows to be counted.
    { sql: 'ANALYZE _guard', args: [] },
    ...tables.flatMap(tableStatistics),
    { sql: 'ANALYZE sqlite_schema', args: [] },
  ]
}

function tableStatistics(table: CompiledTable): Statement[] {
  const name = table.physicalName
  const keyIndex = hasLargeCells(table) ? `sqlite_autoindex_${name}_1` : name
  const key = [ROWS_OF_A_TENANT, ...table.primaryKey.map((_, i) => keyRows(table, i))]
  const rows = [
    [name, keyIndex, key],
    ...tableIndexes(table).map(({ name: index, columns, unique }) => [
      name,
      index,
      columns.map((column, i) => indexRows(columns, column, i, unique)),
    ]),
  ].map(([owner, index, counts]) => [owner, index, [ROWS, ...(counts as number[])].join(' ')])
  return [
    { sql: 'DELETE FROM sqlite_stat1 WHERE tbl = ?', args: [name] },
    {
      sql: 'INSERT INTO sqlite_stat1 (tbl, idx, stat) SELECT value->>0, value->>1, value->>2 FROM json_each(?)',
      args: [JSON.stringify(rows)],
    },
  ]
}

/** Rows that agree in the tenant and the first columns of the primary key: falling to one. */
function keyRows(table: CompiledTable, index: number): number {
  return index === table.primaryKey.length - 1 ? 1 : ROWS_OF_A_VALUE
}

function indexRows(
  columns: readonly string[],
  column: string,
  index: number,
  unique: boolean,
): number {
  if (unique && index === columns.length - 1) return 1
  if (columns[0] !== 'tenant') return ROWS_OF_AN_INSTANT
  return column === 'tenant' ? ROWS_OF_A_TENANT : ROWS_OF_A_VALUE
}
