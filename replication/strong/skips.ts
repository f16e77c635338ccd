/**
 * Records that have no effect (protocol rule 25): a store of every region refused them, and an operator
 * appended `SKIP(index)` behind them. Which ones they are is replicated state: a region that applied
 * such a record all the same has another state than those that skipped it.
 */
import { MeridianError } from '../../src/core/errors.ts'
import type { Statement } from '../../src/core/ports/store.ts'
import type { SqlValue } from '../../src/core/values.ts'
import type { Outcome } from './state-machine.ts'

/** What became of a command in a record that was skipped: the same in every region, and remembered. */
export const SKIPPED: Outcome = {
  ok: false,
  failure: { code: 'CANCELLED', details: { skipped: true } },
}

/** The skipped records of a group, as one region has them. */
export class SkipList {
  readonly #group: string
  readonly #isIgnored: boolean
  /** Applied without effect here. */
  #applied: readonly number[]
  /** A `SKIP` was read ahead, and the record is yet to come. */
  readonly #ordered = new Set<number>()

  /** `isIgnored`: test-only. */
  constructor(group: string, applied: readonly number[], isIgnored = false) {
    this.#group = group
    this.#isIgnored = isIgnored
    this.#applied = applied
  }

  /** The records that were applied without effect, ascending. */
  applied(): readonly number[] {
    return this.#applied
  }

  /** A `SKIP` of a record that is not applied yet was read. */
  order(index: number): void {
    this.#ordered.add(index)
  }

  isOrdered(index: number): boolean {
    return this.#ordered.has(index)
  }

  /** The copy was replaced by one that skipped these. */
  replace(applied: readonly number[]): void {
    this.#applied = applied
  }

  /** The record was applied without effect, and durably so. */
  note(index: number): void {
    this.#ordered.delete(index)
    this.#applied = [...this.#applied, index]
  }

  /** Stores that the record at `index` is one of them. */
  store(index: number): Statement {
    return storeSkips(this.#group, [...this.#applied, index])
  }

  /**
   * For a `SKIP(index)` in its place in the log, at `at`. One of a record behind it has no effect, as
   * has one that is there twice.
   *
   * @throws MeridianError `LOG_FOREIGN` where this region applied the record
   */
  requireSkipped(index: number, at: number): void {
    if (this.#isIgnored || index >= at || this.#applied.includes(index)) return
    throw new MeridianError(
      'LOG_FOREIGN',
      `Record ${index} of log group '${this.#group}' was skipped at ${at}; this region has applied it.`,
      {
        fix: 'Seed this region again from one that skipped it.',
        details: { group: this.#group, index, appliedSkipped: true },
      },
    )
  }
}

/** Whether an error says that this region applied what others skipped. */
export function hasAppliedSkipped(error: MeridianError): boolean {
  return error.code === 'LOG_FOREIGN' && error.details['appliedSkipped'] === true
}

/**
 * The record at which a store or a decoder refused to go on; undefined: it is another kind of failure,
 * which no `SKIP` mends.
 */
export function poisonIndex(error: MeridianError | undefined, applied: number): number | undefined {
  if (error?.code === 'PROTOCOL_MALFORMED') return applied + 1
  const index = error?.code === 'INTERNAL' ? error.details['index'] : undefined
  return index === applied + 1 ? index : undefined
}

/** The skipped records of a group, of what `_meta` has under its key. */
export function readSkips(value: SqlValue | undefined): readonly number[] {
  return typeof value === 'string' ? (JSON.parse(value) as number[]) : []
}

/** Sets the skipped records of a group. */
export function storeSkips(group: string, skipped: readonly number[]): Statement {
  return {
    sql: `INSERT INTO _meta (key, value) VALUES (?, ?)
      ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
    args: [skipsKey(group), JSON.stringify(skipped)],
  }
}

/** Where `_meta` has them. */
export function skipsKey(group: string): string {
  return `skipped:${group}`
}
