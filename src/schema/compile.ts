/** Compiles a declared schema against its lock: names become ids, values their stored form. */
import type { ColumnDefinition } from './columns.ts'
import type {
  ColumnType,
  CompiledColumn,
  CompiledIndex,
  CompiledSchema,
  CompiledTable,
  EncryptedCell,
  PhysicalColumn,
  StorageType,
} from './compiled.ts'
import { compileView } from './compile-view.ts'
import { toStored } from './convert.ts'
import type { Schema, Table } from './define.ts'
import { fingerprint } from './fingerprint.ts'
import { LOCAL_LOG_GROUP, STRONG_LOG_GROUP } from './log-group-names.ts'
import { EMPTY_LOCK, type SchemaLock, type TableLock } from './lock.ts'
import { assignIds } from './assign-ids.ts'

const STORAGE: Readonly<Record<ColumnType, StorageType>> = {
  text: 'TEXT',
  integer: 'INTEGER',
  bigint: 'INTEGER',
  real: 'REAL',
  boolean: 'INTEGER',
  timestamp: 'INTEGER',
  blob: 'BLOB',
  json: 'TEXT',
  counter: 'INTEGER',
  set: 'TEXT',
  collaborativeText: 'TEXT',
}

/** A compiled schema and the lock that goes with it; `lock` differs when the schema changed. */
export interface CompileResult {
  readonly compiled: CompiledSchema
  readonly lock: SchemaLock
}

/**
 * Compiles a schema. Known names keep the ids of `lock`, new ones get the next, renamed ones move
 * theirs; the version rises when anything differs. Without a lock ids follow the declaration.
 */
export function compileSchema(schema: Schema, lock: SchemaLock = EMPTY_LOCK): CompileResult {
  const assigned = assignIds(schema, lock)
  const tables = Object.entries(schema.tables)
    .map(([name, table]) => compileTable(name, table, assigned))
    .sort((a, b) => a.id - b.id)
  const tableByName = new Map(tables.map((table) => [table.name, table]))
  const views = Object.entries(schema.views)
    .map(([name, view]) => {
      const source = tableByName.get(view.definition.source) as CompiledTable
      return compileView(assigned.views[name] as number, name, view.definition, source)
    })
    .sort((a, b) => a.id - b.id)
  const content = fingerprint(tables, views)
  const version = content === lock.fingerprint ? lock.version : lock.version + 1
  const compiled: CompiledSchema = {
    version,
    fingerprint: content,
    tables,
    views,
    tableByName,
    tableById: new Map(tables.map((table) => [table.id, table])),
    viewByName: new Map(views.map((view) => [view.name, view])),
  }
  return { compiled, lock: { ...assigned, version, fingerprint: content } }
}

function compileTable(name: string, table: Table, lock: SchemaLock): CompiledTable {
  const ids = lock.tables[name] as TableLock
  const declared = Object.entries(table.columns).map(([columnName, column]) =>
    compileColumn(name, columnName, column.definition, ids),
  )
  const columns = declared.toSorted((a, b) => a.id - b.id)
  const columnByName = new Map(columns.map((column) => [column.name, column]))
  const physical = columns.flatMap((column) => physicalColumns(table, column))
  const idOf = (column: string): number => (columnByName.get(column) as CompiledColumn).id
  const indexes: CompiledIndex[] = [
    ...columns.filter((c) => c.unique).map((c) => ({ columns: [c.id], unique: true })),
    ...table.indexes.map((index) => ({ columns: index.map(idOf), unique: false })),
  ]
  return {
    id: ids.id,
    name,
    formerNames: namesOf(lock.renamed, ids.id),
    consistency: table.consistency,
    scope: table.scope,
    logGroup: logGroupOf(table),
    onConcurrentDelete: table.onConcurrentDelete,
    physicalName: `t${ids.id}`,
    columns,
    primaryKey: declared.filter((column) => column.primaryKey),
    physical,
    valueIndex: new Map(
      physical.flatMap((p, i): [number, number][] => (p.kind === 'value' ? [[p.columnId, i]] : [])),
    ),
    encrypted: columns.flatMap((column) => encryptedCells(column, physical)),
    indexes,
    ttl: table.ttl === null ? null : (columnByName.get(table.ttl) as CompiledColumn),
    columnByName,
    columnById: new Map(columns.map((column) => [column.id, column])),
  }
}

function logGroupOf({ consistency, reads }: Table): string | null {
  if (consistency !== 'strong') return null
  return reads === 'local' ? LOCAL_LOG_GROUP : STRONG_LOG_GROUP
}

function compileColumn(
  tableName: string,
  name: string,
  definition: ColumnDefinition,
  ids: TableLock,
): CompiledColumn {
  const id = ids.columns[name] as number
  const { type, optional, primaryKey, unique, encrypted } = definition
  return {
    id,
    name,
    formerNames: namesOf(ids.renamed, id),
    type,
    storage: encrypted === null ? STORAGE[type] : 'BLOB',
    optional,
    primaryKey,
    unique,
    encrypted,
    default: defaultOf(tableName, name, definition),
  }
}

function namesOf(renamed: Readonly<Record<string, number>>, id: number): readonly string[] {
  return Object.keys(renamed).filter((name) => renamed[name] === id)
}

/** Merged columns begin empty; everything else begins with what was declared. */
function defaultOf(
  table: string,
  name: string,
  definition: ColumnDefinition,
): CompiledColumn['default'] {
  if (definition.default !== null) {
    return toStored({ name: table }, { ...definition, name }, definition.default.value)
  }
  switch (definition.type) {
    case 'counter':
      return 0
    case 'set':
      return '[]'
    case 'collaborativeText':
      return ''
    default:
      return definition.optional ? null : undefined
  }
}

function physicalColumns(table: Table, column: CompiledColumn): PhysicalColumn[] {
  // A deleted row of an eventual table stays as a tombstone, all of it NULL but its key.
  const nullable = !column.primaryKey && (column.optional || table.consistency === 'eventual')
  const value: PhysicalColumn = {
    name: `c${column.id}`,
    columnId: column.id,
    kind: 'value',
    storage: column.storage,
    wide: column.type === 'bigint' && column.encrypted === null,
    nullable,
  }
  if (column.encrypted?.lookup !== 'exact') return [value]
  return [
    value,
    {
      name: `b${column.id}`,
      columnId: column.id,
      kind: 'blind',
      storage: 'BLOB',
      wide: false,
      nullable,
    },
  ]
}

function encryptedCells(
  column: CompiledColumn,
  physical: readonly PhysicalColumn[],
): EncryptedCell[] {
  if (column.encrypted === null) return []
  const indexOf = (kind: PhysicalColumn['kind']): number =>
    physical.findIndex((p) => p.columnId === column.id && p.kind === kind)
  const blindIndex = indexOf('blind')
  return [
    { column, valueIndex: indexOf('value'), blindIndex: blindIndex === -1 ? null : blindIndex },
  ]
}
