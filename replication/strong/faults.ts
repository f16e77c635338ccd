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
  /** Rule 11: the columns that a transaction read are not compared. */
  readonly columnGuardIgnored?: boolean
  /** Rule 11: of columns that were read, it does not count whether their row is there. */
  readonly columnGuardWithoutRow?: boolean
  /** Rule 13: the log rises to this node's version, whatever the other regions support. */
  readonly raiseWithoutAsking?: boolean
  /** Rule 13: a node evaluates by its own schema, whatever the log has come to. */
  readonly activeSchemaIgnored?: boolean
  /** No fault: a node of an older release, whose state machine ends at this version. */
  readonly machineVersion?: number
  /** Phantoms: the SQL that a transaction read is not compared. */
  readonly sqlGuardIgnored?: boolean
  /** Rule 13: SQL is compared with what was there before the records ahead of it in its batch. */
  readonly sqlGuardInsideBatch?: boolean
  /** Rule 15: the log's time is that of the record, also where it was later before. */
  readonly logTimeOfRecord?: boolean
  /** Rule 15: records carry this node's clock, however far it is from the others'. */
  readonly clockUnchecked?: boolean
  /** Rule 15: one clock that contradicts is enough, whoever is right. */
  readonly clockMinoritySuffices?: boolean
  /** Rule 15: a reading of a clock counts as exact, whatever its round trip. */
  readonly clockRoundTripIgnored?: boolean
  /** Rule 15: clocks are compared when a peer answers, not when a record is stamped. */
  readonly clockComparedAtReading?: boolean
  /** Digests of the regions differ, and nobody minds. */
  readonly divergenceIgnored?: boolean
  /** Rule 12: the digest leaves out which outcomes were pruned. */
  readonly digestWithoutPruning?: boolean
  /** Rule 25: a skipped record has its effects where they can be had. */
  readonly skipIgnored?: boolean
  /** Rule 9: a region that is seeded again does not hold the log from where it will go on. */
  readonly skipRetentionHold?: boolean
  /** A seeded region keeps rows that the snapshot does not have. */
  readonly keepAbsentRows?: boolean
  /** Rule 5: a region that is being seeded counts as whole from its first part on. */
  readonly positionBeforeEnd?: boolean
}
