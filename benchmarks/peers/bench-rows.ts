/** The rows that calls to databases are about. */

/** Rows of each region: calls of two regions are never about the same one. */
export const ROWS = 1_000

/** Of each row's value. */
export const VALUE_BYTES = 100

/** The key of the row that call `index` of a region is about. */
export function rowId(region: string, index: number): string {
  return `${region}/${index % ROWS}`
}

/** A value of constant length, another at every call. */
export function valueOf(index: number): string {
  return `${index}`.padStart(VALUE_BYTES, 'v')
}
