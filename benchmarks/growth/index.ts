/** How costs grow: with rows, tenants, regions, a stream's backlog, and time. */
import type { BenchStep, StepPlan } from '../step.ts'
import { backlogSteps } from './backlog.ts'
import { holdersSteps } from './holders.ts'
import { memorySteps } from './memory.ts'
import { rowsSteps } from './rows.ts'
import { tenantsSteps } from './tenants.ts'

/**
 * The steps, those that leave many rows behind last. Each takes its time at most and says in a note
 * which sizes it did not come to.
 */
export function growthSteps(plan: StepPlan): readonly BenchStep[] {
  return [
    ...holdersSteps(plan),
    ...memorySteps(plan),
    ...backlogSteps(plan),
    ...tenantsSteps(plan),
    ...rowsSteps(plan),
  ]
}
