/**
 * What a local transaction does to one row: it draws up the delta that other regions get, and
 * shows the row after it. All of a transaction's writes have one stamp, so a later write to a cell
 * replaces the transaction's earlier one instead of joining with it.
 */
import type { RowImage } from '../src/core/change.ts'
import { makeStamp, type Hlc, type Stamp } from '../src/core/hlc.ts'
import type { SqlValue } from '../src/core/values.ts'
import type { CompiledTable, PhysicalColumn } from '../src/schema/compiled.ts'
import { CellWriter } from './cell-writer.ts'
import { merge } from './merge.ts'
import { expiryMs } from './project.ts'
import { EMPTY_ROW, joinVectors, type HlcVector, type RowState, type Swept } from './state.ts'

/** Who writes: one source, at one HLC. */
export interface Author {
  readonly source: string
  readonly hlc: Hlc
  /** `textClientId(source)`. */
  readonly clientId: number
}

/** Edits one row for one transaction. */
export class RowEditor {
  readonly #table: CompiledTable
  readonly #author: Author
  readonly #stamp: Stamp
  readonly #before: RowState
  #cells: CellWriter
  #life: number
  #born: Stamp | null = null
  #deleted: Stamp | null = null
  #observed: HlcVector = new Map()
  #swept: Swept | null = null
  /** Whether texts were edited as they are in the row, so that they need no merging. */
  #editsText = true
  #merged: RowState | undefined

  constructor(table: CompiledTable, before: RowState, author: Author) {
    this.#table = table
    this.#author = author
    this.#stamp = makeStamp(author.hlc, author.source)
    this.#before = before
    this.#life = before.life
    this.#cells = new CellWriter(table, before, author)
  }

  /** The row as the transaction sees it. */
  get row(): RowState {
    this.#merged ??= this.#merge()
    return this.#merged
  }

  /** Whether anything was written. */
  get isDirty(): boolean {
    const { registers, counters, sets, texts } = this.delta()
    if (this.#life !== this.#before.life || this.#deleted !== null || this.#swept !== null)
      return true
    return registers.size + counters.size + sets.size + texts.size > 0
  }

  /** What changed, for merging anywhere. */
  delta(): RowState {
    const cells = this.#deletedForGood ? EMPTY_ROW : this.#cells.delta()
    return {
      ...cells,
      life: this.#life,
      born: this.#born,
      deleted: this.#deleted,
      observed: this.#observed,
      seen: new Map([[this.#author.source, this.#author.hlc]]),
      swept: this.#swept,
    }
  }

  /** Inserts over a row that is not live: begins its next life unless its first insert is due. */
  insert(image: RowImage): void {
    const { row } = this
    const ended = row.born !== null || row.deleted !== null
    if (row.life > 0 && ended) this.#observed = joinVectors(row.observed, row.seen)
    this.#life = ended ? row.life + 1 : Math.max(row.life, 1)
    this.#born = this.#stamp
    this.#deleted = null
    this.#swept = null
    // What other sources wrote to a row whose insert is not in yet is concurrent to this one.
    this.#cells = new CellWriter(this.#table, EMPTY_ROW, this.#author)
    this.#editsText = ended || row.texts.size === 0
    this.#writeImage(image)
  }

  /** Replaces the cells of a live row by those of the image. */
  replace(image: RowImage): void {
    this.#writeImage(image)
  }

  /** One cell's operation on a live row. `index`: the physical column's in the row image. */
  apply(index: number, op: Parameters<CellWriter['apply']>[1]): void {
    this.#cells.apply(index, op)
    this.#merged = undefined
  }

  /** Deletes the row with everything that is known of it here. */
  delete(): void {
    const { row } = this
    this.#observed = joinVectors(row.observed, row.seen)
    this.#deleted = this.#stamp
    this.#merged = undefined
  }

  /** Ends an expired row. An extension that this region does not know of yet undoes it. */
  expire(): void {
    const untilMs = expiryMs(this.#table, this.row)
    if (untilMs !== null) this.#swept = { untilMs, stamp: this.#stamp }
    this.#merged = undefined
  }

  /** Whether the transaction deleted the row in a table where deletes win. */
  get #deletedForGood(): boolean {
    return this.#deleted !== null && this.#table.onConcurrentDelete === 'deleteWins'
  }

  #merge(): RowState {
    const policy = this.#table.onConcurrentDelete
    const delta = this.delta()
    if (this.#deletedForGood || !this.#editsText) return merge(this.#before, delta, policy)
    return this.#cells.withTexts(merge(this.#before, { ...delta, texts: EMPTY_ROW.texts }, policy))
  }

  #writeImage(image: RowImage): void {
    this.#table.physical.forEach((physical: PhysicalColumn, index) => {
      const column = this.#table.columnById.get(physical.columnId)
      if (column?.primaryKey === true) return
      // An image of an older schema is shorter: what it lacks has the column's default.
      const missing = physical.kind === 'value' ? (column?.default ?? null) : null
      const value: SqlValue = index < image.length ? (image[index] as SqlValue) : missing
      this.#cells.apply(index, { kind: 'set', value })
    })
    this.#merged = undefined
  }
}
