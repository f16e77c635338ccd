/**
 * Rows that were written above the stable index, deleted ones too. The versions of the rows that a
 * read returns do not show what was deleted or moved out of its range, nor why it is empty.
 */
import { RowIndex, type ReadScope, type RowKey } from './read-scope.ts'

export class DirtyRows {
  readonly #rows = new RowIndex()
  /** In index order. */
  #writes: { readonly index: number; readonly keys: readonly RowKey[] }[] = []
  /** Nothing is known of what was written through here: all rows count as written here. */
  readonly #unknownThrough: number

  /** `unknownThrough`: what the store had applied when this process began. */
  constructor(unknownThrough: number) {
    this.#unknownThrough = unknownThrough
  }

  /** To be told *before* the commit: a reader may see the rows as soon as it is done. */
  add(index: number, keys: readonly RowKey[]): void {
    if (keys.length === 0) return
    this.#writes.push({ index, keys })
    for (const key of keys) this.#rows.set(key, index)
  }

  /** The largest index above the stable one that wrote in one of the scopes; 0: none. */
  largestIn(scopes: readonly ReadScope[]): number {
    let largest = this.#unknownThrough
    for (const scope of scopes) largest = Math.max(largest, this.#rows.largestIn(scope))
    return largest
  }

  /** What is stable is not dirty. */
  dropThrough(stableIndex: number): void {
    let count = 0
    for (const { index, keys } of this.#writes) {
      if (index > stableIndex) break
      count += 1
      for (const key of keys) if (this.#rows.get(key) === index) this.#rows.delete(key)
    }
    if (count > 0) this.#writes = this.#writes.slice(count)
  }
}
