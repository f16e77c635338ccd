/** Which records there are, and which a region's callers choose. */
import type { SeededRandom } from '../../../src/core/seeded-random.ts'
import type { Caller } from '../callers.ts'
import { latest, scrambledZipfian } from '../zipfian.ts'
import type { CoreWorkload } from './core-workloads.ts'
import { RECORDS } from './core-workloads.ts'

/** A record that callers of a region know. */
export interface KnownRecord {
  readonly number: number
  /** Who has inserted it: in this caller's session it must be found. `null` of what was loaded. */
  readonly owner: Caller | null
}

/** Numbers of new records, of all regions. */
export interface RecordNumbers {
  next(): number
}

/** Numbers from behind the loaded records on. */
export function recordNumbers(): RecordNumbers {
  let last = RECORDS - 1
  return { next: () => ++last }
}

/** What the callers of one region know and choose. */
export interface KeySpace {
  choose(): KnownRecord
  /** Adds a record that was inserted. */
  add(record: KnownRecord): void
}

/**
 * The key space of a region: the loaded records, then what was inserted from there, in the order of
 * acknowledgement. `expectedInserts` leaves room, so that popular records stay the same ones.
 */
export function keySpace(
  random: SeededRandom,
  popular: CoreWorkload['popular'],
  expectedInserts: number,
): KeySpace {
  const known = Array.from({ length: RECORDS }, (_, number): KnownRecord => ({
    number,
    owner: null,
  }))
  const countOf = (): number => known.length
  const capacity = RECORDS + Math.ceil(2 * expectedInserts)
  const draw =
    popular === 'latest' ? latest(random, countOf) : scrambledZipfian(random, capacity, countOf)
  return {
    choose: () => known[draw()] as KnownRecord,
    add: (record) => known.push(record),
  }
}
