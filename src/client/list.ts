/** Lists as users ask for them, turned into predicates, orders and cursors over physical columns. */
import { MeridianError } from '../core/errors.ts'
import { DEFAULT_PAGE_ROWS, MAX_PAGE_ROWS } from '../core/limits.ts'
import type { SqlValue } from '../core/values.ts'
import { isSqlValue } from '../protocol/check-messages.ts'
import { decodeValue, encodeValue } from '../protocol/codec.ts'
import type { CompiledColumn, CompiledTable } from '../schema/compiled.ts'
import { toStored } from '../schema/convert.ts'
import { columnNamed } from '../schema/rows.ts'
import type { ListOrder, ListPredicate } from '../core/list-query.ts'
import { fromBase64Url, toBase64Url } from '../session/base64-url.ts'

/** Comparisons of one column; all must hold. `null` equals itself, and is in no order. */
export interface Comparison<V> {
  readonly eq?: V
  readonly ne?: V
  readonly lt?: NonNullable<V>
  readonly lte?: NonNullable<V>
  readonly gt?: NonNullable<V>
  readonly gte?: NonNullable<V>
  readonly in?: readonly V[]
}

/** What a list asks for, untyped. */
export interface ListSpec {
  readonly where?: Readonly<Record<string, unknown>>
  readonly orderBy?: Readonly<Record<string, 'asc' | 'desc'>>
  readonly limit?: number
  readonly cursor?: string
}

/** An exact match on an encrypted column: its blind index is asked, the plaintext rechecked. */
export interface EncryptedMatch {
  readonly column: CompiledColumn
  readonly plaintext: SqlValue
}

/** A list, ready but for the blind indexes. */
export interface PreparedList {
  readonly where: readonly ListPredicate[]
  readonly matches: readonly EncryptedMatch[]
  readonly orderBy: readonly ListOrder[]
  readonly limit: number
  readonly after: readonly SqlValue[] | null
}

const OPERATORS = {
  eq: '=',
  ne: '!=',
  lt: '<',
  lte: '<=',
  gt: '>',
  gte: '>=',
  in: 'in',
} as const

/** Checks and converts. @throws MeridianError `UNKNOWN_COLUMN`, `INVALID_VALUE`, `INVALID_ARGUMENT` */
export function prepareList(table: CompiledTable, spec: ListSpec): PreparedList {
  const where: ListPredicate[] = []
  const matches: EncryptedMatch[] = []
  for (const [name, condition] of Object.entries(spec.where ?? {})) {
    const column = columnNamed(table, name)
    for (const [operator, value] of comparisons(condition)) {
      if (column.encrypted === null) where.push(predicate(table, column, operator, value))
      else matches.push(encryptedMatch(table, column, operator, value))
    }
  }
  const orderBy = Object.entries(spec.orderBy ?? {}).map(([name, direction]) =>
    orderOf(table, name, direction),
  )
  const limit = spec.limit ?? DEFAULT_PAGE_ROWS
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_PAGE_ROWS) {
    throw new MeridianError('INVALID_ARGUMENT', `The limit ${limit} is out of range.`, {
      fix: `Give 1 to ${MAX_PAGE_ROWS}; use the cursor for more.`,
    })
  }
  const after = spec.cursor === undefined ? null : readCursor(table, orderBy, spec.cursor)
  return { where, matches, orderBy, limit, after }
}

/** Writes the cursor behind a row: the values of the order's columns, then of the key. */
export function writeCursor(
  table: CompiledTable,
  orderBy: readonly ListOrder[],
  values: readonly SqlValue[],
): string {
  return toBase64Url(encodeValue([table.id, orderMark(orderBy), values]))
}

function orderOf(table: CompiledTable, name: string, direction: unknown): ListOrder {
  const column = columnNamed(table, name)
  if (column.encrypted !== null) throw encryptedRefused(table, column)
  if (direction !== 'asc' && direction !== 'desc') {
    throw new MeridianError('INVALID_ARGUMENT', `\`orderBy.${name}\` is not a direction.`, {
      fix: "Give 'asc' or 'desc'.",
    })
  }
  return { column: valueIndex(table, column), descending: direction === 'desc' }
}

