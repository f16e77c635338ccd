/**
 * The rows that a transaction has read, and what of each its commit depends on: the whole row, by
 * its version, or columns of it, by their values. Whatever the transaction asks of a row, it is
 * answered from the one image that was read first: what it sees of a row is of one moment.
 */
import type { RowImage } from '../core/change.ts'
import { sameValue, type SqlValue } from '../core/values.ts'
import type { CompiledTable } from '../schema/compiled.ts'
import { encodeKey } from '../schema/image.ts'
import { columnDigest } from '../session/column-digest.ts'
import type { ReadSet } from './transaction-conflicts.ts'

/** A row as it was read. */
export interface ReadRow {
  /** Null: it was absent. */
  readonly version: string | null
  /** Decrypted; undefined: it was absent. */
  readonly image: RowImage | undefined
  /** As it is stored, encrypted cells too: what regions compare. */
  readonly stored: RowImage | undefined
}

/** Columns of a row by their places in images; `all`: its version. */
export type ReadColumns = readonly number[] | 'all'

interface SeenRow extends ReadRow {
  /** What the commit compares; nothing yet: no column. */
  columns: ReadColumns
  /** Where among the reads; undefined: nowhere yet, or a range has it. */
  place: number | undefined
}

export class SeenRows {
  readonly #reads: ReadSet
  readonly #rows = new Map<string, SeenRow>()

  /** `reads`: what the commit compares. */
  constructor(reads: ReadSet) {
    this.#reads = reads
  }

  has(table: CompiledTable, key: readonly SqlValue[]): boolean {
    return this.#rows.has(seenId(table, key))
  }

  /** The row decrypted, as it was read; undefined: it was absent, or not read. */
  image(table: CompiledTable, key: readonly SqlValue[]): RowImage | undefined {
    return this.#rows.get(seenId(table, key))?.image
  }

  /** A row was read by its key. Until `depend`, nothing depends on it. */
  fetched(table: CompiledTable, key: readonly SqlValue[], row: ReadRow): void {
    this.#rows.set(seenId(table, key), { ...row, columns: [], place: undefined })
  }

  /** The commit compares these columns of a row that was read, besides those that it did before. */
  depend(table: CompiledTable, key: readonly SqlValue[], columns: ReadColumns): void {
    const row = this.#rows.get(seenId(table, key))
    if (row === undefined || row.columns === 'all') return
    const { version, stored } = row
    if (columns === 'all' || stored === undefined) {
      row.columns = 'all'
      row.place = this.#reads.put({ table: table.id, key, version }, row.place)
      return
    }
    const all = [...new Set([...row.columns, ...columns])].toSorted((a, b) => a - b)
    if (row.place !== undefined && all.length === row.columns.length) return
    row.columns = all
    const digest = columnDigest(table, all, stored)
    row.place = this.#reads.put({ table: table.id, key, columns: all, digest }, row.place)
  }

  /**
   * Whether a row that a range has now can be what was read of it before. Two reads that cannot
   * both hold: the commit would say so, but `fn` need not go on.
   */
  agrees(table: CompiledTable, key: readonly SqlValue[], now: ReadRow): boolean {
    const seen = this.#rows.get(seenId(table, key))
    if (seen === undefined || seen.version === now.version) return true
    if (seen.columns === 'all' || seen.stored === undefined || now.stored === undefined)
      return false
    const { columns } = seen
    return columnDigest(table, columns, seen.stored) === columnDigest(table, columns, now.stored)
  }

  /** A range has the row, whose guard compares its version. */
  listed(table: CompiledTable, key: readonly SqlValue[], row: ReadRow): void {
    this.#rows.set(seenId(table, key), { ...row, columns: 'all', place: undefined })
  }

  /** The place among the reads of one of this row; undefined: there is none. */
  placeOf(table: CompiledTable, key: readonly SqlValue[]): number | undefined {
    const place = this.#reads.checks.findIndex(
      (check) =>
        check.table === table.id &&
        'key' in check &&
        check.key.every((value, i) => sameValue(value, key[i] ?? null)),
    )
    return place === -1 ? undefined : place
  }
}

function seenId(table: CompiledTable, key: readonly SqlValue[]): string {
  return `${table.id}:${encodeKey(table, key)}`
}
