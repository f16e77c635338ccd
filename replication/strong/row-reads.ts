/** The statements that prefetch rows of a batch: one for each table and constraint. */
import type { Statement } from '../../src/core/ports/store.ts'
import type { SqlRow, SqlValue } from '../../src/core/values.ts'
import type { CompiledTable, PhysicalColumn } from '../../src/schema/compiled.ts'
import { fromJsonCell, toJsonCell } from '../../src/sql/json-cells.ts'
import { expiredRow } from '../../src/sql/live-row.ts'
import { hasWideColumns, rowColumns, rowReader } from '../../src/sql/select.ts'
import { factsOf } from '../../src/schema/table-facts.ts'

/** A stored row, live or expired. */
export interface Row {
  readonly tenant: string
  readonly image: readonly SqlValue[]
  readonly version: string
}

/** A tenant, then values of columns. */
export type TenantValues = readonly [tenant: string, ...values: SqlValue[]]

/** Reads the rows whose `columns` (places in the image) have these values. */
export function selectRows(
  table: CompiledTable,
  columns: readonly number[],
  wanted: readonly TenantValues[],
): Statement {
  const cells = columns.map((place) => table.physical[place] as PhysicalColumn)
  const json = wanted.map(([tenant, ...values]) => [
    tenant,
    ...values.map((value, i) => toJsonCell(cells[i] as PhysicalColumn, value)),
  ])
  const same = cells.map((c, i) => `r.${c.name} = ${fromJsonCell(c, 'j.value', i + 1)}`)
  return {
    // CROSS JOIN fixes the order: one seek for each wanted row.
    sql: `SELECT ${rowColumns(table, 'r')}, r.tenant
      FROM json_each(?) j CROSS JOIN ${table.physicalName} r
      WHERE r.tenant = j.value->>0 AND ${same.join(' AND ')}`,
    args: [JSON.stringify(json)],
    bigints: hasWideColumns(table),
  }
}

/** Reads the rows that expired first, in the order of their instants, then keys. */
export function selectExpired(table: CompiledTable, nowMs: number, limit: number): Statement {
  const { key, ttl } = factsOf(table)
  const order = [ttl, ...key].map((place) => `r.${(table.physical[place] as PhysicalColumn).name}`)
  order.splice(1, 0, 'r.tenant')
  return {
    sql: `SELECT ${rowColumns(table, 'r')}, r.tenant FROM ${table.physicalName} r
      WHERE ${expiredRow(table, 'r')} ORDER BY ${order.join(', ')} LIMIT ?`,
    args: [nowMs, limit],
    bigints: hasWideColumns(table),
  }
}

/** Asks whether any of the tables has a row that has expired. */
export function selectAnyExpired(tables: readonly CompiledTable[], nowMs: number): Statement {
  const parts = tables.map(
    (table) => `EXISTS (SELECT 1 FROM ${table.physicalName} r WHERE ${expiredRow(table, 'r')})`,
  )
  return { sql: `SELECT ${parts.join(' OR ')}`, args: tables.map(() => nowMs) }
}

/** Reads result rows of the selects above. */
export function readRows(table: CompiledTable, rows: readonly SqlRow[]): Row[] {
  const read = rowReader(table)
  return rows.map((row) => ({ ...read(row), tenant: row[row.length - 1] as string }))
}
