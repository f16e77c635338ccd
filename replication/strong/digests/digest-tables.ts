/** The tables that a digest is of: how their rows are read in key order, page by page. */
import type { Statement, StatementResult } from '../../../src/core/ports/store.ts'
import type { SqlValue } from '../../../src/core/values.ts'
import type { CompiledTable } from '../../../src/schema/compiled.ts'
import { factsOf } from '../../../src/schema/table-facts.ts'
import { rowColumns, hasWideColumns } from '../../../src/sql/select.ts'
import { readRows } from '../row-reads.ts'
import { LEASE_TABLE, type SnapshotTable } from '../snapshot-tables.ts'
import type { HashedRow } from './row-hash.ts'

/** The key of a row: tenant first. */
export type RowKey = readonly SqlValue[]

/** A table of a group. */
export interface DigestTable {
  readonly name: string
  /** Reads the `limit` rows behind a key (null: from the first), in key order. */
  select(after: RowKey | null, limit: number): Statement
  read(result: StatementResult | undefined): readonly HashedRow[]
  keyOf(row: HashedRow): RowKey
}

/** All but the lease table: its entries are made of control records, which no effects tell of. */
export function digestedTables(tables: readonly SnapshotTable[]): readonly SnapshotTable[] {
  return tables.filter(({ name }) => name !== LEASE_TABLE.name)
}

/** The table as digests see it. Its rows are those that `MachineBatch.effects` tells changes of. */
export function digestTable(table: SnapshotTable): DigestTable {
  return table.compiled === undefined ? systemTable(table) : userTable(table, table.compiled)
}

function userTable(table: SnapshotTable, compiled: CompiledTable): DigestTable {
  const { name } = table
  const { key } = factsOf(compiled)
  const columns = `${rowColumns(compiled, 'r')}, r.tenant`
  return {
    name,
    select: (after, limit) => selectPage(table, columns, after, limit, hasWideColumns(compiled)),
    read: (result) => readRows(compiled, result?.rows ?? []),
    keyOf: ({ tenant, image }) => [tenant, ...key.map((place) => image[place] ?? null)],
  }
}

/** Of the directory: the tenant's key, and all other columns as the image. */
function systemTable(table: SnapshotTable): DigestTable {
  const { name, keyWidth } = table
  const columns = table.columns.map((column) => `r.${column.name}`).join(', ')
  return {
    name,
    select: (after, limit) => selectPage(table, columns, after, limit, false),
    read: (result) =>
      (result?.rows ?? []).map(([tenant, ...image]) => ({
        tenant: String(tenant),
        version: '',
        image,
      })),
    keyOf: ({ tenant, image }) => [tenant, ...image.slice(0, keyWidth - 1)],
  }
}

function selectPage(
  { name, columns: all, keyWidth }: SnapshotTable,
  columns: string,
  after: RowKey | null,
  limit: number,
  bigints: boolean,
): Statement {
  const key = all.slice(0, keyWidth).map((column) => `r.${column.name}`)
  const marks = key.map(() => '?').join(', ')
  const behind = after === null ? '' : `WHERE (${key.join(', ')}) > (${marks})`
  return {
    sql: `SELECT ${columns} FROM ${name} r ${behind} ORDER BY ${key.join(', ')} LIMIT ?`,
    args: [...(after ?? []), limit],
    bigints,
  }
}

/** Where one key stands to another in the store's order: below 0, 0, above 0. */
export function compareKeys(one: RowKey, other: RowKey): number {
  for (let i = 0; i < one.length; i++) {
    const order = compareValues(one[i] ?? null, other[i] ?? null)
    if (order !== 0) return order
  }
  return 0
}

/** SQLite's order: NULL, numbers, texts by their bytes, bytes. */
function compareValues(one: SqlValue, other: SqlValue): number {
  const kinds = kindOf(one) - kindOf(other)
  if (kinds !== 0) return kinds
  if (typeof one === 'string') return compareTexts(one, other as string)
  if (one instanceof Uint8Array) return compareBytes(one, other as Uint8Array)
  if (one === null || other === null) return 0
  const [a, b] = [one, other as number | bigint]
  return a < b ? -1 : Number(a > b)
}

function kindOf(value: SqlValue): number {
  if (value === null) return 0
  if (typeof value === 'string') return 2
  return value instanceof Uint8Array ? 3 : 1
}

/** By UTF-8 bytes, which is by code points: surrogates stand behind all else. */
function compareTexts(one: string, other: string): number {
  const length = Math.min(one.length, other.length)
  for (let i = 0; i < length; i++) {
    const a = one.charCodeAt(i)
    const b = other.charCodeAt(i)
    if (a !== b) return isSurrogate(a) === isSurrogate(b) ? a - b : isSurrogate(a) ? 1 : -1
  }
  return one.length - other.length
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff
}

function compareBytes(one: Uint8Array, other: Uint8Array): number {
  const length = Math.min(one.length, other.length)
  for (let i = 0; i < length; i++) {
    const order = (one[i] ?? 0) - (other[i] ?? 0)
    if (order !== 0) return order
  }
  return one.length - other.length
}
