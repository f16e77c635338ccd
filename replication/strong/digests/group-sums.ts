/**
 * The sums of a log group at one index, and how records move them: each table's rows, and the outcomes
 * that are still remembered. Outcomes are kept in one sum for each stretch of the log between two
 * points at which outcomes are pruned (protocol rule 12), so that pruning takes a whole sum away.
 */
import type { DigestKind } from './digest-store.ts'
import { encodedOutcome, PRUNE_EVERY_RECORDS, type OutcomeEffect } from '../outcomes.ts'
import type { RowEffect } from '../state-machine.ts'
import {
  fromDigits,
  hashRow,
  hashValues,
  minus,
  NO_ROWS,
  plus,
  toDigits,
  type HashSum,
} from './row-hash.ts'

/** What a record did to the state of its group. */
export interface RecordEffects {
  readonly index: number
  /** The log's id of the record. */
  readonly id: string
  readonly logTimeMs: number
  /** The version of the state machine that the record raises the log to; 0: it raises nothing. */
  readonly raisesTo: number
  /** The schema that the record says; 0: it says none. */
  readonly schemaVersion: number
  /** It was applied without effect (protocol rule 25). */
  readonly isSkipped: boolean
  readonly rows: readonly RowEffect[]
  readonly outcomes: readonly OutcomeEffect[]
}

/** The first stretch whose outcomes are remembered behind the record at `index`. */
export function firstStretch(index: number): number {
  return Math.floor(index / PRUNE_EVERY_RECORDS)
}

/** The stretch of an outcome that was decided at `index`. */
export function stretchOf(index: number, windowRecords: number): number {
  return Math.floor((index + windowRecords) / PRUNE_EVERY_RECORDS)
}

export function hashOutcome(
  id: string,
  index: number,
  contentHash: string,
  bytes: Uint8Array,
): HashSum {
  return hashValues([id, index, contentHash, bytes])
}

/** The sums behind a record. */
export class GroupSums {
  readonly #windowRecords: number
  readonly #keepsPruned: boolean
  readonly #tables: Map<string, HashSum>
  readonly #stretches: Map<number, HashSum>
  #outcomes: HashSum
  #from: number
  /** Stretches that changed since `takeChanged`; those that are gone hold no rows. */
  #changed = new Set<number>()
  #gone: number[] = []

  /** `index`: where the sums are of; without the rest, of a group that has no rows. */
  constructor(
    { windowRecords, keepsPruned = false }: Pick<DigestKind, 'windowRecords' | 'keepsPruned'>,
    index: number,
    tables: Iterable<readonly [string, HashSum]> = [],
    stretches: Iterable<readonly [number, HashSum]> = [],
  ) {
    this.#windowRecords = windowRecords
    this.#keepsPruned = keepsPruned
    this.#from = firstStretch(index)
    this.#tables = new Map(tables)
    this.#stretches = new Map(stretches)
    this.#outcomes = [...this.#stretches.values()].reduce(plus, NO_ROWS)
  }

  /** Moves the sums over a record. `counts`: which rows and outcomes they are of so far. */
  apply(effects: RecordEffects, counts: Counts = COUNTS_ALL): void {
    for (const { table, before, after } of effects.rows) {
      const row = before ?? after
      if (row === null || !counts.row(table, row)) continue
      if (before !== null) this.addRow(table, hashRow(before), minus)
      if (after !== null) this.addRow(table, hashRow(after))
    }
    for (const { id, before, after } of effects.outcomes) {
      if (before !== undefined && counts.outcome(before.index, id)) {
        this.#addOutcome(before.index, hashOf(id, before), minus)
      }
      if (counts.outcome(after.index, id)) this.#addOutcome(after.index, hashOf(id, after), plus)
    }
    this.#prune(firstStretch(effects.index))
  }

  addRow(table: string, hash: HashSum, how: typeof plus = plus): void {
    this.#tables.set(table, how(this.#tables.get(table) ?? NO_ROWS, hash))
  }

  addOutcome(index: number, hash: HashSum): void {
    this.#addOutcome(index, hash, plus)
  }

  /** The sums by name, in the order of names; `head`: what else belongs to the state. */
  parts(names: readonly string[], head: HashSum): readonly DigestPart[] {
    return [
      ...names.map((name): DigestPart => [name, toDigits(this.#tables.get(name) ?? NO_ROWS)]),
      [OUTCOMES_PART, toDigits(this.#outcomes)],
      [HEAD_PART, toDigits(head)],
    ]
  }

  tables(): Readonly<Record<string, string>> {
    return Object.fromEntries(Array.from(this.#tables, ([name, sum]) => [name, toDigits(sum)]))
  }

  /** The stretches that changed since the last call, and those that are gone. */
  takeChanged(): { readonly changed: readonly StretchDigits[]; readonly gone: readonly number[] } {
    const changed = [...this.#changed].map((n) => this.#digits(n))
    const gone = this.#gone
    this.#changed = new Set()
    this.#gone = []
    return { changed, gone }
  }

  stretches(): readonly StretchDigits[] {
    return [...this.#stretches.keys()].map((n) => this.#digits(n))
  }

  #digits(stretch: number): StretchDigits {
    return [stretch, toDigits(this.#stretches.get(stretch) ?? NO_ROWS)]
  }

  #addOutcome(index: number, hash: HashSum, how: typeof plus): void {
    const stretch = stretchOf(index, this.#windowRecords)
    // It is gone, whether this store has deleted it yet or not.
    if (stretch < this.#from) return
    this.#stretches.set(stretch, how(this.#stretches.get(stretch) ?? NO_ROWS, hash))
    this.#outcomes = how(this.#outcomes, hash)
    this.#changed.add(stretch)
  }

  #prune(from: number): void {
    if (from <= this.#from || this.#keepsPruned) return
    this.#from = from
    for (const [stretch, sum] of this.#stretches) {
      if (stretch >= from) continue
      this.#outcomes = minus(this.#outcomes, sum)
      this.#stretches.delete(stretch)
      this.#changed.delete(stretch)
      this.#gone.push(stretch)
    }
  }
}

/** A part of the state, and the digits of its sum. */
export type DigestPart = readonly [name: string, digits: string]

/** A stretch of the log, and the digits of its outcomes. */
export type StretchDigits = readonly [stretch: number, digits: string]

export const OUTCOMES_PART = 'outcomes'
export const HEAD_PART = 'head'

/** What a sum is of while it is being made. */
export interface Counts {
  row(table: string, row: NonNullable<RowEffect['before']>): boolean
  outcome(index: number, id: string): boolean
}

const COUNTS_ALL: Counts = { row: () => true, outcome: () => true }

/** Sums that were stored; undefined: something in them is none. */
export function readSums<K>(
  entries: Iterable<readonly [K, unknown]>,
): readonly (readonly [K, HashSum])[] | undefined {
  const sums: (readonly [K, HashSum])[] = []
  for (const [name, digits] of entries) {
    const sum = fromDigits(digits)
    if (sum === undefined) return undefined
    sums.push([name, sum])
  }
  return sums
}

function hashOf(id: string, decided: OutcomeEffect['after']): HashSum {
  return hashOutcome(id, decided.index, decided.contentHash, encodedOutcome(decided))
}
