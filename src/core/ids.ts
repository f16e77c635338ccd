/** Ids that sort by time of creation and do not collide. */
import type { Clock, Random } from './ports/runtime.ts'
import { toHex } from './values.ts'

/** A transaction id: 12 hexadecimal digits of milliseconds and 20 of randomness. */
export function newTxId(clock: Clock, random: Random): string {
  return clock.nowMs().toString(16).padStart(12, '0') + toHex(random.bytes(10))
}

/** A short random id: the incarnation of a store, the lineage of a key. 8 hexadecimal digits. */
export function newShortId(random: Random): string {
  return toHex(random.bytes(4))
}
