/**
 * The state of one group: what its aggregates need to go forward and back. Sums are exact, so a
 * row that was taken in and out again leaves no trace.
 */
import { MeridianError } from '../../src/core/errors.ts'
import { INT64_MAX, INT64_MIN, type SqlValue } from '../../src/core/values.ts'
import { compareStored } from '../../src/schema/evaluate.ts'
import { fromUnits, toUnits, wholeToUnits } from './exact-real.ts'
import type { Aggregate } from './group-columns.ts'

/** The state of one aggregate. */
export interface AggregateState {
  /** Values that are not NULL. */
  count: number
  /** A whole number; of reals, units of 2^-1074. */
  sum: bigint
  /** The smallest or largest value; null when there is none. */
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
export function emptyGroup(aggregates: readonly Aggregate[]): GroupState {
  return {
    rows: 0,
    aggregates: aggregates.map(() => ({ count: 0, sum: 0n, extremum: null, isLost: false })),
  }
}

/** Takes a row in (`sign` 1) or out (-1). */
export function fold(
  aggregates: readonly Aggregate[],
  group: GroupState,
  inputs: readonly SqlValue[],
  sign: 1 | -1,
): void {
  group.rows += sign
  for (let i = 0; i < aggregates.length; i++) {
    const value = inputs[i] ?? null
    if (value === null) continue
    foldValue(aggregates[i] as Aggregate, group.aggregates[i] as AggregateState, value, sign)
  }
}

function foldValue(
  { fn, input }: Aggregate,
  state: AggregateState,
  value: Exclude<SqlValue, null>,
  sign: 1 | -1,
): void {
  state.count += sign
  if (fn === 'sum' || fn === 'avg') {
    const amount =
      input.storage === 'REAL' ? toUnits(Number(value)) : BigInt(value as number | bigint)
    state.sum += sign === 1 ? amount : -amount
    return
  }
  if (fn === 'count') return
  const order = state.extremum === null ? 0 : compareStored(value, state.extremum)
  if (sign === -1) {
    if (order === 0) state.isLost = true
    return
  }
  if (state.extremum !== null && (fn === 'min' ? order > 0 : order < 0)) return
  state.extremum = value
  // Whatever left, this one is in front.
  state.isLost = false
}

/** The value of an aggregate; `undefined`: it is beyond the range of its type. */
export function resultOf(
  { fn, column, input }: Aggregate,
  state: AggregateState,
  rows: number,
): SqlValue | undefined {
  if (column === null) return rows
  const { count, sum, extremum } = state
  if (fn === 'count') return count
  if (count === 0) return null
  const isReal = input.storage === 'REAL'
  switch (fn) {
    case 'min':
    case 'max':
      return extremum
    case 'avg':
      return fromUnits(isReal ? sum : wholeToUnits(sum), BigInt(count))
    case 'sum': {
      if (!isReal) return isInRange(sum, input.wide) ? sum : undefined
      const value = fromUnits(sum)
      return Number.isFinite(value) ? value : undefined
    }
  }
}

function isInRange(sum: bigint, wide: boolean): boolean {
  return wide ? sum >= INT64_MIN && sum <= INT64_MAX : Number.isSafeInteger(Number(sum))
}

/**
 * JSON text of a state, but for extrema, which stand in columns of their own.
 *
 * @throws MeridianError `INTERNAL` when more left the group than was in it: the view does not
 * follow its source
 */
export function encodeGroup(aggregates: readonly Aggregate[], group: GroupState): string {
  if (group.rows < 0 || group.aggregates.some(({ count }) => count < 0 || count > group.rows)) {
    throw new MeridianError('INTERNAL', 'a group has lost rows that it never had', {
      retry: 'never',
    })
  }
  return JSON.stringify([
    group.rows,
    ...group.aggregates.map(({ count, sum }, i) =>
      keepsSum(aggregates[i] as Aggregate) ? [count, sum.toString(16)] : count,
    ),
  ])
}

/** Reads what `encodeGroup` wrote. `extrema`: by aggregate, null for those that have none. */
export function decodeGroup(text: string, extrema: (aggregate: number) => SqlValue): GroupState {
  const [rows, ...cells] = JSON.parse(text) as [number, ...(number | [number, string])[]]
  return {
    rows,
    aggregates: cells.map((cell, i) => {
      const [count, sum] = typeof cell === 'number' ? [cell, 0n] : [cell[0], parseHex(cell[1])]
      return { count, sum, extremum: extrema(i), isLost: false }
    }),
  }
}

function keepsSum({ fn }: Aggregate): boolean {
  return fn === 'sum' || fn === 'avg'
}

/** Whether an aggregate is the smallest or largest value. */
export function isExtremum({ fn }: Aggregate): boolean {
  return fn === 'min' || fn === 'max'
}

function parseHex(text: string): bigint {
  return text.startsWith('-') ? -BigInt(`0x${text.slice(1)}`) : BigInt(`0x${text}`)
}
