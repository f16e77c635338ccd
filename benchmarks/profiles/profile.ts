/** What a profile is: which parts are measured, how long, and how much of it. */

/** A profile. */
export interface Profile {
  readonly name: string
  /** For `--list` and help. */
  readonly summary: string
  /** Names of `PARTS`, in the order in which they run. */
  readonly parts: readonly string[]
  /** The time that its steps take together; they are shortened to it where they would take longer. */
  readonly measuringMs: number
  /** What the run may take in all, from the first process to the last; then it ends as it stands. */
  readonly limitMs: number
  readonly repetitions: number
  /** Calls a second of each origin in an open loop, where a step has no rate of its own. */
  readonly rateOpsPerSecond: number
  /** Held against the committed thresholds: a broken one fails the run. */
  readonly isGate: boolean
}
