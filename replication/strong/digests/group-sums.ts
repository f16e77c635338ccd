/**
 * The sums of a log group at one index, and how records move them: each table's rows, and the outcomes
 * that are still remembered. Outcomes are kept in one sum for each stretch of the log between two
 * points at which outcomes are pruned (protocol rule 12), so that pruning takes a whole sum away.
 */
import type { DigestKind } from './digest-store.ts'
import { encodedOutcome, PRUNE_EVERY_RECORDS, type OutcomeEffect } from '../outcomes.ts'
import type { RowEffect } from '../state-machine.ts'
import { fromDigits, hashRow, hashValues, NO_ROWS, toDigits, type HashSum } from './row-hash.ts'

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
function firstStretch(index: number): number {
  return Math.floor(index / PRUNE_EVERY_RECORDS)
}

/** The stretch of an outcome that was decided at `index`. */
function stretchOf(index: number, windowRecords: number): number {
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
  readonly #tables: Map<string, OpenSum>
  readonly #stretches: Map<number, OpenSum>
  readonly #outcomes: OpenSum = { a: 0, b: 0 }
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
    this.#tables = new Map(Array.from(tables, ([name, sum]) => [name, { ...sum }]))
    this.#stretches = new Map(Array.from(stretches, ([n, sum]) => [n, { ...sum }]))
    for (const sum of this.#stretches.values()) add(this.#outcomes, sum, 1)
  }

  /** Moves the sums over a record. `counts`: which rows and outcomes they are of so far. */
  apply(effects: RecordEffects, counts: Counts = COUNTS_ALL): void {
    for (const { table, before, after } of effects.rows) {
      const row = before ?? after
      if (row === null || !counts.row(table, row)) continue
      if (before !== null) this.addRow(table, hashRow(before), -1)
      if (after !== null) this.addRow(table, hashRow(after))
    }
    for (const { id, before, after } of effects.outcomes) {
      if (before !== undefined && counts.outcome(before.index, id)) {
        this.#addOutcome(before.index, hashOf(id, before), -1)
      }
      if (counts.outcome(after.index, id)) this.#addOutcome(after.index, hashOf(id, after), 1)
    }
    this.#prune(firstStretch(effects.index))
  }

  addRow(table: string, hash: HashSum, times: 1 | -1 = 1): void {
    add(sumIn(this.#tables, table), hash, times)
  }

  addOutcome(index: number, hash: HashSum): void {
    this.#addOutcome(index, hash, 1)
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

  #addOutcome(index: number, hash: HashSum, times: 1 | -1): void {
    const stretch = stretchOf(index, this.#windowRecords)
    // It is gone, whether this store has deleted it yet or not.
    if (stretch < this.#from) return
    add(sumIn(this.#stretches, stretch), hash, times)
    add(this.#outcomes, hash, times)
    this.#changed.add(stretch)
  }

  #prune(from: number): void {
    if (from <= this.#from || this.#keepsPruned) return
    this.#from = from
    for (const [stretch, sum] of this.#stretches) {
      if (stretch >= from) continue
      add(this.#outcomes, sum, -1)
      this.#stretches.delete(stretch)
      this.#changed.delete(stretch)
      this.#gone.push(stretch)
    }
  }
}

/** A sum that is being moved: of its own, so that no step allocates one. */
interface OpenSum {
  a: number
  b: number
}

function sumIn<K>(sums: Map<K, OpenSum>, name: K): OpenSum {
  let sum = sums.get(name)
  if (sum === undefined) {
    sum = { a: 0, b: 0 }
    sums.set(name, sum)
  }
  return sum
}

function add(sum: OpenSum, { a, b }: HashSum, times: 1 | -1): void {
  sum.a = (sum.a + times * a) >>> 0
  sum.b = (sum.b + times * b) >>> 0
}

/** A part of the state, and the digits of its sum. */
export type DigestPart = readonly [name: string, digits: string]

/** A stretch of the log, and the digits of its outcomes. */
export type StretchDigits = readonly [stretch: number, digits: string]

const OUTCOMES_PART = 'outcomes'
const HEAD_PART = 'head'

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
