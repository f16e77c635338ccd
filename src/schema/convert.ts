/**
 * Public values to stored values and back, by the column's type. A value that cannot be stored
 * exactly is refused; messages name the column and what it takes, never the value.
 */
import { MeridianError } from '../core/errors.ts'
import { MAX_CELL_BYTES } from '../core/limits.ts'
import { INT64_MAX, INT64_MIN, textProblem, type SqlValue } from '../core/values.ts'
import type { ColumnType } from './compiled.ts'
import { jsonProblem } from './json-value.ts'

/** A column as far as conversion depends on it. */
export interface ConvertibleColumn {
  readonly name: string
  readonly type: ColumnType
  readonly optional: boolean
}

/** A table as far as messages name it. */
export interface NamedTable {
  readonly name: string
}

const EXPECTATION: Readonly<Record<ColumnType, string>> = {
  text: 'a text without NUL characters and lone surrogates',
  integer: 'a whole number within ±(2^53 - 1)',
  bigint: 'a bigint of 64 bits',
  real: 'a finite number',
  boolean: 'a boolean',
  timestamp: 'a valid Date',
  blob: 'a Uint8Array',
  json: 'a value that JSON can hold',
  counter: 'a whole number within ±(2^53 - 1)',
  set: 'an iterable of texts without NUL characters and lone surrogates',
  collaborativeText: 'a text without NUL characters and lone surrogates',
}

/** What a column of this type takes, in words. */
function expectation(column: ConvertibleColumn): string {
  return `${EXPECTATION[column.type]}${column.optional ? ' or null' : ''}`
}

/**
 * The stored form of a public value. Of an encrypted column: its plaintext's.
 *
 * @throws MeridianError `INVALID_VALUE`
 */
export function toStored(table: NamedTable, column: ConvertibleColumn, value: unknown): SqlValue {
  if (value === undefined) throw invalidValue(table, column, 'is undefined')
  if (value === null && column.optional) return null
  // JSON has a null of its own, which a column that is not optional stores as such.
  if (value === null && column.type !== 'json') throw invalidValue(table, column, 'is null')
  return ENCODERS[column.type](value, (problem) => invalidValue(table, column, problem))
}

/** The public form of a stored value. Of an encrypted column: of its decrypted plaintext. */
export function fromStored(column: ConvertibleColumn, stored: SqlValue): unknown {
  if (stored === null) return null
  switch (column.type) {
    case 'boolean':
      return Number(stored) !== 0
    case 'timestamp':
      return new Date(Number(stored))
    case 'bigint':
      return BigInt(stored as number | bigint)
    case 'integer':
    case 'counter':
    case 'real':
      return Number(stored)
    case 'json':
    case 'set':
      return JSON.parse(stored as string)
    case 'text':
    case 'collaborativeText':
    case 'blob':
      return stored
  }
}

/** The stored form of a set: its elements once each, in the order of their UTF-16 code units. */
export function encodeSet(elements: Iterable<string>): string {
  return JSON.stringify([...new Set(elements)].sort())
}

/** A value that its column does not take. */
export function invalidValue(
  table: NamedTable,
  column: ConvertibleColumn,
  problem: string,
): MeridianError {
  return new MeridianError(
    'INVALID_VALUE',
    `The value of \`${table.name}.${column.name}\` ${problem}.`,
    {
      fix: `Give ${expectation(column)}.`,
      details: { table: table.name, column: column.name, expected: column.type },
    },
  )
}

type Fail = (problem: string) => MeridianError
type Encoder = (value: unknown, fail: Fail) => SqlValue

const ENCODERS: Readonly<Record<ColumnType, Encoder>> = {
  text: encodeText,
  integer: encodeInteger,
  bigint: (value, fail) => {
    if (typeof value !== 'bigint') throw fail(`is ${kindOf(value)}`)
    if (value < INT64_MIN || value > INT64_MAX) throw fail('is beyond 64 bits')
    return value
  },
  real: (value, fail) => {
    if (typeof value !== 'number') throw fail(`is ${kindOf(value)}`)
    if (!Number.isFinite(value)) throw fail('is not finite')
    // SQLite stores whole reals as integers, which know no -0.
    return value === 0 ? 0 : value
  },
  boolean: (value, fail) => {
    if (typeof value !== 'boolean') throw fail(`is ${kindOf(value)}`)
    return value ? 1 : 0
  },
  timestamp: (value, fail) => {
    if (!(value instanceof Date)) throw fail(`is ${kindOf(value)}`)
    const ms = value.getTime()
    if (Number.isNaN(ms)) throw fail('is an invalid Date')
    return ms
  },
  blob: (value, fail) => {
    if (!(value instanceof Uint8Array)) throw fail(`is ${kindOf(value)}`)
    if (value.length > MAX_CELL_BYTES) throw fail(tooLarge(value.length))
    return value
  },
  json: (value, fail) => {
    const problem = jsonProblem(value)
    if (problem !== undefined) throw fail(problem)
    return checkSize(JSON.stringify(value), fail)
  },
  counter: encodeInteger,
  set: (value, fail) => {
    if (typeof value !== 'object' || value === null || !(Symbol.iterator in value)) {
      throw fail(`is ${kindOf(value)}`)
    }
    return checkSize(encodeSet(setElements(value as Iterable<unknown>, fail)), fail)
  },
  collaborativeText: encodeText,
}

function encodeText(value: unknown, fail: Fail): string {
  if (typeof value !== 'string') throw fail(`is ${kindOf(value)}`)
  const problem = textProblem(value)
  if (problem !== undefined) throw fail(problem)
  return checkSize(value, fail)
}

function encodeInteger(value: unknown, fail: Fail): number {
  if (typeof value !== 'number') throw fail(`is ${kindOf(value)}`)
  if (!Number.isInteger(value)) throw fail('is not a whole number')
  if (!Number.isSafeInteger(value)) throw fail('is beyond ±(2^53 - 1)')
  return value === 0 ? 0 : value
}

/** Elements of a set, checked. */
export function setElements(elements: Iterable<unknown>, fail: Fail): string[] {
  return Array.from(elements, (element) => {
    if (typeof element !== 'string') throw fail(`has an element that is ${kindOf(element)}`)
    const problem = textProblem(element)
    if (problem !== undefined) throw fail(`has an element that ${problem}`)
    return element
  })
}

const utf8 = new TextEncoder()

function checkSize(text: string, fail: Fail): string {
  // A UTF-16 code unit has at most three bytes: most texts need no counting.
  if (text.length * 3 <= MAX_CELL_BYTES) return text
  const bytes = utf8.encode(text).length
  if (bytes > MAX_CELL_BYTES) throw fail(tooLarge(bytes))
  return text
}

function tooLarge(bytes: number): string {
  return `has ${bytes} bytes, more than ${MAX_CELL_BYTES}`
}

/** A value's kind, in words. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (Array.isArray(value)) return 'an array'
  if (value instanceof Date) return 'a Date'
  if (value instanceof Uint8Array) return 'a Uint8Array'
  const type = typeof value
  if (type === 'string') return 'a text'
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`
}
