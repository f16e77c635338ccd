/** The secondary indexes of a table, led by the tenant but the sweeper's. */
import type { CompiledColumn, CompiledIndex, CompiledTable } from './compiled.ts'

/** An index of a physical table. */
export interface PhysicalIndex {
  readonly table: string
  readonly name: string
  readonly columns: readonly string[]
  readonly unique: boolean
  /** The rows that it holds; null: all. */
  readonly where: string | null
}

/** All of a table's secondary indexes. */
export function tableIndexes(table: CompiledTable): PhysicalIndex[] {
  return [
    ...table.indexes.map((index) => declaredIndex(table, index)),
    ...table.columns.flatMap((column) => blindIndexes(table, column)),
    ...ttlIndexes(table),
  ]
}

/** The index behind an exact lookup of an encrypted column; none for other columns. */
export function blindIndexes(table: CompiledTable, column: CompiledColumn): PhysicalIndex[] {
  return table.physical
    .filter((physical) => physical.kind === 'blind' && physical.columnId === column.id)
    .map(({ name }) => indexOf(table, `_${name}`, ['tenant', name]))
}

/** The index by which expired rows are found, in the order in which they are swept. */
export function ttlIndexes(table: CompiledTable): PhysicalIndex[] {
  if (table.ttl === null) return []
  const name = `c${table.ttl.id}`
  const columns = [name, 'tenant', ...table.primaryKey.map((column) => `c${column.id}`)]
  // Swept rows of eventual tables stay as tombstones, which the sweeper must not walk over.
  const swept = table.consistency === 'eventual' ? ' AND _visible = 1' : ''
  return [{ ...indexOf(table, `_ttl_${name}`, columns), where: `${name} IS NOT NULL${swept}` }]
}

/** A declared index. */
export function declaredIndex(table: CompiledTable, index: CompiledIndex): PhysicalIndex {
  const names = index.columns.map((id) => `c${id}`)
  const suffix = (index.unique ? '_unique_' : '_') + names.join('_')
  return { ...indexOf(table, suffix, ['tenant', ...names]), unique: index.unique }
}

/** The statement that creates an index. */
export function createIndex({ table, name, columns, unique, where }: PhysicalIndex): string {
  const kind = unique ? 'UNIQUE INDEX' : 'INDEX'
  const condition = where === null ? '' : ` WHERE ${where}`
  return `CREATE ${kind} IF NOT EXISTS ${name} ON ${table} (${columns.join(', ')})${condition}`
}

function indexOf(table: CompiledTable, suffix: string, columns: readonly string[]): PhysicalIndex {
  const { physicalName } = table
  return { table: physicalName, name: physicalName + suffix, columns, unique: false, where: null }
}
