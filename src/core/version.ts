/**
 * Row versions: fixed-width text whose order is the order of writes, never reused after a delete.
 * A lower version never overwrites a higher one.
 */
import type { Hlc } from './hlc.ts'

/** Version of a strong row: log index, then place of the transaction in its record. */
export function strongVersion(index: number, place: number): string {
  return `${hex(index, 12)}.${hex(place, 4)}`
}

/**
 * Version of a pinned row: the tenant's epoch, then the transaction's sequence at the home store.
 * The sequence is the HLC that the store draws for every transaction: strictly increasing.
 */
export function pinnedVersion(epoch: number, seq: Hlc): string {
  return `${hex(epoch, 8)}.${seq}`
}

function hex(value: number, width: number): string {
  return value.toString(16).padStart(width, '0')
}
