/**
 * What operations and conditions do to a stored cell: one definition for the strong state machine
 * and for what a transaction sees of its own writes. Engines that let SQL compute instead must
 * give the same: `coalesce(c, 0) + ?`, `max(coalesce(c, ?1), ?1)`, BINARY collation, 64-bit
 * integers; the tables' CHECK constraints refuse what is refused here.
 */
import { MeridianError } from '../core/errors.ts'
import type { CellCondition, CellOp, TextEdit } from '../core/operations.ts'
import { INT64_MAX, INT64_MIN, sameValue, type SqlValue } from '../core/values.ts'
import type { CompiledTable, PhysicalColumn } from './compiled.ts'
import { encodeSet } from './convert.ts'

/**
 * The cell after an operation. `index` is the column's in the row image.
 *
 * @throws MeridianError `CONSTRAINT_VIOLATED` (the sum is beyond the column's range, or null in a
 * column that is not optional), `CONDITION_FAILED` (the sum is below the floor), `INVALID_VALUE` (a
 * text edit outside the text)
 */
export function applyCellOp(
  table: CompiledTable,
  index: number,
  current: SqlValue,
  op: CellOp,
): SqlValue {
  const cell = new Cell(table, index)
  switch (op.kind) {
    case 'set':
      if (op.value === null && !cell.physical.nullable) throw cell.violated('is null')
      return op.value
    case 'increment':
      return increment(cell, current, op.by, op.floor)
    case 'max':
      return current === null || compareStored(op.value, current) > 0 ? op.value : current
    case 'min':
      return current === null || compareStored(op.value, current) < 0 ? op.value : current
    case 'add':
      return encodeSet([...elementsOf(current), ...op.elements])
    case 'remove': {
      const removed = new Set(op.elements)
      return encodeSet(elementsOf(current).filter((element) => !removed.has(element)))
    }
    case 'text':
      return op.edits.reduce((text, edit) => editText(cell, text, edit), (current ?? '') as string)
  }
}

/**
 * Whether a condition holds for a stored cell. With `=` and `!=` NULL is a value like others, as
 * with IS and IS NOT; every other comparison with NULL fails.
 */
export function conditionHolds(current: SqlValue, condition: CellCondition): boolean {
  const { op, value } = condition
  if (op === '=') return sameValue(current, value)
  if (op === '!=') return !sameValue(current, value)
  if (current === null || value === null) return false
  const order = compareStored(current, value)
  switch (op) {
    case '<':
      return order < 0
    case '<=':
      return order <= 0
    case '>':
      return order > 0
    case '>=':
      return order >= 0
  }
}

/**
 * The order of two stored values of one column, as SQLite has it: NULL first, numbers by value,
 * texts by code point (the order of their UTF-8 bytes, BINARY), blobs by bytes. Negative, 0 or
 * positive.
 */
export function compareStored(a: SqlValue, b: SqlValue): number {
  if (a === null || b === null) return Number(a !== null) - Number(b !== null)
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b)
  if (a instanceof Uint8Array && b instanceof Uint8Array) return compareBytes(a, b)
  return a < b ? -1 : Number(a > b)
}

function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) return codePointRank(x) - codePointRank(y)
  }
  return a.length - b.length
}

/** UTF-16 orders surrogates (code points from 2^16 on) before U+E000…U+FFFF: put them behind. */
function codePointRank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const difference = (a[i] as number) - (b[i] as number)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

function increment(
  cell: Cell,
  current: SqlValue,
  by: number | bigint,
  floor: number | bigint | null,
): SqlValue {
  const sum =
    cell.physical.storage === 'REAL'
      ? Number(current ?? 0) + Number(by)
      : BigInt((current ?? 0) as number | bigint) + BigInt(by)
  // The floor first: engines that compute in SQL judge guards before they store anything. A sum
  // beyond 64 bits is a double there, and is judged as one.
  const isWhole = typeof sum === 'bigint' && sum >= INT64_MIN && sum <= INT64_MAX
  const judged = isWhole ? sum : Number(current ?? 0) + Number(by)
  if (floor !== null && judged < floor) {
    throw new MeridianError('CONDITION_FAILED', `${cell.name} would fall below its floor.`, {
      details: cell.details,
    })
  }
  if (!inRange(cell.physical, sum)) throw cell.violated('would leave its range')
  if (typeof sum === 'bigint') return cell.physical.wide ? sum : Number(sum)
  return sum === 0 ? 0 : sum
}

function inRange(column: PhysicalColumn, sum: number | bigint): boolean {
  if (typeof sum === 'number') return Number.isFinite(sum)
  return column.wide ? sum >= INT64_MIN && sum <= INT64_MAX : Number.isSafeInteger(Number(sum))
}

function elementsOf(current: SqlValue): string[] {
  return current === null ? [] : (JSON.parse(current as string) as string[])
}

function editText(cell: Cell, text: string, edit: TextEdit): string {
  switch (edit.kind) {
    case 'replace':
      return edit.text
    case 'append':
      return text + edit.text
    case 'insert':
      return splice(cell, text, edit.at, 0, edit.text)
    case 'delete':
      return splice(cell, text, edit.at, edit.length, '')
  }
}

function splice(cell: Cell, text: string, at: number, length: number, inserted: string): string {
  const end = at + length
  const edited = text.slice(0, at) + inserted + text.slice(end)
  if (end <= text.length && edited.isWellFormed()) return edited
  throw new MeridianError(
    'INVALID_VALUE',
    `${cell.name} is edited beyond its end or inside a surrogate pair.`,
    { fix: 'Positions are UTF-16 code units of the current text.', details: cell.details },
  )
}

/** A cell's column, as errors name it. */
class Cell {
  readonly physical: PhysicalColumn
  readonly name: string
  readonly details: Readonly<Record<string, string>>

  constructor(table: CompiledTable, index: number) {
    this.physical = table.physical[index] as PhysicalColumn
    const column = table.columnById.get(this.physical.columnId)?.name ?? this.physical.name
    this.name = `\`${table.name}.${column}\``
    this.details = { table: table.name, column }
  }

  violated(problem: string): MeridianError {
    return new MeridianError('CONSTRAINT_VIOLATED', `${this.name} ${problem}.`, {
      details: this.details,
    })
  }
}
