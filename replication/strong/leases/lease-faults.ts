/**
 * Test-only: breaks one rule of the lease protocol each, so that the simulation can show that its
 * checks see the breach. Never set outside tests.
 */
export interface LeaseFaults {
  /** A read is answered before the stable index has reached what it saw. */
  readonly skipStableWait?: boolean
  /** A read-index read is answered before the stable index has reached what it saw. */
  readonly skipStableWaitOfReadIndex?: boolean
  /** A refused transaction is answered at once: it reveals what it met. */
  readonly revealAbort?: boolean
  /** A reply waits for its own record only, not for those before it. */
  readonly replyPerRecord?: boolean
  /** A later LEASE counts as proof that its holder applied what is before it. */
  readonly renewalAsAck?: boolean
  /** The lease is counted from when it was applied, not from before it was sent. */
  readonly expiryFromApply?: boolean
  /** Leases from before this process started count as over. */
  readonly forgottenIsOver?: boolean
  /** The waiter does not allow for clocks that differ in rate. */
  readonly skipDriftMargin?: boolean
  /** The holder's time stands still while its machine is suspended. */
  readonly holderTrustsMonotonic?: boolean
  /** The waiter believes its wall clock. */
  readonly waiterTrustsWall?: boolean
  /** A LEASE that is not newer than the newest of its store takes effect. */
  readonly lateLeaseCounts?: boolean
  /** A RELEASE takes effect whatever its stamp. */
  readonly releaseAnyStamp?: boolean
  /** The row stays valid until the own RELEASE is applied. */
  readonly releaseBeforeVoid?: boolean
  /** A LEASE that was in flight when the lease was released gives it back. */
  readonly releaseKeepsSent?: boolean
  /** A region's acknowledgement counts for whichever of its stores. */
  readonly ackWithoutDatabase?: boolean
  /** Leases of other stores of the own region are not waited for. */
  readonly ignoreOwnOldDatabase?: boolean
  /** Of each region only the lease of the newest store is waited for. */
  readonly newestDatabaseOnly?: boolean
  /** What was deleted or moved away above the stable index is not waited for. */
  readonly ignoreDirtyRows?: boolean
  /** A process takes nothing for written that was written before it began. */
  readonly startsClean?: boolean
  /** The lease row of the life before stays valid although its marks are lost. */
  readonly keepRowAtStart?: boolean
  /** A reader does not ask whose life the row is of. */
  readonly skipIncarnationCheck?: boolean
  /** Reads do not look at marks. */
  readonly ignoreMarks?: boolean
  /** A reader takes no notice of a mark that it waited for for a while. */
  readonly readThroughMarks?: boolean
  /** Marks end when the record is evaluated, not when it is committed. */
  readonly clearMarksBeforeCommit?: boolean
  /** A sender counts as having marked what it did not mark. */
  readonly selfAckWithoutMark?: boolean
  /** A renewal drops marks that carry its own stamp. */
  readonly dropMarksAtEqualStamp?: boolean
  /** A mark that is promised again takes the stamp of the last promise, newer or not. */
  readonly lowerStampOverwrites?: boolean
  /** An INVACK of an earlier life counts under a lease of a later one. */
  readonly hintAckOfOlderIncarnation?: boolean
  /** An INVACK counts under a later lease of the same life. */
  readonly hintAckIgnoresSeq?: boolean
  /** An INVACK counts for whichever store of its region. */
  readonly hintAckWithoutDatabase?: boolean
  /** One marked transaction is enough for all of its record. */
  readonly hintAckOfAnyInRecord?: boolean
  /** Write sets that are known only at apply are taken to be what they look like beforehand. */
  readonly guessWriteSets?: boolean
}
