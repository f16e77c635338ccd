/** What a store says of its own schema: the row `schema` of `_meta`. */
import * as z from 'zod'
import { MeridianError } from '../core/errors.ts'
import type { CompiledColumn, CompiledSchema, CompiledTable } from './compiled.ts'
import { hasLocalReads } from './log-group-names.ts'

const id = z.int().min(1)
const columnForm = z.object({
  id,
  name: z.string(),
  formerNames: z.array(z.string()),
  type: z.string(),
  /** Whether it may be NULL. */
  optional: z.boolean(),
  /** Whether rows of writers that do not know the column can do without it. */
  omittable: z.boolean(),
  encrypted: z.enum(['none', 'exact']).nullable(),
})
const tableForm = z.object({
  id,
  name: z.string(),
  formerNames: z.array(z.string()),
  consistency: z.string(),
  scope: z.string(),
  /** Where strong reads are answered, if not by the log. */
  reads: z.literal('local').optional(),
  onConcurrentDelete: z.string(),
  primaryKey: z.array(id),
  ttl: id.nullable(),
  indexes: z.array(z.object({ columns: z.array(id), unique: z.boolean() })),
  columns: z.array(columnForm),
})
const schemaForm = z.object({ version: id, tables: z.array(tableForm) })

/** A column of a store. */
export interface StoredColumn {
  readonly id: number
  readonly name: string
  readonly formerNames: string[]
  readonly type: string
  readonly optional: boolean
  readonly omittable: boolean
  readonly encrypted: 'none' | 'exact' | null
}

/** A table of a store. */
export interface StoredTable {
  readonly id: number
  readonly name: string
  readonly formerNames: string[]
  readonly consistency: string
  readonly scope: string
  readonly reads?: 'local' | undefined
  readonly onConcurrentDelete: string
  readonly primaryKey: number[]
  readonly ttl: number | null
  readonly indexes: { readonly columns: number[]; readonly unique: boolean }[]
  readonly columns: StoredColumn[]
}

/** The tables of a store, as far as they decide whether a schema fits. */
export interface StoredSchema {
  readonly version: number
  readonly tables: StoredTable[]
}

/** What a store created from this schema says of itself. */
export function describeSchema(compiled: CompiledSchema): StoredSchema {
  return { version: compiled.version, tables: compiled.tables.map(describeTable) }
}

/** The description after a migration: what this schema does not know stays in the store. */
export function mergeSchema(stored: StoredSchema, compiled: CompiledSchema): StoredSchema {
  const described = describeSchema(compiled)
  const unknown = stored.tables.filter((table) => !compiled.tableById.has(table.id))
  return { ...described, tables: [...described.tables.map(mergeTable), ...unknown] }

  function mergeTable(table: StoredTable): StoredTable {
    const before = stored.tables.find((other) => other.id === table.id)
    const known = compiled.tableById.get(table.id)?.columnById
    const columns = before?.columns.filter((column) => known?.has(column.id) !== true) ?? []
    return { ...table, columns: [...table.columns, ...columns] }
  }
}

/** One table of it. */
export function describeTable(table: CompiledTable): StoredTable {
  return {
    id: table.id,
    name: table.name,
    formerNames: [...table.formerNames],
    consistency: table.consistency,
    scope: table.scope,
    ...(hasLocalReads(table) ? { reads: 'local' } : {}),
    onConcurrentDelete: table.onConcurrentDelete,
    primaryKey: table.primaryKey.map((column) => column.id),
    ttl: table.ttl?.id ?? null,
    indexes: table.indexes.map(({ columns, unique }) => ({ columns: [...columns], unique })),
    columns: table.columns.map(describeColumn),
  }
}

function describeColumn(column: CompiledColumn): StoredColumn {
  return {
    id: column.id,
    name: column.name,
    formerNames: [...column.formerNames],
    type: column.type,
    optional: column.optional,
    omittable: isOmittable(column),
    encrypted: column.encrypted?.lookup ?? null,
  }
}

/** Whether a row can be stored without the column: NULL or a default stands in. */
export function isOmittable(column: CompiledColumn): boolean {
  // A default of an encrypted column exists in clients that know the column, and nowhere else.
  return column.optional || (column.default !== undefined && column.encrypted === null)
}

/** Reads the description of a store. @throws MeridianError `STORE_CORRUPT` */
export function parseStoredSchema(text: string): StoredSchema {
  try {
    return schemaForm.parse(JSON.parse(text))
  } catch (error) {
    throw new MeridianError('STORE_CORRUPT', 'The store does not say what its schema is.', {
      fix: 'Restore the store, or let it be made again from another region.',
      cause: error,
    })
  }
}
