/** The wide table of each mode behind one face. */
import type {
  Call,
  Comparison,
  Page,
  ReadOptions,
  TransactionOptions,
  WriteOptions,
} from '../../../src/client/index.ts'
import type { CellMode } from '../../measure/cell.ts'
import type { BenchDatabase } from '../schema.ts'
import type { FieldName, WideRow } from './records.ts'

/** New values of fields. */
export type FieldChanges = Partial<Record<FieldName, string>>

/** What the workloads do with a wide table. */
export interface WideTable {
  get(id: string, options?: ReadOptions): Call<WideRow | undefined>
  list(options?: WideList): Call<Page<WideRow>>
  insert(row: WideRow, options?: WriteOptions): Call<void>
  insertMany(rows: readonly WideRow[], options?: WriteOptions): Call<void>
  update(id: string, changes: FieldChanges, options?: WriteOptions): Call<WideRow>
}

/** A list by ids. */
export interface WideList extends ReadOptions {
  readonly where?: { readonly id: Comparison<string> }
  readonly limit?: number
  readonly cursor?: string
}

/** What a transaction does with a wide table. */
export interface WideTransaction {
  get(id: string): Promise<WideRow | undefined>
  update(id: string, changes: FieldChanges): void
}

/** The table of a mode; strong rows are global and belong to no tenant. */
export function wideTable(db: BenchDatabase, mode: CellMode, tenant: string): WideTable {
  switch (mode) {
    case 'strong':
      return db.strongWide
    case 'pinned':
      return db.tenant(tenant).pinnedWide
    case 'eventual':
      return db.tenant(tenant).eventualWide
  }
}

/** Runs a transaction over the table of a mode. Of eventual rows it holds within its region. */
export function transactWide<R>(
  db: BenchDatabase,
  mode: CellMode,
  tenant: string,
  fn: (table: WideTransaction) => Promise<R>,
  options: TransactionOptions,
): Call<R> {
  switch (mode) {
    case 'strong':
      return db.transaction('strong', (tx) => fn(tx.strongWide), options)
    case 'pinned':
      return db.tenant(tenant).transaction('pinned', (tx) => fn(tx.pinnedWide), options)
    case 'eventual':
      return db.tenant(tenant).transaction('eventual', (tx) => fn(tx.eventualWide), options)
  }
}
