/**
 * Stamps order the leases of one store. Incarnations of a store are numbered in order (one store
 * write at process start), so that a stamp of an earlier life is always the smaller one: random
 * incarnations would let a late message of a dead process pass for a newer promise.
 */

/** A promise of one life of a store: the newest lease that it had sent when it made it. */
export interface Stamp {
  /** Life of the store's process, from 1, rising. */
  readonly incarnation: number
  /** The last LEASE of that life that was sent; 0 before the first. */
  readonly seq: number
}

/** Below 0 when `a` is older, above 0 when it is newer, 0 when they are equal. */
export function compareStamps(a: Stamp, b: Stamp): number {
  return a.incarnation - b.incarnation || a.seq - b.seq
}

/** The newer of two stamps. */
export function newerStamp(a: Stamp, b: Stamp): Stamp {
  return compareStamps(a, b) >= 0 ? a : b
}
