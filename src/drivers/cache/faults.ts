/** Deliberate breaches, for tests alone: a checker that stays green with one proves nothing. */
export interface CacheFaults {
  /** A fill is stored although a change after its position was applied. */
  readonly fillBelowFloor?: boolean
  /** A change deletes its entry and lease, and leaves nothing that a late fill would meet. */
  readonly deleteInsteadOfFloor?: boolean
  /** Floors that were lost begin at 0 instead of the position that the cache begins at. */
  readonly floorsFromZero?: boolean
  /** Changes are applied although earlier ones are missing. */
  readonly applyOverGap?: boolean
  /** Entries of before the cache lost its floors count still. */
  readonly keepFormerLife?: boolean
}
