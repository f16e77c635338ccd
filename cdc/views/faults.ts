/** Deliberate breaches, for tests alone: a checker that stays green with one proves nothing. */
export interface ViewFaults {
  /** The position is committed before the rows, apart from them. */
  readonly positionApart?: boolean
  /** A view counts as moved before its rows are committed: its position becomes durable without. */
  readonly movesBeforeWrite?: boolean
  /** A delete takes a row out that its expiry took out before (breaks protocol rule 19). */
  readonly sweepRetractsAgain?: boolean
}
