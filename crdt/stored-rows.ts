/** Rows of eventual tables in the store: reading their states, and writing them guarded. */
import type { Statement, StatementResult } from '../src/core/ports/store.ts'
import type { SqlRow, SqlValue } from '../src/core/values.ts'
import type { CompiledTable, PhysicalColumn } from '../src/schema/compiled.ts'
import { MERGE_STATE_COLUMN, textStateColumn } from '../src/schema/ddl.ts'
import { encodeKey } from '../src/schema/image.ts'
import {
  fromJsonCell,
  keyColumns,
  mergeColumns,
  toJsonCell,
  type CellColumn,
} from '../src/sql/json-cells.ts'
import { insertRows, type RowWrite } from '../src/sql/write-rows.ts'
import { decodeState, encodeState } from './codec.ts'
import { isVisible, project } from './project.ts'
import { EMPTY_ROW, slotOf, type RowState } from './state.ts'

/** Names a row. */
export interface RowRef {
  readonly table: CompiledTable
  readonly tenant: string
  readonly key: readonly SqlValue[]
  /** Text that no other row has. */
  readonly id: string
}

/** A row as it is stored. */
export interface StoredRow extends RowRef {
  readonly state: RowState
  /** Its `_ver`; null: there is no such row, not even a deleted one. */
  readonly version: string | null
}

/** Names a row. */
export function rowRef(table: CompiledTable, tenant: string, key: readonly SqlValue[]): RowRef {
  return { table, tenant, key, id: `${table.id} ${tenant} ${encodeKey(table, key)}` }
}

/** One read of all rows of one table, answered by `decodeRows`. */
export function selectRows(table: CompiledTable, refs: readonly RowRef[]): Statement {
  const { select, bigints } = sqlOf(table)
  return { sql: select, args: [keysJson(table, refs)], bigints }
}

/** The rows of a `selectRows`; those that are not stored are left out. */
export function decodeRows(refs: readonly RowRef[], result: StatementResult): StoredRow[] {
  return result.rows.map((row) => {
    const ref = refs[Number(row[0])] as RowRef
    return { ...ref, version: row[1] as string, state: readState(ref.table, row) }
  })
}

/** A row that nobody ever wrote. */
export function absentRow(ref: RowRef): StoredRow {
  return { ...ref, state: EMPTY_ROW, version: null }
}

function readState(table: CompiledTable, row: SqlRow): RowState {
  const { slots, texts } = sqlOf(table)
  return decodeState(row[2] as Uint8Array, {
    register: (slot) => {
      const place = slots.get(slot)
      if (place === undefined) return null
      const value = row[place.index] ?? null
      return typeof value === 'bigint' && !place.wide ? Number(value) : value
    },
    text: (columnId) => {
      const place = texts.get(columnId)
      const update = place === undefined ? null : row[place.state]
      const text = place === undefined ? null : row[place.text]
      return { update: update as Uint8Array, text: text as string }
    },
  })
}

/** A row with its next state. */
export interface RowUpdate {
  readonly row: StoredRow
  readonly state: RowState
  readonly version: string
}

/**
 * Writes the next states of rows of one table: all of them, or (kinds `unique` and `check`) none
 * when another writer changed one since it was read.
 */
export function writeStates(table: CompiledTable, updates: readonly RowUpdate[]): Statement[] {
  const fresh = updates.filter(({ row }) => row.version === null)
  const known = updates.filter(({ row }) => row.version !== null)
  const statements: Statement[] = []
  if (fresh.length > 0)
    statements.push(
      insertRows(
        table,
        fresh.map((u) => rowWrite(table, u)),
      ),
    )
  if (known.length > 0) statements.push(updateStatement(table, known), allChanged(known.length))
  return statements
}

/** Fails (kind `check`) when one of the rows changed since it was read. */
export function guardRows(table: CompiledTable, rows: readonly StoredRow[]): Statement {
  const columns = keyColumns(table)
  const json = rows.map((row) => [...keyJson(columns, row), row.version])
  return { sql: sqlOf(table).guard, args: [JSON.stringify(json)] }
}

function updateStatement(table: CompiledTable, updates: readonly RowUpdate[]): Statement {
  const sql = sqlOf(table)
  const keys = keyColumns(table)
  const [only] = updates
  if (only !== undefined && updates.length === 1) {
    const { tenant, key, version } = only.row
    const values = newValues(table, only)
    return { sql: sql.updateOne, args: [...values, tenant, ...key, version] }
  }
  const json = updates.map((update) => {
    const values = newValues(table, update).map((v, i) =>
      toJsonCell(sql.written[i] as CellColumn, v),
    )
    return [...values, ...keyJson(keys, update.row), update.row.version]
  })
  return { sql: sql.updateMany, args: [JSON.stringify(json)] }
}

