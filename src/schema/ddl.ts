/** DDL of the physical tables: STRICT, named by immutable ids, captured by triggers. */
import { CHANGE_OPS } from '../core/change.ts'
import { toHex, type SqlValue } from '../core/values.ts'
import type { CompiledColumn, CompiledSchema, CompiledTable, PhysicalColumn } from './compiled.ts'
import { imageSql, keySql, realToJson } from './image.ts'
import { createIndex, tableIndexes } from './indexes.ts'
import { hasLocalReads } from './log-group-names.ts'
import { LOCAL_READ_TABLES } from './system-tables.ts'

/** Columns of an eventual table besides the user's: merge state, and Yjs state of text cells. */
export const MERGE_STATE_COLUMN = '_crdt'

/** The physical name of a collaborative text's Yjs state. */
export function textStateColumn(columnId: number): string {
  return `y${columnId}`
}

/** All statements that create a table with its indexes and triggers. */
export function createTable(table: CompiledTable): string[] {
  const system = hasLocalReads(table) ? LOCAL_READ_TABLES : []
  const indexes = tableIndexes(table).map(createIndex)
  return [...system, tableSql(table), ...indexes, ...captureTriggers(table)]
}

function tableSql(table: CompiledTable): string {
  const isKey = (column: PhysicalColumn): boolean =>
    table.primaryKey.some((c) => c.id === column.columnId)
  // The version is read with every write: it stands before what may fill overflow pages.
  const columns = [
    'tenant TEXT NOT NULL',
    ...table.physical.filter(isKey).map((c) => columnSql(table, c)),
    '_ver TEXT NOT NULL',
    '_epoch INTEGER NOT NULL',
  ]
  if (table.consistency === 'eventual') columns.push('_visible INTEGER NOT NULL')
  columns.push(...table.physical.filter((c) => !isKey(c)).map((c) => columnSql(table, c)))
  if (table.consistency === 'eventual') {
    columns.push(`${MERGE_STATE_COLUMN} BLOB NOT NULL`)
    columns.push(...table.columns.flatMap(textStateSql))
  }
  const key = table.primaryKey.map((c) => `c${c.id}`).join(', ')
  columns.push(`PRIMARY KEY (tenant, ${key})`)
  const options = hasLargeCells(table) ? 'STRICT' : 'STRICT, WITHOUT ROWID'
  return `CREATE TABLE IF NOT EXISTS ${table.physicalName} (${columns.join(', ')}) ${options}`
}

/**
 * Rows up to some hundred bytes lie best in the key's own tree: reading a tenant's rows in order
 * takes half to a third of the time. A row of more than 1,002 bytes spills there, and finding it
 * reads all of it (measured: 200 times slower at 200 kB): tables for such rows have a rowid.
 */
export function hasLargeCells(table: CompiledTable): boolean {
  return (
    table.consistency === 'eventual' ||
    table.columns.some((column) => column.type === 'blob' || column.type === 'json')
  )
}

/** Definition of a collaborative text's Yjs state; none for other columns. */
function textStateSql(column: CompiledColumn): string[] {
  return column.type === 'collaborativeText' ? [`${textStateColumn(column.id)} BLOB`] : []
}

/** Adds one column of the schema, with its blind index or Yjs state, to an existing table. */
export function addColumn(table: CompiledTable, column: CompiledColumn): string[] {
  const definitions = table.physical
    .filter((physical) => physical.columnId === column.id)
    .map((physical) => columnSql(table, physical))
  return [...definitions, ...textStateSql(column)].map(
    (definition) => `ALTER TABLE ${table.physicalName} ADD COLUMN ${definition}`,
  )
}

function columnSql(table: CompiledTable, column: PhysicalColumn): string {
  const { name, storage, nullable } = column
  const value = defaultValue(table, column)
  const checks = rangeChecks(table, column)
  const parts = [`${name} ${storage}`]
  // SQLite 3.45 takes a fractional default in rows that were there before for NULL, and so refuses
  // to add a REAL column that is NOT NULL, and later takes the file for damaged. CHECK is right.
  if (!nullable && storage === 'REAL' && value !== null) checks.push(`${name} IS NOT NULL`)
  else if (!nullable) parts.push('NOT NULL')
  if (value !== null) parts.push(`DEFAULT ${literalSql(column, value)}`)
  if (checks.length > 0) parts.push(`CHECK (${checks.join(' AND ')})`)
  return parts.join(' ')
}

/** For rows that are there already, and for writers whose schema does not have the column yet. */
function defaultValue(table: CompiledTable, column: PhysicalColumn): SqlValue {
  const declared = table.columnById.get(column.columnId)
  if (declared === undefined || column.kind === 'blind' || declared.encrypted !== null) return null
  return declared.default ?? null
}

/**
 * What SQL arithmetic could store and nobody could read back: integers that JavaScript rounds, and
 * infinity. Eventual tables compute in the merge alone, which a constraint must never stop.
 */
function rangeChecks(table: CompiledTable, { name, storage, wide }: PhysicalColumn): string[] {
  if (table.consistency === 'eventual') return []
  if (storage === 'REAL') return [`${name} > -9e999 AND ${name} < 9e999`]
  if (storage !== 'INTEGER' || wide) return []
  return [`${name} BETWEEN ${Number.MIN_SAFE_INTEGER} AND ${Number.MAX_SAFE_INTEGER}`]
}

function literalSql(column: PhysicalColumn, value: Exclude<SqlValue, null>): string {
  if (value instanceof Uint8Array) return `x'${toHex(value)}'`
  if (typeof value === 'string') return `'${value.replaceAll("'", "''")}'`
  return column.storage === 'REAL' ? realToJson(Number(value)) : String(value)
}

/**
 * Triggers that write the outbox in the transaction of the change. REPLACE is never used on these
 * tables: its implicit delete fires no trigger.
 */
export function captureTriggers(table: CompiledTable): string[] {
  const image = { old: imageSql(table, 'old'), new: imageSql(table, 'new') }
  const outbox = hasLocalReads(table) ? '_unstable_outbox' : '_outbox'
  const trigger = (op: (typeof CHANGE_OPS)[number], row: 'old' | 'new'): string => {
    const before = op === 'insert' ? 'NULL' : image.old
    const after = op === 'delete' ? 'NULL' : image.new
    return `CREATE TRIGGER IF NOT EXISTS ${table.physicalName}_${op} AFTER ${op.toUpperCase()} ON ${table.physicalName}
      WHEN (SELECT capture FROM _tx) = 1
      BEGIN
        INSERT INTO ${outbox} (origin_source, origin_epoch, origin_seq, tx, hlc, schema_version, cause,
          table_id, op, tenant, key, before, after, ver)
        SELECT origin_source, epoch, origin_seq, tx, hlc, schema_version, cause,
          ${table.id}, ${CHANGE_OPS.indexOf(op)}, ${row}.tenant, ${keySql(table, row)}, ${before}, ${after}, ${row}._ver
        FROM _tx;
      END`
  }
  return [trigger('insert', 'new'), trigger('update', 'new'), trigger('delete', 'old')]
}

/** Drops the capture triggers: images change shape when columns are added. */
export function dropCaptureTriggers(table: CompiledTable): string[] {
  return CHANGE_OPS.map((op) => `DROP TRIGGER IF EXISTS ${table.physicalName}_${op}`)
}

/** Creates everything of a schema in an empty store. */
export function createSchema(schema: CompiledSchema): string[] {
  return schema.tables.flatMap(createTable)
}
