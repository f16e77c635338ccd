/** What reads and writes touch, as far as marks and dirty rows must know it. */

/** A row. `key` sorts as the table's primary key does. */
export interface RowKey {
  readonly table: number
  readonly key: string
}

/**
 * Rows of a table between two keys, both inclusive; null: no bound. A read through another index or
 * by a predicate touches the whole table: rows could move in.
 */
export interface ReadScope {
  readonly table: number
  readonly from: string | null
  readonly to: string | null
}

/** The scope of one row. */
export function pointScope({ table, key }: RowKey): ReadScope {
  return { table, from: key, to: key }
}

/** The scope of a whole table. */
export function tableScope(table: number): ReadScope {
  return { table, from: null, to: null }
}

/** Numbers of rows, found by scope. */
export class RowIndex {
  readonly #tables = new Map<number, Map<string, number>>()

  get({ table, key }: RowKey): number | undefined {
    return this.#tables.get(table)?.get(key)
  }

  set({ table, key }: RowKey, value: number): void {
    let rows = this.#tables.get(table)
    if (rows === undefined) this.#tables.set(table, (rows = new Map()))
    rows.set(key, value)
  }

  delete({ table, key }: RowKey): void {
    const rows = this.#tables.get(table)
    if (rows?.delete(key) === true && rows.size === 0) this.#tables.delete(table)
  }

  /** The largest number of a row in the scope; 0 where there is none. */
  largestIn({ table, from, to }: ReadScope): number {
    const rows = this.#tables.get(table)
    if (rows === undefined) return 0
    if (from !== null && from === to) return rows.get(from) ?? 0
    let largest = 0
    for (const [key, value] of rows) {
      if ((from === null || key >= from) && (to === null || key <= to)) {
        largest = Math.max(largest, value)
      }
    }
    return largest
  }
}
