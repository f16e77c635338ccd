/**
 * Ranges of a table, evaluated on row images. Gives what `src/sql/select.ts` has SQL give, for
 * values that `normalizeRange` has passed: SQL would convert others before it compares them.
 */
import type { RowImage } from '../core/change.ts'
import type { ListOrder, ListPredicate, ListQuery } from '../core/list-query.ts'
import {
  MAX_GUARD_CONDITIONS,
  MAX_GUARD_ORDER,
  MAX_GUARD_VALUES,
  MAX_GUARDED_ROWS,
} from '../core/limits.ts'
import { sameValue, type SqlValue } from '../core/values.ts'
import type { CompiledTable, PhysicalColumn } from './compiled.ts'
import { compareStored, conditionHolds } from './evaluate.ts'
import { factsOf, normalizeValue } from './table-facts.ts'

/** The order of a range as a whole: the primary key breaks ties, in the last direction named. */
export function rangeOrder(table: CompiledTable, orderBy: readonly ListOrder[]): ListOrder[] {
  const descending = orderBy.at(-1)?.descending ?? false
  return [...orderBy, ...factsOf(table).key.map((column) => ({ column, descending }))]
}

/** A row's values of the order's columns. */
export function orderValues(order: readonly ListOrder[], image: RowImage): SqlValue[] {
  return order.map(({ column }) => image[column] ?? null)
}

/** Compares two rows by their `orderValues`: negative where `a` comes first. */
export function compareInOrder(
  order: readonly ListOrder[],
  a: readonly SqlValue[],
  b: readonly SqlValue[],
): number {
  for (const [i, { descending }] of order.entries()) {
    const compared = compareStored(a[i] ?? null, b[i] ?? null)
    if (compared !== 0) return descending ? -compared : compared
  }
  return 0
}

/** Whether a row meets all predicates. */
export function meetsAll(image: RowImage, where: readonly ListPredicate[]): boolean {
  return where.every((predicate) => meets(image[predicate.column] ?? null, predicate))
}

function meets(cell: SqlValue, { column, op, values }: ListPredicate): boolean {
  if (op === 'in') return values.some((value) => sameValue(cell, value))
  return conditionHolds(cell, { column, op, value: values[0] ?? null })
}

/**
 * The range with its values as columns hold them; `undefined` where it is not one of this table (a
 * column that it does not have, or a value that cannot stand in that column), or more than every
 * region may be asked to evaluate: a statement that a store refuses would stop the log.
 */
export function normalizeRange(table: CompiledTable, range: ListQuery): ListQuery | undefined {
  const { limit } = range
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_GUARDED_ROWS) return undefined
  const values = range.where.reduce((sum, predicate) => sum + predicate.values.length, 0)
  if (range.where.length > MAX_GUARD_CONDITIONS || values > MAX_GUARD_VALUES) return undefined
  if (range.orderBy.length > MAX_GUARD_ORDER) return undefined
  const where: ListPredicate[] = []
  for (const predicate of range.where) {
    const { column, op } = predicate
    const values = normalizeValues(
      predicate.values.map(() => column),
      predicate.values,
      table,
    )
    if (values === undefined) return undefined
    where.push({ column, op, values })
  }
  const order = rangeOrder(table, range.orderBy)
  if (order.some(({ column }) => table.physical[column] === undefined)) return undefined
  if (range.after === null) return { ...range, where }
  if (range.after.length !== order.length) return undefined
  const columns = order.map(({ column }) => column)
  const after = normalizeValues(columns, range.after, table)
  return after === undefined ? undefined : { ...range, where, after }
}

function normalizeValues(
  columns: readonly number[],
  values: readonly SqlValue[],
  table: CompiledTable,
): SqlValue[] | undefined {
  const normal: SqlValue[] = []
  for (const [i, value] of values.entries()) {
    const column: PhysicalColumn | undefined = table.physical[columns[i] as number]
    if (column === undefined) return undefined
    // NULL is a value to ask for, whether or not the column may hold it.
    const stored = value === null ? null : normalizeValue(column, value)
    if (stored === undefined) return undefined
    normal.push(stored)
  }
  return normal
}

/** Whether these are columns of the table by their places in images, each once, ascending. */
export function isColumnList(table: CompiledTable, columns: readonly number[]): boolean {
  return columns.every(
    (at, i) => table.physical[at] !== undefined && (i === 0 || at > (columns[i - 1] as number)),
  )
}
