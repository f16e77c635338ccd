/** What came of a step. */
import type { BenchStep, StepResult } from '../step.ts'

/** How a step ended. */
export interface StepOutcome {
  readonly step: BenchStep
  /** `undefined`: it failed, or was not begun. */
  readonly result: StepResult | undefined
  /** Why there is no result. */
  readonly problem: string | undefined
}
