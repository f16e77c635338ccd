/** Rows and reads of strong tables as leases name them: marks, dirty rows and scopes. */
import type { WriteOp } from '../../src/core/operations.ts'
import type { SqlValue } from '../../src/core/values.ts'
import type { CompiledSchema, CompiledTable } from '../../src/schema/compiled.ts'
import { factsOf, normalizeKey } from '../../src/schema/table-facts.ts'
import { pointScope, type ReadScope, type RowKey } from './leases/read-scope.ts'
import { idCell } from './row-view.ts'
import type { TransactionCommand } from './transaction-codec.ts'

/** Behind the tenant in a row's key; the next character ends the tenant's scope. */
const SEPARATOR = '\u0000'
const BEHIND_SEPARATOR = '\u0001'

/** A row by its key in the stored form. Rows of a tenant are next to each other. */
export function rowKeyOf(table: CompiledTable, tenant: string, key: readonly SqlValue[]): RowKey {
  return { table: table.id, key: tenant + SEPARATOR + JSON.stringify(key.map(idCell)) }
}

/** The scope of a read by key; that of the tenant's rows where the key is none of the table. */
export function keyScope(
  table: CompiledTable,
  tenant: string,
  key: readonly SqlValue[],
): ReadScope {
  const normal = normalizeKey(table, key)
  if (typeof normal === 'number') return tenantScope(table, tenant)
  return pointScope(rowKeyOf(table, tenant, normal))
}

/** The scope of a read that may find any of a tenant's rows, or miss them. */
export function tenantScope({ id }: CompiledTable, tenant: string): ReadScope {
  return { table: id, from: tenant + SEPARATOR, to: tenant + BEHIND_SEPARATOR }
}

/**
 * The rows that a transaction may write, from its content alone; null where that is not known: a
 * table or a key that this schema does not have.
 */
export function writeSetOf(
  schema: CompiledSchema,
  { tenant, ops }: Pick<TransactionCommand, 'tenant' | 'ops'>,
): readonly RowKey[] | null {
  const rows: RowKey[] = []
  for (const op of ops) {
    const table = schema.tableById.get(op.table)
    if (table === undefined) return null
    for (const key of keysOf(table, op)) {
      const normal = normalizeKey(table, key)
      if (typeof normal === 'number') return null
      rows.push(rowKeyOf(table, tenant, normal))
    }
  }
  return rows
}

function keysOf(table: CompiledTable, op: WriteOp): readonly (readonly SqlValue[])[] {
  if (op.kind === 'update' || op.kind === 'delete') return [op.key]
  const { key } = factsOf(table)
  return op.rows.map((row) => key.map((place) => row[place] ?? null))
}
