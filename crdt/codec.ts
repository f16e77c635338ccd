/**
 * The bytes of row states and deltas, version 1.
 *
 * ```
 * version  uint        1
 * flags    uint        1 born · 2 deleted · 4 swept · 8 values (a delta: values and edits inside)
 * life     uint
 * sources  n, text…    each source once, sorted
 * stamps   n, (hlc, source)…              each stamp once, sorted
 * born     stamp                          if flagged
 * deleted  stamp                          if flagged
 * swept    untilMs as value, stamp        if flagged
 * observed n, (source, hlc)…
 * seen     n, (source, hlc)…              a state: only what its cells do not say
 * registers n, (slot, stamp, replaced + 1 or 0, value in a delta)…
 * counters  n, (column, n, (source, hlc, total as value)…)…
 * sets      n, (column, n, (element, n, (source * 4 + parts, added?, removed?)…)…)…
 * texts     n, (column, stamp, update in a delta)…
 * ```
 *
 * `source` and `stamp` are indexes into the tables before. A state's register values and Yjs
 * updates stand in the row's other columns and are given to `decodeState`. Everything is sorted,
 * so equal states have equal bytes.
 */
import { HLC_ZERO, makeStamp, stampHlc, stampSource } from '../src/core/hlc.ts'
import type { Hlc, Stamp } from '../src/core/hlc.ts'
import { MeridianError } from '../src/core/errors.ts'
import type { SqlValue } from '../src/core/values.ts'
import { ByteReader, ByteWriter, malformed } from './bytes.ts'
import {
  cellStamps,
  EMPTY_ROW,
  joinVectors,
  type CounterEntry,
  type ElementTag,
  type HlcVector,
  type Register,
  type RowState,
  type TextCell,
} from './state.ts'

const VERSION = 1
const BORN = 1
const DELETED = 2
const SWEPT = 4
const VALUES = 8

/** Parts of an element's tag: 1 added · 2 removed. */
const ADDED = 1
const REMOVED = 2
const TAG_PARTS = 4

/** What a stored state leaves to the row's other columns. */
export interface StoredCells {
  readonly register: (slot: number) => SqlValue
  readonly text: (columnId: number) => { readonly update: Uint8Array; readonly text: string }
}

const writer = new ByteWriter()

/** Encodes a state without register values and texts: they have columns of their own. */
export function encodeState(row: RowState): Uint8Array {
  return encode(row, false)
}

/** Encodes a delta (or a whole row, for repair) with everything in it. */
export function encodeDelta(row: RowState): Uint8Array {
  return encode(row, true)
}

/** Reads a state. @throws MeridianError `PROTOCOL_MALFORMED`, `PROTOCOL_VERSION` */
export function decodeState(bytes: Uint8Array, cells: StoredCells): RowState {
  return decode(bytes, cells)
}

/** Reads a delta. @throws MeridianError `PROTOCOL_MALFORMED`, `PROTOCOL_VERSION` */
export function decodeDelta(bytes: Uint8Array): RowState {
  return decode(bytes, null)
}

function encode(row: RowState, values: boolean): Uint8Array {
  const said = cellStamps(row)
  const seen = unsaid(row.seen, said)
  const tables = internTables(row, said, seen)
  writer.uint(VERSION)
  const flags = (row.born === null ? 0 : BORN) | (row.deleted === null ? 0 : DELETED)
  writer.uint(flags | (row.swept === null ? 0 : SWEPT) | (values ? VALUES : 0))
  writer.uint(row.life)
  writer.uint(tables.sources.length)
  for (const source of tables.sources) writer.text(source)
  writer.uint(tables.stamps.length)
  for (const stamp of tables.stamps) {
    writer.hlc(stampHlc(stamp))
    writer.uint(tables.sources.indexOf(stampSource(stamp)))
  }
  if (row.born !== null) writer.uint(tables.stamps.indexOf(row.born))
  if (row.deleted !== null) writer.uint(tables.stamps.indexOf(row.deleted))
  if (row.swept !== null) {
    writer.value(row.swept.untilMs)
    writer.uint(tables.stamps.indexOf(row.swept.stamp))
  }
  writeVector(row.observed, tables)
  writeVector(seen, tables)
  writeRegisters(row, tables, values)
  writeCounters(row, tables)
  writeSets(row, tables)
  writer.uint(row.texts.size)
  for (const [column, cell] of sorted(row.texts)) {
    writer.uint(column)
    writer.uint(tables.stamps.indexOf(cell.stamp))
    if (values) writer.bytes(cell.update)
  }
  return writer.finish()
}

