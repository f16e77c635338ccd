/**
 * Replicas of eventual rows in memory, with skewed clocks, streams that are in order per source
 * alone, and stores that are restored from a backup. What goes wrong without a rule can be switched
 * on, so that tests show that the checks would notice.
 */
import * as Y from 'yjs'
import { textClientId } from '../../crdt/client-id.ts'
import { decodeDelta, encodeDelta, encodeState } from '../../crdt/codec.ts'
import { findLosses, type Loss } from '../../crdt/conflicts.ts'
import { merge } from '../../crdt/merge.ts'
import { isVisible, project } from '../../crdt/project.ts'
import { RowEditor } from '../../crdt/row-editor.ts'
import { EMPTY_ROW, type RowState } from '../../crdt/state.ts'
import { HLC_ZERO, maxHlc, nextHlc, stampHlc, type Hlc } from '../../src/core/hlc.ts'
import type { CellOp } from '../../src/core/operations.ts'
import { toHex, type SqlValue } from '../../src/core/values.ts'
import type { CompiledTable } from '../../src/schema/compiled.ts'
import { COLUMN } from './eventual-schema.ts'

/** What a test breaks on purpose. */
export interface CrdtFaults {
  /** The register that arrives last wins. */
  readonly arrivalWins?: boolean
  /** A restored store keeps its incarnation. */
  readonly keepIncarnation?: boolean
  /** A restored store keeps its incarnation, and its clock starts from the wall clock. */
  readonly resetClock?: boolean
  /** Receiving does not advance the clock. */
  readonly deafClock?: boolean
  /** A merge forgets which adds were removed. */
  readonly forgetRemoves?: boolean
  /** Deletes do not carry what they had seen. */
  readonly blindDeletes?: boolean
}

/** A change of one row, with what its writer knew. */
export interface LogEntry {
  readonly source: string
  readonly index: number
  readonly key: string
  readonly life: number
  readonly hlc: Hlc
  readonly delta: Uint8Array
  /** By source: how many of its changes the writer knew. */
  readonly knew: ReadonlyMap<string, number>
  readonly title: string | null
  readonly increment: number
  readonly endsRow: boolean
  readonly isDelete: boolean
  readonly tag: TagOp | null
}

interface Backup {
  readonly rows: ReadonlyMap<string, RowState>
  readonly clock: Hlc
  readonly logLength: number
  readonly positions: ReadonlyMap<string, number>
}

const START_MS = 1_700_000_000_000

export class Replica {
  readonly table: CompiledTable
  readonly region: string
  readonly faults: CrdtFaults
  source: string
  rows = new Map<string, RowState>()
  clock: Hlc = HLC_ZERO
  positions = new Map<string, number>()
  readonly losses: { readonly key: string; readonly loss: Loss }[] = []
  #life = 1
  #backup: Backup | undefined
  #skewMs: number

  constructor(table: CompiledTable, region: string, skewMs: number, faults: CrdtFaults) {
    this.table = table
    this.region = region
    this.faults = faults
    this.#skewMs = skewMs
    this.source = this.#sourceOf(1)
  }

  row(key: string): RowState {
    return this.rows.get(key) ?? EMPTY_ROW
  }

