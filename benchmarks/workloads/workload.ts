/** What a workload is, and the kinds of call that it makes. */
import type { ReadLevel } from '../../src/client/index.ts'
import type { CellKey } from '../measure/cell.ts'
import type { LoopOptions, Operation } from '../measure/loop.ts'
import type { BenchStep, StepPlan } from '../step.ts'

/** A workload by its name. */
export interface WorkloadEntry {
  /** One line, for `--help`. */
  readonly summary: string
  steps(plan: StepPlan): readonly BenchStep[]
}

/** One kind of call from one region: it becomes a cell. */
export interface CallKind extends CellKey {
  readonly level: ReadLevel | null
  /** What the topology alone costs; a limit where it is more than 0. */
  readonly networkMs: number
  readonly load: LoopOptions['load']
  readonly operation: Operation
}