/** What of `seen` the cells do not say themselves. */
function unsaid(seen: HlcVector, said: HlcVector): HlcVector {
  let rest: Map<string, Hlc> | undefined
  for (const [source, hlc] of seen) {
    if (said.get(source) !== hlc) rest = (rest ?? new Map<string, Hlc>()).set(source, hlc)
  }
  return rest ?? EMPTY_ROW.seen
}

/** Sources and stamps; few, so that looking one up by comparing is fastest. */
interface Tables {
  readonly sources: readonly string[]
  readonly stamps: readonly Stamp[]
}

function internTables(row: RowState, said: HlcVector, seen: HlcVector): Tables {
  const stamps: Stamp[] = []
  for (const { stamp, replaced } of row.registers.values()) {
    intern(stamps, stamp)
    if (replaced !== null) intern(stamps, replaced)
  }
  for (const { stamp } of row.texts.values()) intern(stamps, stamp)
  if (row.born !== null) intern(stamps, row.born)
  if (row.deleted !== null) intern(stamps, row.deleted)
  if (row.swept !== null) intern(stamps, row.swept.stamp)
  const sources: string[] = []
  for (const source of said.keys()) intern(sources, source)
  for (const source of seen.keys()) intern(sources, source)
  for (const source of row.observed.keys()) intern(sources, source)
  for (const stamp of stamps) intern(sources, stampSource(stamp))
  for (const elements of row.sets.values()) {
    for (const tags of elements.values()) for (const source of tags.keys()) intern(sources, source)
  }
  return { sources: sources.sort(), stamps: stamps.sort() }
}

function intern(names: string[], name: string): void {
  if (!names.includes(name)) names.push(name)
}

/** The entries in the order of their keys: the map itself where it is so already. */
function sorted<K extends string | number, V>(map: ReadonlyMap<K, V>): Iterable<readonly [K, V]> {
  let last: K | undefined
  for (const key of map.keys()) {
    if (last !== undefined && key < last) return [...map].sort(([a], [b]) => (a < b ? -1 : 1))
    last = key
  }
  return map
}

function writeVector(vector: HlcVector, { sources }: Tables): void {
  writer.uint(vector.size)
  for (const [source, hlc] of sorted(vector)) {
    writer.uint(sources.indexOf(source))
    writer.hlc(hlc)
  }
}

function writeRegisters(row: RowState, { stamps }: Tables, values: boolean): void {
  writer.uint(row.registers.size)
  for (const [slot, register] of sorted(row.registers)) {
    writer.uint(slot)
    writer.uint(stamps.indexOf(register.stamp))
    writer.uint(register.replaced === null ? 0 : stamps.indexOf(register.replaced) + 1)
    if (values) writer.value(register.value)
  }
}

function writeCounters(row: RowState, { sources }: Tables): void {
  writer.uint(row.counters.size)
  for (const [column, entries] of sorted(row.counters)) {
    writer.uint(column)
    writer.uint(entries.size)
    for (const [source, entry] of sorted(entries)) {
      writer.uint(sources.indexOf(source))
      writer.hlc(entry.hlc)
      writer.value(entry.total)
    }
  }
}

function writeSets(row: RowState, { sources }: Tables): void {
  writer.uint(row.sets.size)
  for (const [column, elements] of sorted(row.sets)) {
    writer.uint(column)
    writer.uint(elements.size)
    for (const [element, tags] of sorted(elements)) {
      writer.text(element)
      writer.uint(tags.size)
      for (const [source, tag] of sorted(tags)) {
        const parts =
          (tag.added === HLC_ZERO ? 0 : ADDED) | (tag.removed === HLC_ZERO ? 0 : REMOVED)
        writer.uint(sources.indexOf(source) * TAG_PARTS + parts)
        if ((parts & ADDED) !== 0) writer.hlc(tag.added)
        if ((parts & REMOVED) !== 0) writer.hlc(tag.removed)
      }
    }
  }
}

