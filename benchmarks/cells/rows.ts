/** The rows that cells read and write: known ids, all over the table, in no order. */

/** Rows that are there before the first read, of each table and tenant. */
export const ROWS = 1000

/** Coprime to `ROWS`: consecutive calls touch rows far from each other. */
const STRIDE = 389

/** The id of the n-th row that is read. */
function readId(n: number): string {
  return `read-${n}`
}

/** The row that the i-th read asks for. */
export function anyReadId(index: number): string {
  return readId((index * STRIDE) % ROWS)
}

/**
 * The row that the i-th write from a region replaces: one that is there, so that the first write of
 * a row costs what every later one does. Regions begin at different rows.
 */
export function writtenId(origin: string, index: number): string {
  const first = Array.from(origin).reduce((sum, letter) => sum + 31 * letter.charCodeAt(0), 0)
  return readId((first + index * STRIDE) % ROWS)
}

/** A value of about the size of a small field. */
export function valueOf(index: number): string {
  return `value ${index} of a row that a service might keep`
}

/** The rows that are there before the first read. */
export function rowsToRead(): { id: string; value: string; amount: number }[] {
  return Array.from({ length: ROWS }, (_, n) => ({ id: readId(n), value: valueOf(n), amount: n }))
}
