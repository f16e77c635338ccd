/** Turns a public update (`{ quantity: increment(2), status: 'paid' }`) into cell changes. */
import { MeridianError } from '../core/errors.ts'
import type { CellChange, CellOp, TextEdit } from '../core/operations.ts'
import { INT64_MAX, INT64_MIN, textProblem } from '../core/values.ts'
import type { CompiledColumn, CompiledTable } from './compiled.ts'
import { invalidValue, kindOf, setElements, toStored } from './convert.ts'
import { isOperator, operatorKind, type AnyOperator, type TextOperator } from './operators.ts'
import { columnNamed } from './rows.ts'

/**
 * The cell changes of an update. Values of encrypted columns are still plaintext.
 *
 * @throws MeridianError `UNKNOWN_COLUMN`, `INVALID_VALUE`
 */
export function updateToCells(
  table: CompiledTable,
  changes: Readonly<Record<string, unknown>>,
): CellChange[] {
  return Object.entries(changes).map(([name, value]) => {
    const column = columnNamed(table, name)
    if (column.primaryKey) throw invalidValue(table, column, 'is part of the primary key')
    return {
      column: table.valueIndex.get(column.id) as number,
      op: toCellOp(table, column, value),
    }
  })
}

function toCellOp(table: CompiledTable, column: CompiledColumn, value: unknown): CellOp {
  if (isOperator(value)) return operatorToCellOp(table, column, value)
  switch (column.type) {
    case 'counter':
      throw new MeridianError(
        'INVALID_VALUE',
        `The counter \`${table.name}.${column.name}\` cannot be replaced.`,
        { fix: 'Change it with `increment(by)`, so that no region loses its increments.' },
      )
    case 'collaborativeText': {
      if (isTextOperators(value)) {
        return { kind: 'text', edits: value.map((o) => checkEdit(table, column, o.edit)) }
      }
      const text = toStored(table, column, value) as string
      return { kind: 'text', edits: [{ kind: 'replace', text }] }
    }
    default:
      return { kind: 'set', value: toStored(table, column, value) }
  }
}

function isTextOperators(value: unknown): value is readonly TextOperator[] {
  return Array.isArray(value) && value.every((o) => isOperator(o) && operatorKind(o) === 'text')
}

function operatorToCellOp(
  table: CompiledTable,
  column: CompiledColumn,
  operator: AnyOperator,
): CellOp {
  const misplaced = misplacement(table, column, operator)
  if (misplaced !== undefined) throw misplaced
  if ('by' in operator) return incrementOp(table, column, operator.by, operator.floor)
  if ('elements' in operator) {
    const fail = (problem: string): MeridianError => invalidValue(table, column, problem)
    return { kind: operator.action, elements: setElements(operator.elements, fail) }
  }
  if ('edit' in operator) {
    return { kind: 'text', edits: [checkEdit(table, column, operator.edit)] }
  }
  const kind = operatorKind(operator) === 'max' ? 'max' : 'min'
  if (operator.value === null) throw invalidValue(table, column, 'is null')
  return { kind, value: toStored(table, column, operator.value) }
}

/** Why the operator is not for the column, if it is not. */
function misplacement(
  table: CompiledTable,
  column: CompiledColumn,
  operator: AnyOperator,
): MeridianError | undefined {
  const kind = operatorKind(operator)
  const allowed = allowedOperators(table, column)
  if (allowed.includes(kind)) return undefined
  const where =
    column.encrypted !== null
      ? 'an encrypted column'
      : `a ${column.type} column of ${table.consistency === 'eventual' ? 'an eventual' : `a ${table.consistency}`} table`
  return new MeridianError(
    'INVALID_VALUE',
    `The operator given for \`${table.name}.${column.name}\` does not work on ${where}.`,
    {
      fix: FIXES[kind],
      details: { table: table.name, column: column.name, operator: kind },
    },
  )
}

const FIXES: Readonly<Record<ReturnType<typeof operatorKind>, string>> = {
  increment: 'It is for integer, bigint and real, and in eventual tables for counter().',
  flooredIncrement: 'A floor is for integer, bigint and real in strong and pinned tables.',
  max: 'It is for text, timestamp, integer, bigint and real in strong and pinned tables.',
  min: 'It is for text, timestamp, integer, bigint and real in strong and pinned tables.',
  elements: 'It is for set().',
  text: 'It is for collaborativeText().',
}

function allowedOperators(
  table: CompiledTable,
  column: CompiledColumn,
): readonly ReturnType<typeof operatorKind>[] {
  switch (column.type) {
    case 'counter':
      return ['increment']
    case 'set':
      return ['elements']
    case 'collaborativeText':
      return ['text']
    case 'integer':
    case 'bigint':
    case 'real':
      return isRegister(table, column) ? [] : ['increment', 'flooredIncrement', 'max', 'min']
    case 'text':
    case 'timestamp':
      return isRegister(table, column) ? [] : ['max', 'min']
    default:
      return []
  }
}

/** Whether the column can only be replaced: ciphertext, or a last-writer-wins register. */
function isRegister(table: CompiledTable, column: CompiledColumn): boolean {
  return column.encrypted !== null || table.consistency === 'eventual'
}

function incrementOp(
  table: CompiledTable,
  column: CompiledColumn,
  by: unknown,
  floor: unknown,
): CellOp {
  return {
    kind: 'increment',
    by: addend(table, column, by),
    floor: floor === null ? null : addend(table, column, floor),
  }
}

function addend(table: CompiledTable, column: CompiledColumn, value: unknown): number | bigint {
  if (column.type === 'bigint') {
    const isWhole = typeof value === 'bigint' || Number.isSafeInteger(value)
    if (!isWhole) throw invalidValue(table, column, `is changed by ${kindOf(value)}`)
    const wide = BigInt(value as number | bigint)
    if (wide < INT64_MIN || wide > INT64_MAX) {
      throw invalidValue(table, column, 'is changed by more than 64 bits hold')
    }
    return wide
  }
  return toStored(table, { ...column, optional: false }, value) as number
}

function checkEdit(table: CompiledTable, column: CompiledColumn, edit: TextEdit): TextEdit {
  if ('text' in edit) {
    const isText = typeof edit.text === 'string'
    const problem = isText ? textProblem(edit.text) : `is ${kindOf(edit.text)}`
    if (problem !== undefined)
      throw invalidValue(table, column, `is edited with text that ${problem}`)
  }
  if ('at' in edit) checkPosition(table, column, edit.at)
  if ('length' in edit) checkPosition(table, column, edit.length)
  return edit
}

function checkPosition(table: CompiledTable, column: CompiledColumn, position: unknown): void {
  if (Number.isSafeInteger(position) && (position as number) >= 0) return
  throw invalidValue(
    table,
    column,
    'is edited at a position or length that is not a whole number ≥ 0',
  )
}