/** Fails (kind `check`) unless the statement right before it changed so many rows. */
export function allChanged(count: number): Statement {
  return { sql: 'INSERT INTO _guard SELECT 1 WHERE changes() <> ?', args: [count] }
}

function rowWrite(table: CompiledTable, { row, state, version }: RowUpdate): RowWrite {
  const image = project(table, row.key, state)
  return { tenant: row.tenant, image, version, epoch: 0, merge: mergeValues(table, state) }
}

/** The values of `TableSql.written`, in its order. */
function newValues(table: CompiledTable, update: RowUpdate): SqlValue[] {
  const { image } = rowWrite(table, update)
  const values = image.filter((_, index) => !isKey(table, table.physical[index] as PhysicalColumn))
  return [...values, update.version, ...mergeValues(table, update.state)]
}

/** The values of `mergeColumns`, in its order. */
function mergeValues(table: CompiledTable, state: RowState): SqlValue[] {
  const values: SqlValue[] = [encodeState(state), isVisible(table, state) ? 1 : 0]
  for (const column of table.columns) {
    if (column.type === 'collaborativeText') values.push(state.texts.get(column.id)?.update ?? null)
  }
  return values
}

function keysJson(table: CompiledTable, refs: readonly RowRef[]): string {
  const columns = keyColumns(table)
  return JSON.stringify(refs.map((ref) => keyJson(columns, ref)))
}

function keyJson(columns: readonly CellColumn[], ref: RowRef): unknown[] {
  return [ref.tenant, ...columns.map((column, i) => toJsonCell(column, ref.key[i] ?? null))]
}

function isKey(table: CompiledTable, physical: PhysicalColumn): boolean {
  return table.columnById.get(physical.columnId)?.primaryKey === true
}

/** What of a table's SQL depends on the table alone. */
class TableSql {
  readonly select: string
  readonly updateOne: string
  readonly updateMany: string
  readonly guard: string
  readonly bigints: boolean
  /** The columns that an update writes. */
  readonly written: readonly CellColumn[]
  /** Places in a selected row: registers by slot, texts by column id. */
  readonly slots = new Map<number, { readonly index: number; readonly wide: boolean }>()
  readonly texts = new Map<number, { readonly text: number; readonly state: number }>()

  constructor(table: CompiledTable) {
    const t = table.physicalName
    const values = table.physical.filter((physical) => !isKey(table, physical))
    const version: CellColumn = { name: '_ver', storage: 'TEXT', wide: false }
    this.written = [...values, version, ...mergeColumns(table)]
    this.bigints = values.some((column) => column.wide)
    const selected = ['_ver', MERGE_STATE_COLUMN]
    const place = (name: string): number => selected.push(name)
    for (const physical of values) {
      this.slots.set(slotOf(physical), { index: place(physical.name), wide: physical.wide })
    }
    for (const { id, type } of table.columns) {
      if (type !== 'collaborativeText') continue
      const text = this.slots.get(id * 2)?.index as number
      this.texts.set(id, { text, state: place(textStateColumn(id)) })
    }
    const keys: CellColumn[] = [
      { name: 'tenant', storage: 'TEXT', wide: false },
      ...keyColumns(table),
    ]
    const same = (from: number): string =>
      keys.map((c, i) => `o.${c.name} = ${fromJsonCell(c, 'j.value', from + i)}`).join(' AND ')
    const columns = selected.map((name) => `o.${name}`).join(', ')
    this.select = `SELECT j.key, ${columns} FROM json_each(?) j CROSS JOIN ${t} o ON ${same(0)}`
    this.guard = `INSERT INTO _guard SELECT 1 FROM json_each(?) j LEFT JOIN ${t} o ON ${same(0)}
      WHERE o._ver IS NOT j.value->>${keys.length}`
    const one = this.written.map((c) => `${c.name} = ?`).join(', ')
    const byKey = keys.map((c) => `${c.name} = ?`).join(' AND ')
    this.updateOne = `UPDATE ${t} SET ${one} WHERE ${byKey} AND _ver = ?`
    const count = this.written.length
    const many = this.written.map((c, i) => `${c.name} = ${fromJsonCell(c, 'j.value', i)}`)
    this.updateMany = `UPDATE ${t} AS o SET ${many.join(', ')} FROM json_each(?) j
      WHERE ${same(count)} AND o._ver = j.value->>${count + keys.length}`
  }
}

const texts = new WeakMap<CompiledTable, TableSql>()

function sqlOf(table: CompiledTable): TableSql {
  let sql = texts.get(table)
  if (sql === undefined) {
    sql = new TableSql(table)
    texts.set(table, sql)
  }
  return sql
}