  /** Runs one local operation; `undefined` when the row's state refuses it. */
  write(key: string, step: WriteStep, nowMs: number, logs: Logs): LogEntry | undefined {
    const before = this.row(key)
    const visible = isVisible(this.table, before)
    if (step.kind === 'insert' ? visible : !visible) return undefined
    this.clock = nextHlc(this.clock, START_MS + nowMs + this.#skewMs)
    const clientId = textClientId(this.source)
    const editor = new RowEditor(this.table, before, {
      source: this.source,
      hlc: this.clock,
      clientId,
    })
    if (step.kind === 'insert') editor.insert(imageOf(key, step.title))
    else if (step.kind === 'delete') editor.delete()
    else for (const [column, op] of step.cells(before)) editor.apply(column, op)
    if (!editor.isDirty) return undefined
    let draft = editor.delta()
    if (this.faults.blindDeletes === true) draft = { ...draft, observed: new Map() }
    const log = logs.of(this.source)
    const entry: LogEntry = {
      source: this.source,
      index: log.length,
      key,
      life: draft.life,
      hlc: this.clock,
      delta: encodeDelta(draft),
      knew: new Map([...this.positions, [this.source, log.length]]),
      title: (draft.registers.get(slot(this.table, COLUMN.title))?.value as string | null) ?? null,
      increment: step.kind === 'update' ? step.increment : 0,
      endsRow: step.kind !== 'update',
      isDelete: step.kind === 'delete',
      tag: step.kind === 'update' ? step.tag : null,
    }
    log.push(entry)
    this.positions.set(this.source, log.length)
    this.rows.set(key, this.#merge(before, decodeDelta(entry.delta)))
    return entry
  }

  /** Applies a change of another source; in order unless it is a repetition. */
  receive(entry: LogEntry): void {
    const known = this.positions.get(entry.source) ?? 0
    this.take(entry.key, decodeDelta(entry.delta), entry.hlc)
    this.positions.set(entry.source, Math.max(known, entry.index + 1))
  }

  /** Merges a state of another replica. */
  take(key: string, state: RowState, hlc: Hlc): void {
    const before = this.row(key)
    for (const loss of findLosses(this.table, before, state)) this.losses.push({ key, loss })
    this.rows.set(key, this.#merge(before, state))
    if (this.faults.deafClock !== true) this.clock = maxHlc(this.clock, hlc)
  }

  backUp(logs: Logs): void {
    this.#backup = {
      rows: new Map(this.rows),
      clock: this.clock,
      logLength: logs.of(this.source).length,
      positions: new Map(this.positions),
    }
  }

  /** Goes back to the backup, under a new incarnation. Returns how much of its log is left. */
  restore(): { readonly source: string; readonly logLength: number } | undefined {
    const backup = this.#backup
    if (backup === undefined) return undefined
    const old = this.source
    this.rows = new Map(backup.rows)
    this.positions = new Map(backup.positions)
    this.#backup = undefined
    const { keepIncarnation, resetClock } = this.faults
    this.clock = resetClock === true ? HLC_ZERO : backup.clock
    if (keepIncarnation !== true && resetClock !== true) this.source = this.#sourceOf(++this.#life)
    return { source: old, logLength: backup.logLength }
  }

  /** Everything that must be equal on all replicas. */
  fingerprint(): string {
    return JSON.stringify(
      [...this.rows]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, row]) => [
          key,
          toHex(encodeState(row)),
          isVisible(this.table, row) ? project(this.table, [key], row) : null,
          [...row.texts].map(([id, cell]) => [id, documentOf(cell.update)]),
        ]),
    )
  }

  #merge(a: RowState, b: RowState): RowState {
    const merged = merge(a, b, this.table.onConcurrentDelete)
    if (this.faults.arrivalWins === true && a.life === b.life && merged.registers.size > 0) {
      return { ...merged, registers: new Map([...merged.registers, ...b.registers]) }
    }
    if (this.faults.forgetRemoves === true) return { ...merged, sets: withoutRemoves(merged) }
    return merged
  }

  #sourceOf(life: number): string {
    return `${this.region}.${life.toString(16).padStart(8, '0')}`
  }
}

type TagOp = Extract<CellOp, { readonly kind: 'add' | 'remove' }>

/** One local operation. */
export type WriteStep =
  | { readonly kind: 'insert'; readonly title: string }
  | { readonly kind: 'delete' }
  | {
      readonly kind: 'update'
      readonly increment: number
      readonly tag: TagOp | null
      readonly cells: (row: RowState) => readonly (readonly [number, CellOp])[]
    }

/** The logs of all sources. */
export class Logs {
  readonly #logs = new Map<string, LogEntry[]>()
  /** Changes that no store has any more. */
  readonly lost = new Set<LogEntry>()

  of(source: string): LogEntry[] {
    const log = this.#logs.get(source) ?? []
    this.#logs.set(source, log)
    return log
  }

  sources(): readonly string[] {
    return [...this.#logs.keys()]
  }

  /** Changes that are somewhere. */
  surviving(): readonly LogEntry[] {
    return [...this.#logs.values()].flat().filter((entry) => !this.lost.has(entry))
  }
}

/** The stamp's HLC of everything that is in the states, for advancing clocks. */
export function lastHlc(row: RowState): Hlc {
  return [...row.seen.values()].reduce(
    maxHlc,
    row.deleted === null ? HLC_ZERO : stampHlc(row.deleted),
  )
}

function slot(table: CompiledTable, column: number): number {
  return (table.physical[column]?.columnId ?? 0) * 2
}

function imageOf(key: string, title: string): SqlValue[] {
  return [key, title, null, 0, '[]', '', null]
}

function documentOf(update: Uint8Array): unknown {
  const doc = new Y.Doc()
  Y.applyUpdateV2(doc, update)
  const deleted = [...Y.createDeleteSetFromStructStore(doc.store).clients]
  return [
    [...Y.decodeStateVector(Y.encodeStateVector(doc))].sort(([a], [b]) => a - b),
    deleted
      .sort(([a], [b]) => a - b)
      .map(([id, ranges]) => [id, ranges.map((r) => [r.clock, r.len])]),
    doc.store.pendingStructs === null,
  ]
}

function withoutRemoves(row: RowState): RowState['sets'] {
  return new Map(
    [...row.sets].map(([column, elements]) => [
      column,
      new Map(
        [...elements].map(([element, tags]) => [
          element,
          new Map([...tags].map(([source, tag]) => [source, { ...tag, removed: HLC_ZERO }])),
        ]),
      ),
    ]),
  )
}
