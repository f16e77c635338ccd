/**
 * The join of row states: commutative, associative and idempotent, so that replicas agree however
 * changes were ordered, repeated or cut.
 *
 * | part | join |
 * |---|---|
 * | life | the later life, whole; equal lives join part by part |
 * | register | the larger stamp (HLC, then source); values never decide |
 * | counter | per source the entry with the later HLC |
 * | set | per element and source the later add and the later removal of an add |
 * | text | Yjs |
 * | delete, sweep | the larger |
 * | observed, seen | pointwise maximum, over all lives |
 *
 * The part of one life is a product of semilattices; lives on top make it a lexicographic product
 * of a chain with a semilattice, which is a semilattice again. With `deleteWins`, a deleted life
 * has one state for its cells, the empty one, which is on top of every other: the pair
 * (life, deleted) is then the causal length of Yu and Rostad (cr-sqlite's `cl`).
 */
import { HLC_ZERO, maxHlc } from '../src/core/hlc.ts'
import {
  joinVectors,
  laterStamp,
  type CounterEntry,
  type ElementTag,
  type ElementTags,
  type Register,
  type RowState,
  type Swept,
  type TextCell,
} from './state.ts'
import { mergeTexts, readText } from './text.ts'

/** What wins when a row is deleted in one region and updated in another. */
export type DeletePolicy = 'deleteWins' | 'updateWins'

/** Joins two states of one row. Neither is changed. */
export function merge(a: RowState, b: RowState, policy: DeletePolicy): RowState {
  const observed = joinVectors(a.observed, b.observed)
  const seen = joinVectors(a.seen, b.seen)
  if (a.life !== b.life) {
    const later = a.life > b.life ? a : b
    return settle({ ...later, observed, seen }, policy)
  }
  return settle(
    {
      life: a.life,
      born: laterStamp(a.born, b.born),
      deleted: laterStamp(a.deleted, b.deleted),
      observed,
      seen,
      swept: laterSweep(a.swept, b.swept),
      registers: joinMaps(a.registers, b.registers, joinRegisters),
      counters: joinMaps(a.counters, b.counters, joinCounters),
      sets: joinMaps(a.sets, b.sets, joinSets),
      texts: joinMaps(a.texts, b.texts, joinTexts),
    },
    policy,
  )
}

const NOTHING: ReadonlyMap<never, never> = new Map<never, never>()

/** A delete that wins leaves nothing of the row but that it is deleted; texts are read out. */
function settle(row: RowState, policy: DeletePolicy): RowState {
  if (policy === 'updateWins' || row.deleted === null) {
    return row.texts.size === 0 ? row : { ...row, texts: readOut(row.texts) }
  }
  return {
    ...row,
    swept: null,
    registers: NOTHING,
    counters: NOTHING,
    sets: NOTHING,
    texts: NOTHING,
  }
}

/** A text of which one edit is all that is known comes from a delta, without its text. */
function readOut(texts: ReadonlyMap<number, TextCell>): ReadonlyMap<number, TextCell> {
  const cells = new Map<number, TextCell>()
  for (const [column, cell] of texts) {
    cells.set(column, cell.text === null ? { ...cell, text: readText(cell.update) } : cell)
  }
  return cells
}

function joinMaps<K, V>(
  a: ReadonlyMap<K, V>,
  b: ReadonlyMap<K, V>,
  join: (x: V, y: V) => V,
): ReadonlyMap<K, V> {
  if (b.size === 0 || a === b) return a
  if (a.size === 0) return b
  const joined = new Map(a)
  for (const [key, value] of b) {
    const mine = joined.get(key)
    joined.set(key, mine === undefined ? value : join(mine, value))
  }
  return joined
}

function joinRegisters(a: Register, b: Register): Register {
  return b.stamp > a.stamp ? b : a
}

function joinCounters(
  a: ReadonlyMap<string, CounterEntry>,
  b: ReadonlyMap<string, CounterEntry>,
): ReadonlyMap<string, CounterEntry> {
  return joinMaps(a, b, (x, y) => (y.hlc > x.hlc ? y : x))
}

function joinSets(
  a: ReadonlyMap<string, ElementTags>,
  b: ReadonlyMap<string, ElementTags>,
): ReadonlyMap<string, ElementTags> {
  return joinMaps(a, b, (x, y) => joinMaps(x, y, joinTags))
}

/**
 * A remove takes away the adds that it saw: those of a source up to one HLC. A source's later add
 * of the same element stands for its earlier ones, so one tag a source is enough.
 */
function joinTags(a: ElementTag, b: ElementTag): ElementTag {
  const added = maxHlc(a.added, b.added)
  const removed = maxHlc(a.removed, b.removed)
  return { added: added > removed ? added : HLC_ZERO, removed }
}

function joinTexts(a: TextCell, b: TextCell): TextCell {
  const stamp = b.stamp > a.stamp ? b.stamp : a.stamp
  return { stamp, ...mergeTexts(a.update, b.update) }
}

function laterSweep(a: Swept | null, b: Swept | null): Swept | null {
  if (a === null || b === null) return a ?? b
  if (a.untilMs !== b.untilMs) return a.untilMs > b.untilMs ? a : b
  return a.stamp > b.stamp ? a : b
}
