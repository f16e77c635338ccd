/** Deliberate breaches, for tests alone: a checker that stays green with one proves nothing. */
export interface PublishFaults {
  /** A resolved record says what is about to be sent, not what was acknowledged. */
  readonly resolvedBeforeAck?: boolean
  /** The position is kept before the broker has acknowledged what is up to it. */
  readonly positionBeforeAck?: boolean
  /** The parts of a batch for one topic are sent at once: a later one may be stored alone. */
  readonly partsAtOnce?: boolean
  /** After a restart the sequence numbers before the first records are not known any more. */
  readonly forgetsPrevious?: boolean
}
