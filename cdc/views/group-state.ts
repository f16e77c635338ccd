/** The state of one group of a view: what its aggregates need to go forward and back. */
import type { RowImage } from '../../src/core/change.ts'
import type { SqlValue } from '../../src/core/values.ts'
import type { CompiledAggregate, CompiledColumn, CompiledView } from '../../src/schema/compiled.ts'
import { compareStored } from '../../src/schema/evaluate.ts'
import { parseJsonCell, toJsonCell, type CellColumn } from '../../src/sql/json-cells.ts'
import { fromUnits, toUnits } from './exact-real.ts'
import { valueOf } from './filter.ts'

/** One aggregate's state. Sums are exact: whole numbers, or units of 2^-1074 for reals. */
export interface AggregateState {
  /** Values that are not NULL. */
  count: number
  sum: bigint
  /** The extremum; null when there is none. */
  extremum: SqlValue
  /** The extremum left the group: the source knows the next one. */
  isLost: boolean
}

/** A group. */
export interface GroupState {
  rows: number
  readonly aggregates: readonly AggregateState[]
}

/** A group without rows. */
export function emptyGroup(view: CompiledView): GroupState {
  return {
    rows: 0,
    aggregates: aggregatesOf(view).map(() => ({ count: 0, sum: 0n, extremum: null, isLost: false })),
  }
}

/** The aggregates of a grouped view. */
export function aggregatesOf(view: CompiledView): readonly CompiledAggregate[] {
  return view.shape.kind === 'group' ? view.shape.aggregates : []
}

/** Takes a row in (`sign` 1) or out (-1). */
export function fold(view: CompiledView, group: GroupState, image: RowImage, sign: 1 | -1): void {
  group.rows += sign
  aggregatesOf(view).forEach(({ fn, columnId }, i) => {
    if (columnId === null) return
    const value = valueOf(view.source, image, columnId)
    if (value === null) return
    const state = group.aggregates[i] as AggregateState
    state.count += sign
    if (fn === 'sum' || fn === 'avg') {
      const amount = isReal(view, columnId) ? toUnits(Number(value)) : BigInt(value as number | bigint)
      state.sum += sign === 1 ? amount : -amount
    } else if (fn === 'min' || fn === 'max') {
      foldExtremum(state, fn, value, sign)
    }
  })
}

function foldExtremum(
  state: AggregateState,
  fn: 'min' | 'max',
  value: SqlValue,
  sign: 1 | -1,
): void {
  const order = state.extremum === null ? 0 : compareStored(value, state.extremum)
  if (sign === 1) {
    const isBeyond = fn === 'min' ? order < 0 : order > 0
    if (state.extremum === null || isBeyond) state.extremum = value
    return
  }
  if (order === 0) state.isLost = true
}

/** The value of an aggregate, as the view shows it. */
export function aggregateValue(
  view: CompiledView,
  group: GroupState,
  index: number,
): SqlValue {
  const { fn, columnId } = aggregatesOf(view)[index] as CompiledAggregate
  const state = group.aggregates[index] as AggregateState
  if (columnId === null) return group.rows
  if (fn === 'count') return state.count
  if (state.count === 0) return null
  if (fn === 'min' || fn === 'max') return state.extremum
  const real = isReal(view, columnId)
  if (fn === 'sum') return real ? fromUnits(state.sum) : state.sum
  // The quotient of exact sums, rounded once for reals and twice for whole numbers.
  return (real ? fromUnits(state.sum) : Number(state.sum)) / state.count
}

/** The cell form of an aggregate's value. */
export function aggregateCell(view: CompiledView, index: number): CellColumn {
  const { fn, columnId } = aggregatesOf(view)[index] as CompiledAggregate
  const name = `a${index}`
  if (fn === 'count' || columnId === null) return { name, storage: 'INTEGER', wide: false }
  if (fn === 'avg') return { name, storage: 'REAL', wide: false }
  const column = view.source.columnById.get(columnId) as CompiledColumn
  if (fn === 'sum' && column.storage === 'INTEGER') return { name, storage: 'INTEGER', wide: true }
  return { name, storage: column.storage, wide: column.type === 'bigint' }
}

/** JSON text of a state. */
export function encodeGroup(view: CompiledView, group: GroupState): string {
  const cells = group.aggregates.map((state, i) => [
    state.count,
    state.sum === 0n ? 0 : state.sum.toString(16),
    toJsonCell(aggregateCell(view, i), state.extremum),
  ])
  return JSON.stringify([group.rows, ...cells])
}

/** Reads what `encodeGroup` wrote. */
export function decodeGroup(view: CompiledView, text: string): GroupState {
  const [rows, ...cells] = JSON.parse(text) as [number, ...[number, string | 0, unknown][]]
  return {
    rows,
    aggregates: cells.map(([count, sum, extremum], i) => ({
      count,
      sum: sum === 0 ? 0n : parseHex(sum),
      extremum: parseJsonCell(aggregateCell(view, i), extremum),
      isLost: false,
    })),
  }
}

function parseHex(text: string): bigint {
  return text.startsWith('-') ? -BigInt(`0x${text.slice(1)}`) : BigInt(`0x${text}`)
}

function isReal(view: CompiledView, columnId: number): boolean {
  return view.source.columnById.get(columnId)?.storage === 'REAL'
}
