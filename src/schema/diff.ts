/**
 * Compares the schema of a store with a compiled one. Ids decide; names are compared so that two
 * schemas that gave one id to different things are not taken for one.
 */
import type { CompiledColumn, CompiledIndex, CompiledSchema, CompiledTable } from './compiled.ts'
import {
  describeTable,
  isOmittable,
  type StoredColumn,
  type StoredSchema,
  type StoredTable,
} from './stored-schema.ts'

/** A change that the store can take while it is in use. */
export type SchemaAddition =
  | { readonly kind: 'table'; readonly table: CompiledTable }
  | { readonly kind: 'column'; readonly table: CompiledTable; readonly column: CompiledColumn }
  | { readonly kind: 'index'; readonly table: CompiledTable; readonly index: CompiledIndex }
  | { readonly kind: 'ttl'; readonly table: CompiledTable }

/** How a store and a schema differ. */
export interface SchemaDiff {
  /** What the store lacks and can be given. */
  readonly additions: readonly SchemaAddition[]
  /** What keeps the schema from working on this store, in words; empty: it works. */
  readonly conflicts: readonly string[]
}

/** Compares a store's schema with a compiled one. */
export function diffSchema(stored: StoredSchema, compiled: CompiledSchema): SchemaDiff {
  return new Comparison(stored, compiled)
}

class Comparison implements SchemaDiff {
  readonly additions: SchemaAddition[] = []
  readonly conflicts: string[] = []
  readonly #storeIsNewer: boolean
  readonly #storeIsOlder: boolean

  constructor(stored: StoredSchema, compiled: CompiledSchema) {
    this.#storeIsNewer = stored.version > compiled.version
    this.#storeIsOlder = stored.version < compiled.version
    const storedById = new Map(stored.tables.map((table) => [table.id, table]))
    const lastStoredId = Math.max(0, ...storedById.keys())
    for (const table of compiled.tables) {
      const there = storedById.get(table.id)
      if (there !== undefined) this.#compareTable(there, table)
      else if (this.#canAdd(`table \`${table.name}\``, table.id, lastStoredId)) {
        this.additions.push({ kind: 'table', table })
      }
    }
    for (const table of stored.tables) {
      if (this.#storeIsOlder && !compiled.tableById.has(table.id)) {
        this.conflicts.push(`table \`${table.name}\` was removed`)
      }
    }
  }

  /** A store whose schema is newer is given nothing; nor is an id that it has passed already. */
  #canAdd(what: string, id: number, lastStoredId: number): boolean {
    if (!this.#storeIsNewer && id > lastStoredId) return true
    this.conflicts.push(`${what} is not in the store, whose schema went another way`)
    return false
  }

  #compareTable(stored: StoredTable, table: CompiledTable): void {
    const wanted = describeTable(table)
    const where = `table \`${table.name}\``
    this.#compareNames(where, stored, table)
    this.#compare(where, '`consistency`', stored.consistency, wanted.consistency)
    this.#compare(where, '`scope`', stored.scope, wanted.scope)
    this.#compare(where, '`reads`', stored.reads ?? 'log', wanted.reads ?? 'log')
    this.#compare(
      where,
      '`onConcurrentDelete`',
      stored.onConcurrentDelete,
      wanted.onConcurrentDelete,
    )
    const [storedKey, key] = [stored.primaryKey.join(), wanted.primaryKey.join()]
    this.#compare(where, 'the primary key (column ids)', storedKey, key)
    this.#compareColumns(stored, table)
    if (stored.ttl === null && wanted.ttl !== null && !this.#storeIsNewer) {
      this.additions.push({ kind: 'ttl', table })
    } else {
      this.#compare(where, '`ttl` (column id)', stored.ttl, wanted.ttl)
    }
    this.#compareIndexes(stored, table)
  }

  #compareColumns(stored: StoredTable, table: CompiledTable): void {
    const storedById = new Map(stored.columns.map((column) => [column.id, column]))
    const lastStoredId = Math.max(...storedById.keys())
    for (const column of table.columns) {
      const where = `column \`${table.name}.${column.name}\``
      const there = storedById.get(column.id)
      if (there !== undefined) this.#compareColumn(where, there, column)
      else if (!this.#canAdd(where, column.id, lastStoredId)) continue
      else if (column.primaryKey || column.unique || !isOmittable(column)) {
        this.conflicts.push(`${where} is new, and is unique or has to be given`)
      } else {
        this.additions.push({ kind: 'column', table, column })
      }
    }
    const lastId = Math.max(...table.columns.map((column) => column.id))
    for (const column of stored.columns) {
      const where = `column \`${table.name}.${column.name}\``
      if (table.columnById.has(column.id)) continue
      // Row images follow ids: columns that this schema does not know must come last in them.
      if (this.#storeIsOlder || column.id < lastId) this.conflicts.push(`${where} was removed`)
      else if (!column.omittable) this.conflicts.push(`${where} of the store has to be given`)
    }
  }

  #compareColumn(where: string, stored: StoredColumn, column: CompiledColumn): void {
    this.#compareNames(where, stored, column)
    this.#compare(where, 'its type', stored.type, column.type)
    this.#compare(where, 'its encryption', stored.encrypted, column.encrypted?.lookup ?? null)
    this.#compare(where, '`optional`', stored.optional, column.optional)
  }

  /** One id, two names: a rename that either side knows of, or two things that share an id. */
  #compareNames(where: string, stored: Named, compiled: Named): void {
    if (stored.name === compiled.name) return
    if (compiled.formerNames.includes(stored.name)) return
    if (stored.formerNames.includes(compiled.name)) return
    this.#compare(where, 'its name in the store', stored.name, compiled.name)
  }

  #compareIndexes(stored: StoredTable, table: CompiledTable): void {
    const there = new Set(stored.indexes.map(indexKey))
    for (const index of table.indexes) {
      if (there.has(indexKey(index))) continue
      if (index.unique) {
        this.conflicts.push(`table \`${table.name}\`: ${inWords(table, index)} is new`)
      } else if (!this.#storeIsNewer) {
        this.additions.push({ kind: 'index', table, index })
      }
    }
    const wanted = new Set(table.indexes.map(indexKey))
    for (const index of stored.indexes) {
      if (!index.unique || wanted.has(indexKey(index))) continue
      this.conflicts.push(`table \`${table.name}\`: ${inWords(table, index)} was removed`)
    }
  }

  #compare(where: string, what: string, stored: unknown, compiled: unknown): void {
    if (stored !== compiled) {
      this.conflicts.push(`${where}: ${what} is ${stored}, not ${compiled}`)
    }
  }
}

interface Named {
  readonly name: string
  readonly formerNames: readonly string[]
}

function indexKey(index: CompiledIndex): string {
  return `${index.unique}:${index.columns.join()}`
}

function inWords(table: CompiledTable, index: CompiledIndex): string {
  const names = index.columns.map((id) => table.columnById.get(id)?.name ?? `column ${id}`)
  return `the ${index.unique ? 'uniqueness' : 'index'} of ${names.join(', ')}`
}

/** An addition in words. */
export function describeAddition(addition: SchemaAddition): string {
  const { table } = addition
  switch (addition.kind) {
    case 'table':
      return `table \`${table.name}\``
    case 'column':
      return `column \`${table.name}.${addition.column.name}\``
    case 'index':
      return `${inWords(table, addition.index)} in \`${table.name}\``
    case 'ttl':
      return `the TTL of \`${table.name}\``
  }
}
