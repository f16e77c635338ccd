/**
 * The id by which a transaction that comes again is known. Outcomes are stored in its order: of keys
 * that clients make (`newTxId`: time, then randomness) it begins with the time, so that outcomes of one
 * moment lie beside each other, and a batch writes a few pages of the store in place of one for each
 * transaction. What identifies the transaction is the rest: 80 bits of a hash of tenant and key.
 */
import { sha256Hex } from '../../src/core/sha256.ts'

/** As `newTxId` makes them. A key of a service's own that looks like one is only stored elsewhere. */
const TIMED_KEY = /^[0-9a-f]{32}$/
const TIME_DIGITS = 12
const DIGITS = 32

/** 32 hexadecimal digits, a pure function of both: every region and every retry comes to the same. */
export function dedupeIdOf(tenant: string, idempotencyKey: string): string {
  const digest = sha256Hex(`transaction\0${tenant}\0${idempotencyKey}`)
  const time = TIMED_KEY.test(idempotencyKey) ? idempotencyKey.slice(0, TIME_DIGITS) : ''
  return time + digest.slice(0, DIGITS - time.length)
}
