/**
 * What a row of an eventual table is, besides its key: a join-semilattice. A delta has the same
 * shape with fewer cells in it; `merge` joins the two.
 *
 * A row lives several lives: inserting over a deleted or expired row begins the next one, in which
 * nothing of the life before is left. Lives are compared before anything else, so that counters,
 * sets and texts begin anew without any region having to know what the others still hold.
 */
import {
  HLC_ZERO,
  makeStamp,
  stampHlc,
  stampSource,
  type Hlc,
  type Stamp,
} from '../src/core/hlc.ts'
import type { SqlValue } from '../src/core/values.ts'

/** HLCs by source: for each source the last of its writes that something knows of. */
export type HlcVector = ReadonlyMap<string, Hlc>

/** A last-writer-wins register; `replaced` is the stamp that its writer saw, null for none. */
export interface Register {
  readonly stamp: Stamp
  readonly replaced: Stamp | null
  readonly value: SqlValue
}

/** What one source added to a counter in this life of the row, as of its last increment. */
export interface CounterEntry {
  readonly hlc: Hlc
  readonly total: number
}

/** One source's part in an element: its last add, and its last add that some remove saw. */
export interface ElementTag {
  /** `HLC_ZERO` once a remove has seen it. */
  readonly added: Hlc
  readonly removed: Hlc
}

/** An element's tags by source. */
export type ElementTags = ReadonlyMap<string, ElementTag>

/** A collaborative text: one Y.Doc. */
export interface TextCell {
  /** Its last edit. */
  readonly stamp: Stamp
  /** Yjs update, encoding V2. In a delta: the edit alone. */
  readonly update: Uint8Array
  /** The text; null in a delta, whose text alone means nothing. */
  readonly text: string | null
}

/** A row of an eventual table, or the part of one that a transaction changed. */
export interface RowState {
  /** From 1; 0 is a row that nobody ever wrote. */
  readonly life: number
  /** This life's insert; null while only later writes are in, which another source sent. */
  readonly born: Stamp | null
  /** The last delete in this life. */
  readonly deleted: Stamp | null
  /** What the row's deletes had seen, over all lives. */
  readonly observed: HlcVector
  /** The last write of each source that is merged in, over all lives. */
  readonly seen: HlcVector
  /** The expiry up to which this life was swept: dead while its merged expiry is not above. */
  readonly swept: Swept | null
  /** By slot: `slotOf(column)`. */
  readonly registers: ReadonlyMap<number, Register>
  /** By column id, then by source. */
  readonly counters: ReadonlyMap<number, ReadonlyMap<string, CounterEntry>>
  /** By column id, then by element. */
  readonly sets: ReadonlyMap<number, ReadonlyMap<string, ElementTags>>
  /** By column id. */
  readonly texts: ReadonlyMap<number, TextCell>
}

/** A sweep: the largest expiry (wall-clock milliseconds) that it took for past, and its stamp. */
export interface Swept {
  readonly untilMs: number
  readonly stamp: Stamp
}

/** The row that nobody ever wrote: merging with it changes nothing. */
export const EMPTY_ROW: RowState = {
  life: 0,
  born: null,
  deleted: null,
  observed: new Map(),
  seen: new Map(),
  swept: null,
  registers: new Map(),
  counters: new Map(),
  sets: new Map(),
  texts: new Map(),
}

/** A physical column's name in row states, the same in every schema version. */
export function slotOf(column: {
  readonly columnId: number
  readonly kind: 'value' | 'blind'
}): number {
  return column.columnId * 2 + (column.kind === 'blind' ? 1 : 0)
}

/** The last stamp of each source among the row's cells in this life. */
export function cellStamps(row: RowState): HlcVector {
  const stamps = new Map<string, Hlc>()
  const put = (source: string, hlc: Hlc): void => {
    if (hlc > (stamps.get(source) ?? HLC_ZERO)) stamps.set(source, hlc)
  }
  let last: Stamp | undefined
  for (const { stamp } of row.registers.values()) {
    // A transaction's cells share their stamp.
    if (stamp !== last) put(stampSource(stamp), stampHlc(stamp))
    last = stamp
  }
  for (const entries of row.counters.values()) {
    for (const [source, entry] of entries) put(source, entry.hlc)
  }
  for (const elements of row.sets.values()) {
    for (const tags of elements.values()) for (const [source, tag] of tags) put(source, tag.added)
  }
  for (const { stamp } of row.texts.values()) put(stampSource(stamp), stampHlc(stamp))
  return stamps
}

/** The later of two stamps; null is before every stamp. */
export function laterStamp(a: Stamp | null, b: Stamp | null): Stamp | null {
  if (a === null) return b
  return b === null || a > b ? a : b
}

/** The pointwise maximum. */
export function joinVectors(a: HlcVector, b: HlcVector): HlcVector {
  if (b.size === 0 || a === b) return a
  if (a.size === 0) return b
  const joined = new Map(a)
  for (const [source, hlc] of b) if (hlc > (joined.get(source) ?? HLC_ZERO)) joined.set(source, hlc)
  return joined
}

/** Whether the vector knows of the write with this stamp. Writes of a source arrive in order. */
export function covers(vector: HlcVector, stamp: Stamp): boolean {
  return stampHlc(stamp) <= (vector.get(stampSource(stamp)) ?? HLC_ZERO)
}

/** The row's last stamp of any kind, null for a row that nobody ever wrote. */
export function lastStamp(row: RowState): Stamp | null {
  let last = laterStamp(row.deleted, row.swept?.stamp ?? null)
  for (const [source, hlc] of row.seen) last = laterStamp(last, makeStamp(hlc, source))
  return last
}
