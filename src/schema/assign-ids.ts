/** Gives every table, column and view of a schema its id: the lock's, or the next free one. */
import type { Schema, Table } from './define.ts'
import type { SchemaLock, TableLock } from './lock.ts'

const NEW_TABLE: TableLock = { id: 0, nextColumnId: 1, columns: {}, renamed: {}, retired: [] }

/** The lock that holds all names of the schema; its version and fingerprint are still the old. */
export function assignIds(schema: Schema, lock: SchemaLock): SchemaLock {
  let { nextTableId, nextViewId } = lock
  const tables: Record<string, TableLock> = {}
  for (const [name, table] of Object.entries(schema.tables)) {
    const known = find(lock.tables, name, table.renamedFrom)
    tables[name] = assignColumns(table, known ?? { ...NEW_TABLE, id: nextTableId++ })
  }
  const views: Record<string, number> = {}
  for (const name of Object.keys(schema.views)) {
    views[name] = find(lock.views, name, null) ?? nextViewId++
  }
  const tableIds = mapValues(tables, (table) => table.id)
  const lockedIds = mapValues(lock.tables, (table) => table.id)
  return {
    ...lock,
    nextTableId,
    nextViewId,
    tables,
    views,
    renamed: rename(lock.renamed, lockedIds, tableIds),
    retired: {
      tables: retire(lock.retired.tables, lockedIds, tableIds),
      views: retire(lock.retired.views, lock.views, views),
    },
  }
}

function assignColumns(table: Table, known: TableLock): TableLock {
  let { nextColumnId } = known
  const columns: Record<string, number> = {}
  for (const [name, column] of Object.entries(table.columns)) {
    const id = find(known.columns, name, column.definition.renamedFrom)
    columns[name] = id ?? nextColumnId++
  }
  return {
    id: known.id,
    nextColumnId,
    columns,
    renamed: rename(known.renamed, known.columns, columns),
    retired: retire(known.retired, known.columns, columns),
  }
}

/** What the lock has under the name, or under the name that it had before. */
function find<T>(
  locked: Readonly<Record<string, T>>,
  name: string,
  renamedFrom: string | null,
): T | undefined {
  if (Object.hasOwn(locked, name)) return locked[name]
  if (renamedFrom !== null && Object.hasOwn(locked, renamedFrom)) return locked[renamedFrom]
  return undefined
}

type IdByName = Readonly<Record<string, number>>

/** Former names, with those that ids have given up now. */
function rename(renamed: IdByName, before: IdByName, now: IdByName): IdByName {
  const kept = new Set(Object.values(now))
  const given = Object.entries(before).filter(([name, id]) => now[name] !== id && kept.has(id))
  return { ...renamed, ...Object.fromEntries(given) }
}

function retire(retired: readonly number[], before: IdByName, now: IdByName): readonly number[] {
  const kept = new Set(Object.values(now))
  return [...retired, ...Object.values(before).filter((id) => !kept.has(id))]
}

function mapValues<V, R>(record: Readonly<Record<string, V>>, map: (v: V) => R): Record<string, R> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value)]))
}
