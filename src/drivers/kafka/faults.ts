/** Deliberate breaches, for tests alone: a checker that stays green with one proves nothing. */

/** In a change log. */
export interface KafkaLogFaults {
  /** Readers take what another writer stored a second time. */
  readonly keepsDuplicates?: boolean
  /** An append that failed is taken for one that stored nothing: the end is not asked anew. */
  readonly trustsOldEnd?: boolean
  /** What other writers stored in between is not looked at. */
  readonly ignoresOthers?: boolean
  /** A record counts that was written behind records which the log has lost since. */
  readonly followsGaps?: boolean
}

/** In a client. */
export interface KafkaClientFaults {
  /** After a failed call, its sequence numbers are given to other records. */
  readonly keepsIdentity?: boolean
}