function decode(bytes: Uint8Array, cells: StoredCells | null): RowState {
  const reader = new StateReader(bytes)
  const version = reader.uint()
  if (version !== VERSION) {
    throw new MeridianError('PROTOCOL_VERSION', `Row state version ${version} is not read here.`, {
      fix: 'Bring the regions to versions that are at most one apart.',
    })
  }
  const flags = reader.uint()
  if (((flags & VALUES) === 0) !== (cells !== null)) throw malformed()
  const life = reader.uint()
  reader.tables()
  const row = {
    life,
    born: (flags & BORN) === 0 ? null : reader.stamp(),
    deleted: (flags & DELETED) === 0 ? null : reader.stamp(),
    swept: (flags & SWEPT) === 0 ? null : { untilMs: reader.integer(), stamp: reader.stamp() },
    observed: reader.vector(),
    seen: reader.vector(),
    registers: reader.registers(cells),
    counters: reader.counters(),
    sets: reader.sets(),
    texts: reader.texts(cells),
  }
  reader.end()
  return { ...row, seen: joinVectors(row.seen, cellStamps(row)) }
}

/** Reads the parts of a state, in their order. */
class StateReader extends ByteReader {
  readonly #sources: string[] = []
  readonly #stamps: Stamp[] = []

  tables(): void {
    for (let left = this.uint(); left > 0; left--) this.#sources.push(this.text())
    for (let left = this.uint(); left > 0; left--) {
      const hlc = this.hlc()
      this.#stamps.push(makeStamp(hlc, this.source()))
    }
  }

  source(): string {
    return at(this.#sources, this.uint())
  }

  stamp(): Stamp {
    return at(this.#stamps, this.uint())
  }

  integer(): number {
    const value = this.value()
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw malformed()
    return value
  }

  vector(): Map<string, Hlc> {
    const vector = new Map<string, Hlc>()
    for (let left = this.uint(); left > 0; left--) vector.set(this.source(), this.hlc())
    return vector
  }

  registers(cells: StoredCells | null): Map<number, Register> {
    const registers = new Map<number, Register>()
    for (let left = this.uint(); left > 0; left--) {
      const slot = this.uint()
      const stamp = this.stamp()
      const replaced = this.uint()
      registers.set(slot, {
        stamp,
        replaced: replaced === 0 ? null : at(this.#stamps, replaced - 1),
        value: cells === null ? this.value() : cells.register(slot),
      })
    }
    return registers
  }

  counters(): Map<number, Map<string, CounterEntry>> {
    const counters = new Map<number, Map<string, CounterEntry>>()
    for (let left = this.uint(); left > 0; left--) {
      const entries = new Map<string, CounterEntry>()
      counters.set(this.uint(), entries)
      for (let n = this.uint(); n > 0; n--) {
        entries.set(this.source(), { hlc: this.hlc(), total: this.integer() })
      }
    }
    return counters
  }

  sets(): Map<number, Map<string, Map<string, ElementTag>>> {
    const sets = new Map<number, Map<string, Map<string, ElementTag>>>()
    for (let left = this.uint(); left > 0; left--) {
      const elements = new Map<string, Map<string, ElementTag>>()
      sets.set(this.uint(), elements)
      for (let n = this.uint(); n > 0; n--) elements.set(this.text(), this.#tags())
    }
    return sets
  }

  #tags(): Map<string, ElementTag> {
    const tags = new Map<string, ElementTag>()
    for (let left = this.uint(); left > 0; left--) {
      const code = this.uint()
      const source = at(this.#sources, Math.floor(code / TAG_PARTS))
      const added = (code & ADDED) === 0 ? HLC_ZERO : this.hlc()
      tags.set(source, { added, removed: (code & REMOVED) === 0 ? HLC_ZERO : this.hlc() })
    }
    return tags
  }

  texts(cells: StoredCells | null): Map<number, TextCell> {
    const texts = new Map<number, TextCell>()
    for (let left = this.uint(); left > 0; left--) {
      const column = this.uint()
      const stamp = this.stamp()
      const cell = cells === null ? { update: this.bytes(), text: null } : cells.text(column)
      texts.set(column, { stamp, ...cell })
    }
    return texts
  }
}

function at<T>(table: readonly T[], index: number): T {
  const item = table[index]
  if (item === undefined) throw malformed()
  return item
}
