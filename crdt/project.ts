/** From a row state to what readers see: whether the row is there, and its plain columns. */
import { HLC_ZERO } from '../src/core/hlc.ts'
import type { SqlValue } from '../src/core/values.ts'
import type { CompiledColumn, CompiledTable, PhysicalColumn } from '../src/schema/compiled.ts'
import { encodeSet } from '../src/schema/convert.ts'
import { cellStamps, slotOf, type CounterEntry, type ElementTags, type RowState } from './state.ts'

/**
 * Whether the row is there at all (an expired row that was not swept still is).
 *
 * `updateWins`: a delete takes away what it had seen, so a row stays as long as one of its cells
 * was written without the delete's knowledge, whatever the clocks say. `deleteWins`: a deleted
 * life stays dead. A sweep holds only while the merged expiry is not above the swept one.
 */
export function isVisible(table: CompiledTable, row: RowState): boolean {
  if (row.born === null) return false
  if (row.swept !== null && isSwept(table, row, row.swept.untilMs)) return false
  if (row.deleted === null) return true
  if (table.onConcurrentDelete === 'deleteWins') return false
  for (const [source, hlc] of cellStamps(row)) {
    if (hlc > (row.observed.get(source) ?? HLC_ZERO)) return true
  }
  return false
}

/** Whether a reader at `nowMs` sees the row. */
export function isLive(table: CompiledTable, row: RowState, nowMs: number): boolean {
  if (!isVisible(table, row)) return false
  const expiry = expiryMs(table, row)
  return expiry === null || expiry > nowMs
}

/** The merged expiry in wall-clock milliseconds, null when the row has none. */
export function expiryMs(table: CompiledTable, row: RowState): number | null {
  if (table.ttl === null) return null
  const value = row.registers.get(table.ttl.id * 2)?.value ?? null
  return value === null ? null : Number(value)
}

function isSwept(table: CompiledTable, row: RowState, untilMs: number): boolean {
  const expiry = expiryMs(table, row)
  return expiry !== null && expiry <= untilMs
}

/** The stored values of the row in the order of the table's physical columns. */
export function project(
  table: CompiledTable,
  key: readonly SqlValue[],
  row: RowState,
): readonly SqlValue[] {
  const tombstone = row.deleted !== null && table.onConcurrentDelete === 'deleteWins'
  return table.physical.map((physical) => {
    const column = table.columnById.get(physical.columnId) as CompiledColumn
    if (column.primaryKey) return key[table.primaryKey.indexOf(column)] as SqlValue
    return tombstone ? null : projectCell(column, physical, row)
  })
}

function projectCell(column: CompiledColumn, physical: PhysicalColumn, row: RowState): SqlValue {
  switch (column.type) {
    case 'counter':
      return counterSum(row.counters.get(column.id))
    case 'set':
      return encodeSet(presentElements(row.sets.get(column.id)))
    case 'collaborativeText':
      return row.texts.get(column.id)?.text ?? ''
    default: {
      const register = row.registers.get(slotOf(physical))
      if (register !== undefined) return register.value
      // Written before the column was there.
      return column.encrypted === null ? (column.default ?? null) : null
    }
  }
}

/** The sum of a counter, held at ±(2^53 - 1), the bounds of its column. */
export function counterSum(entries: ReadonlyMap<string, CounterEntry> | undefined): number {
  if (entries === undefined) return 0
  let sum = 0
  let exact = true
  for (const { total } of entries.values()) {
    sum += total
    exact &&= Number.isSafeInteger(sum)
  }
  return exact ? sum : clampedSum(entries)
}

/** Sums of doubles depend on their order once they are inexact; replicas must agree. */
function clampedSum(entries: ReadonlyMap<string, CounterEntry>): number {
  let sum = 0n
  for (const { total } of entries.values()) sum += BigInt(total)
  const bound = BigInt(Number.MAX_SAFE_INTEGER)
  if (sum > bound) return Number.MAX_SAFE_INTEGER
  return sum < -bound ? -Number.MAX_SAFE_INTEGER : Number(sum)
}

/** The elements that are in a set. */
export function presentElements(elements: ReadonlyMap<string, ElementTags> | undefined): string[] {
  if (elements === undefined) return []
  const present: string[] = []
  for (const [element, tags] of elements) if (isPresent(tags)) present.push(element)
  return present
}

/** Whether some add of the element was seen by no remove. */
export function isPresent(tags: ElementTags | undefined): boolean {
  if (tags === undefined) return false
  for (const { added, removed } of tags.values()) if (added > removed) return true
  return false
}
