/** What can be measured, by name: the latency cells, the peers, growth, and each workload. */
import { gateSteps, latencySteps } from '../cells/index.ts'
import { growthSteps } from '../growth/index.ts'
import { peerSteps } from '../peers/index.ts'
import { rateSteps } from '../rates/index.ts'
import type { BenchStep, StepPlan } from '../step.ts'
import { WORKLOADS } from '../workloads/index.ts'

/** One part. */
export interface Part {
  /** For `--list`. */
  readonly summary: string
  steps(plan: StepPlan): readonly BenchStep[]
}

/** All parts. */
export const PARTS: Readonly<Record<string, Part>> = {
  gate: { summary: 'the few cells that the regression gate judges', steps: gateSteps },
  latency: { summary: 'every call of the three modes from every region', steps: latencySteps },
  rates: { summary: 'changes a second that merging and views take', steps: rateSteps },
  peers: { summary: 'raw engines and other databases at the same work', steps: peerSteps },
  growth: { summary: 'cost by rows, tenants, regions, backlog and time', steps: growthSteps },
  ...WORKLOADS,
}
