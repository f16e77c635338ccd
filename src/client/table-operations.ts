/** Rows and changes as users write them, turned into reads and operations of the protocol. */
import type { RowImage } from '../core/change.ts'
import { MeridianError } from '../core/errors.ts'
import type { CellCondition, WriteOp } from '../core/operations.ts'
import type { SqlValue } from '../core/values.ts'
import type { CompiledTable } from '../schema/compiled.ts'
import { kindOf } from '../schema/convert.ts'
import { columnNamed, imageToRow, keyToStored, rowToImage } from '../schema/rows.ts'
import { updateToCells } from '../schema/updates.ts'
import { prepareList, type ListSpec } from './list.ts'

/** A row as users see it. */
export type Row = Readonly<Record<string, unknown>>

/** An insert or upsert of rows. @throws MeridianError `INVALID_VALUE`, `UNKNOWN_COLUMN` */
export function rowsOp(
  table: CompiledTable,
  kind: 'insert' | 'upsert',
  rows: readonly Row[],
): WriteOp & { readonly kind: 'insert' | 'upsert' } {
  for (const row of rows) requireObject(table, 'row', row)
  return { kind, table: table.id, rows: rows.map((row) => rowToImage(table, row)) }
}

/** An update. @throws MeridianError `INVALID_VALUE`, `UNKNOWN_COLUMN`, `INVALID_ARGUMENT` */
export function updateOp(
  table: CompiledTable,
  key: unknown,
  changes: Row,
  condition: ListSpec['where'],
): WriteOp & { readonly kind: 'update' } {
  requireObject(table, 'change', changes)
  return {
    kind: 'update',
    table: table.id,
    key: keyToStored(table, key),
    cells: updateToCells(table, changes),
    conditions: conditionsOf(table, condition),
  }
}

/** A delete. @throws MeridianError `INVALID_VALUE`, `INVALID_ARGUMENT` */
export function deleteOp(
  table: CompiledTable,
  key: unknown,
  condition: ListSpec['where'],
): WriteOp & { readonly kind: 'delete' } {
  const conditions = conditionsOf(table, condition)
  return { kind: 'delete', table: table.id, key: keyToStored(table, key), conditions }
}

/** Keys as they travel. @throws MeridianError `INVALID_VALUE` */
export function keysOf(table: CompiledTable, keys: readonly unknown[]): readonly SqlValue[][] {
  return keys.map((key) => [...keyToStored(table, key)])
}

/** What a read may name. */
export interface ColumnOptions {
  /** Names of columns; left out: all of them. */
  readonly columns?: readonly string[]
}

/**
 * The columns that a read names, by their places in images; undefined: it names none.
 *
 * @throws MeridianError `UNKNOWN_COLUMN`, `INVALID_ARGUMENT`
 */
export function columnsOf(
  table: CompiledTable,
  options: ColumnOptions | undefined,
): { readonly names: readonly string[]; readonly places: readonly number[] } | undefined {
  const names = options?.columns
  if (names === undefined) return undefined
  if (!Array.isArray(names)) {
    throw new MeridianError('INVALID_ARGUMENT', 'The option `columns` is no list.', {
      fix: `Give names of columns of \`${table.name}\`.`,
      details: { table: table.name },
    })
  }
  const places = names.map((name) => table.valueIndex.get(columnNamed(table, name).id) as number)
  return { names, places }
}

/** The columns of a row that a read names. */
export function pickColumns(row: Row, names: readonly string[] | undefined): Row {
  return names === undefined ? row : Object.fromEntries(names.map((name) => [name, row[name]]))
}

/** A row as users see it; its encrypted cells are decrypted already. */
export function publicRow(table: CompiledTable, image: RowImage): Row {
  return imageToRow(table, image)
}

function conditionsOf(
  table: CompiledTable,
  where: ListSpec['where'] | undefined,
): readonly CellCondition[] {
  if (where === undefined) return []
  const { where: predicates, matches } = prepareList(table, { where })
  const unsupported = matches.length > 0 || predicates.some((p) => p.op === 'in')
  if (unsupported) {
    throw new MeridianError(
      'INVALID_ARGUMENT',
      'A condition of a write compares plain columns with single values.',
      { fix: 'Read the row in a transaction and decide there.' },
    )
  }
  return predicates.map(({ column, op, values }) => ({
    column,
    op: op as CellCondition['op'],
    value: values[0] ?? null,
  }))
}

function requireObject(table: CompiledTable, what: 'row' | 'change', value: unknown): void {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return
  throw new MeridianError('INVALID_VALUE', `A ${what} of \`${table.name}\` is ${kindOf(value)}.`, {
    fix: 'Give an object with a value for each column.',
    details: { table: table.name },
  })
}
