/** Puts many rows into a table in transactions of many rows. */

/** What a load is told. */
export interface LoadOptions {
  /** Rows that are there. */
  readonly from: number
  /** Rows that are to be there. */
  readonly to: number
  readonly batchRows: number
  /** Batches under way at once. */
  readonly atOnce: number
  /** When to give up, on the clock of `performance.now()`. */
  readonly deadlineMs: number
  readonly signal: AbortSignal
  /** Inserts the rows with the numbers from `from` to below `to`, as one transaction. */
  readonly insert: (from: number, to: number) => Promise<unknown>
}

/** Resolves to the number of rows that are there: fewer than wanted where time ran out. */
export async function loadRows(options: LoadOptions): Promise<number> {
  const { to, batchRows, atOnce, deadlineMs, signal, insert } = options
  let next = options.from
  let loaded = options.from
  let failed = false
  const worker = async (): Promise<void> => {
    while (next < to && !failed) {
      if (signal.aborted || performance.now() > deadlineMs) return
      const from = next
      next = Math.min(to, from + batchRows)
      const end = next
      try {
        await insert(from, end)
      } catch (error) {
        failed = true
        throw error
      }
      loaded += end - from
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return loaded
}

/** Room for any number of rows that a benchmark loads, so that keys sort as numbers do. */
const KEY_DIGITS = 8

/** The key of row `n`. */
export function rowKey(n: number): string {
  return `g${String(n).padStart(KEY_DIGITS, '0')}`
}