function valueIndex(table: CompiledTable, column: CompiledColumn): number {
  return table.valueIndex.get(column.id) as number
}

/** Tells orders apart: behind a row means another thing in another order. */
function orderMark(orderBy: readonly ListOrder[]): string {
  return orderBy.map(({ column, descending }) => `${descending ? '-' : '+'}${column}`).join('')
}

function readCursor(
  table: CompiledTable,
  orderBy: readonly ListOrder[],
  cursor: unknown,
): readonly SqlValue[] {
  const bytes = typeof cursor === 'string' ? fromBase64Url(cursor) : undefined
  if (bytes !== undefined) {
    const [tableId, mark, values] = decodeCursor(bytes)
    const width = orderBy.length + table.primaryKey.length
    const fits = tableId === table.id && mark === orderMark(orderBy)
    if (fits && Array.isArray(values) && values.length === width && values.every(isSqlValue)) {
      return values
    }
  }
  throw new MeridianError('INVALID_ARGUMENT', 'The cursor is not one of this list.', {
    fix: 'Pass the `cursor` of a page of the same table in the same order.',
    details: { table: table.name },
  })
}

function decodeCursor(bytes: Uint8Array): readonly unknown[] {
  try {
    const value = decodeValue(bytes)
    return Array.isArray(value) ? value : []
  } catch {
    return []
  }
}

function comparisons(condition: unknown): [keyof typeof OPERATORS, unknown][] {
  if (!isPlainObject(condition)) return [['eq', condition]]
  const entries = Object.entries(condition)
  for (const [operator] of entries) {
    if (Object.hasOwn(OPERATORS, operator)) continue
    throw new MeridianError('INVALID_ARGUMENT', `There is no comparison \`${operator}\`.`, {
      fix: `Use one of: ${Object.keys(OPERATORS).join(', ')}.`,
    })
  }
  return entries as [keyof typeof OPERATORS, unknown][]
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
  )
}

function predicate(
  table: CompiledTable,
  column: CompiledColumn,
  operator: keyof typeof OPERATORS,
  value: unknown,
): ListPredicate {
  if (['json', 'blob', 'set', 'collaborativeText'].includes(column.type)) {
    throw new MeridianError(
      'INVALID_ARGUMENT',
      `A ${column.type} column such as \`${table.name}.${column.name}\` cannot be compared.`,
      { fix: 'Use `query()` with SQL functions, or compare another column.' },
    )
  }
  const nullable = { ...column, optional: true }
  const given = operator === 'in' ? value : [value]
  if (!Array.isArray(given)) {
    throw new MeridianError('INVALID_ARGUMENT', `\`${column.name}\`: \`in\` takes a list.`, {
      fix: 'Give an array of values.',
    })
  }
  const values = given.map((v) => toStored(table, nullable, v))
  return { column: valueIndex(table, column), op: OPERATORS[operator], values }
}

function encryptedMatch(
  table: CompiledTable,
  column: CompiledColumn,
  operator: keyof typeof OPERATORS,
  value: unknown,
): EncryptedMatch {
  if (operator === 'eq' && column.encrypted?.lookup === 'exact' && value !== null) {
    return { column, plaintext: toStored(table, column, value) }
  }
  throw encryptedRefused(table, column)
}

function encryptedRefused(table: CompiledTable, column: CompiledColumn): MeridianError {
  const exact = column.encrypted?.lookup === 'exact'
  return new MeridianError(
    'INVALID_ARGUMENT',
    `The encrypted column \`${table.name}.${column.name}\` cannot be compared or ordered like that.`,
    {
      fix: exact
        ? 'It can be found by the exact value alone.'
        : "Declare it `.encrypted({ lookup: 'exact' })` to find rows by the exact value.",
    },
  )
}
