/** Names of rows in a cache: one text for one row, whatever kind of number its key came as. */
import type { SqlValue } from '../core/values.ts'
import { toHex } from '../core/values.ts'
import type { CompiledColumn, CompiledTable } from '../schema/compiled.ts'

/**
 * The name of a row: table, tenant and key, each with its length, so that no two rows share one.
 * `undefined` for a key that is not of its columns' types: the store converts those in ways of its own.
 */
export function rowKey(
  table: CompiledTable,
  tenant: string,
  key: readonly SqlValue[],
): string | undefined {
  if (key.length !== table.primaryKey.length) return undefined
  let name = `${table.id}/${tenant.length}:${tenant}`
  for (let i = 0; i < key.length; i++) {
    const cell = cellText(table.primaryKey[i] as CompiledColumn, key[i] ?? null)
    if (cell === undefined) return undefined
    name += `/${cell.length}:${cell}`
  }
  return name
}

function cellText(column: CompiledColumn, value: SqlValue): string | undefined {
  switch (column.storage) {
    case 'TEXT':
      // A lone surrogate becomes another character on its way into the store.
      return typeof value === 'string' && isWellFormed(value) ? value : undefined
    case 'BLOB':
      return value instanceof Uint8Array ? toHex(value) : undefined
    case 'INTEGER':
      if (typeof value === 'bigint' && column.type === 'bigint') return String(value)
      // Beyond, a change would not name its row exactly.
      return Number.isSafeInteger(Number(value)) && isInteger(value) ? String(value) : undefined
    case 'REAL':
      return typeof value === 'number' && Number.isFinite(value) ? String(value) : undefined
  }
}

function isInteger(value: SqlValue): boolean {
  return typeof value === 'bigint' || Number.isInteger(value)
}

function isWellFormed(text: string): boolean {
  return !/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/.test(text)
}
