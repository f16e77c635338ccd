/**
 * Test-only: breaks one protocol rule each, so that a test can show that its checker sees the
 * breach. Never set outside tests.
 */
export interface StrongFaults {
  /** Rule 10: a reader joins a read index that was already asked for when it arrived. */
  readonly joinSentReadIndex?: boolean
  /** Rule 11: the version of a row leaves out the place of the transaction in its record. */
  readonly versionWithoutPlace?: boolean
  /** Rule 12: the basis that the client fixed is not compared with the window. */
  readonly ignoreBasis?: boolean
  /** Rule 13: evaluation sees what was read before the batch, not what the batch did. */
  readonly ignoreOverlay?: boolean
  /** Phantoms: the ranges that a transaction read are not compared. */
  readonly rangeGuardIgnored?: boolean
  /** Rule 13: ranges are compared with what was read before the batch, not with what the batch did. */
  readonly rangeGuardWithoutOverlay?: boolean
  /** Rule 9: a region that is seeded again does not hold the log from where it will go on. */
  readonly skipRetentionHold?: boolean
  /** A seeded region keeps rows that the snapshot does not have. */
  readonly keepAbsentRows?: boolean
  /** Rule 5: a region that is being seeded counts as whole from its first part on. */
  readonly positionBeforeEnd?: boolean
}
