/**
 * Which values lose when two states are merged though no writer meant to replace them: the
 * conflict feed's content. Every register remembers the stamp that its writer saw, and every delete
 * what it had seen of each source, so that a causal overwrite is told from a concurrent one.
 *
 * Under causal delivery (a change arrives after everything that its writer had seen) the answer is
 * exact. Without it, a value may turn up whose overwriting went through a third one that is not
 * here: such entries are marked uncertain.
 */
import { HLC_ZERO, makeStamp, stampSource, type Hlc, type Stamp } from '../src/core/hlc.ts'
import { sameValue, toHex } from '../src/core/values.ts'
import type { CompiledTable, PhysicalColumn } from '../src/schema/compiled.ts'
import { toJsonCell } from '../src/sql/json-cells.ts'
import { covers, lastStamp, slotOf, type HlcVector, type Register, type RowState } from './state.ts'

/** A value that lost. Its identity is the cell and `loser`. */
export interface Loss {
  readonly columnId: number
  readonly loser: Stamp
  readonly winner: Stamp
  /** JSON: a register's value, a counter entry's total, a set's elements, a text or its edit. */
  readonly value: string
  readonly uncertain: boolean
}

/** What the merge of `incoming` into `current` discards. */
export function findLosses(table: CompiledTable, current: RowState, incoming: RowState): Loss[] {
  if (current.life === 0 || incoming.life === 0) return []
  if (incoming.life < current.life) return losses(table, incoming, supersededBy(current))
  if (incoming.life > current.life) return losses(table, current, supersededBy(incoming))
  if (table.onConcurrentDelete === 'deleteWins') {
    if (current.deleted !== null)
      return losses(table, incoming, deletedBy(current, current.deleted))
    if (incoming.deleted !== null)
      return losses(table, current, deletedBy(incoming, incoming.deleted))
  }
  return registerLosses(table, current, incoming)
}

/** What took a whole life's cells away. */
interface Superseder {
  readonly observed: HlcVector
  readonly winner: Stamp
  readonly uncertain: boolean
}

function supersededBy(later: RowState): Superseder {
  // What a later life's insert had seen comes with the insert.
  const winner = later.born ?? lastStamp(later) ?? HLC_ZERO
  return { observed: later.observed, winner, uncertain: later.born === null }
}

function deletedBy(row: RowState, deleted: Stamp): Superseder {
  return { observed: row.observed, winner: deleted, uncertain: false }
}

function losses(table: CompiledTable, row: RowState, by: Superseder): Loss[] {
  const found: Loss[] = []
  const put = (columnId: number, loser: Stamp, value: unknown): void => {
    if (covers(by.observed, loser)) return
    const { winner, uncertain } = by
    found.push({ columnId, loser, winner, value: JSON.stringify(value), uncertain })
  }
  for (const physical of table.physical) {
    const register = row.registers.get(slotOf(physical))
    if (register === undefined || physical.kind === 'blind') continue
    put(physical.columnId, register.stamp, toJsonCell(physical, register.value))
  }
  for (const [columnId, entries] of row.counters) {
    for (const [source, { hlc, total }] of entries) put(columnId, makeStamp(hlc, source), total)
  }
  for (const [columnId, elements] of row.sets) {
    for (const [stamp, added] of addsByStamp(elements)) put(columnId, stamp, added)
  }
  for (const [columnId, cell] of row.texts) {
    const value = cell.text === null ? { edit: toHex(cell.update) } : { text: cell.text }
    put(columnId, cell.stamp, value)
  }
  return found
}

function addsByStamp(
  elements: ReadonlyMap<string, ReadonlyMap<string, { added: Hlc; removed: Hlc }>>,
): ReadonlyMap<Stamp, string[]> {
  const byStamp = new Map<Stamp, string[]>()
  for (const [element, tags] of elements) {
    for (const [source, { added, removed }] of tags) {
      if (added <= removed) continue
      const stamp = makeStamp(added, source)
      byStamp.set(stamp, [...(byStamp.get(stamp) ?? []), element])
    }
  }
  return byStamp
}

function registerLosses(table: CompiledTable, current: RowState, incoming: RowState): Loss[] {
  const found: Loss[] = []
  for (const [slot, theirs] of incoming.registers) {
    const ours = current.registers.get(slot)
    if (ours === undefined || ours.stamp === theirs.stamp) continue
    const [loser, winner] = ours.stamp < theirs.stamp ? [ours, theirs] : [theirs, ours]
    if (isReplacement(loser, winner)) continue
    const physical = table.physical.find((p) => slotOf(p) === slot) as PhysicalColumn
    if (physical.kind === 'blind' || sameValue(loser.value, winner.value)) continue
    found.push({
      columnId: physical.columnId,
      loser: loser.stamp,
      winner: winner.stamp,
      value: JSON.stringify(toJsonCell(physical, loser.value)),
      uncertain: !isConcurrent(loser, winner),
    })
  }
  return found
}

/** Whether the winner's writer knew the loser: every store has a source's writes in order. */
function isReplacement(loser: Register, winner: Register): boolean {
  const source = stampSource(loser.stamp)
  if (stampSource(winner.stamp) === source) return true
  if (winner.replaced === null || stampSource(winner.replaced) !== source) return false
  return winner.replaced >= loser.stamp
}

/**
 * Whether the winner's writer cannot have seen the loser: the value that it replaced is older, and
 * had it seen the loser, that would have been the value it replaced.
 */
function isConcurrent(loser: Register, winner: Register): boolean {
  return winner.replaced === null || winner.replaced < loser.stamp
}
