/** Ways to break the protocol on purpose, so that tests can show that a checker notices. */

/** Test-only: each switch drops one rule. */
export interface PinnedFaults {
  /** Imports overwrite whatever is stored (breaks protocol rule 3). */
  readonly lowerVersionOverwrites?: boolean
  /** No outcome is stored, so that a repeated write runs again (breaks protocol rule 6). */
  readonly forgetsOutcomes?: boolean
  /** Expired rows stay in the way of writes (breaks protocol rule 15). */
  readonly keepsExpiredRows?: boolean
  /** Home and epoch are judged before the write only, not inside it. */
  readonly trustsDirectoryCache?: boolean
}
