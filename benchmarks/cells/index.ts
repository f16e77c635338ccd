/**
 * The latency cells of the three modes, each with its limit, the raw engine's step beside it in the
 * same run, and the row of the performance budget that it answers to.
 */
import type { BenchStep, StepPlan } from '../step.ts'
import type { CellsPlan, CellStepPlan, Pace } from './cell-plan.ts'
import { convergence, eventualReads, eventualWrites } from './eventual.ts'
import { pinnedReads, pinnedWrites } from './pinned.ts'
import { pointReadsInProcess, pointReadsThroughNode } from './point-reads.ts'
import { cellStep } from './run-cells.ts'
import {
  strongLocalReads,
  strongReadsByIndex,
  strongWrites,
  strongWritesUnderLoad,
} from './strong.ts'
import { commitToReaders } from './visibility.ts'

export { prepare } from './prepare.ts'

/** With three repetitions, the raw engines' turns and settling: under nine minutes. */
const STANDARD: Pace = {
  warmupMs: 250,
  longestWindowMs: 25_000,
  loadedWindowMs: 1500,
  pointReads: { warmupMs: 120, windowMs: 400, rounds: 2 },
  knowsP99: true,
}

/** For ratios at p95: under 40 seconds. */
const GATE: Pace = {
  warmupMs: 150,
  longestWindowMs: 1050,
  loadedWindowMs: 600,
  pointReads: { warmupMs: 100, windowMs: 150, rounds: 2 },
  knowsP99: false,
}

/** Every latency cell of the modes. */
export function latencySteps(plan: StepPlan): readonly BenchStep[] {
  return latencyPlans(plan).map(cellStep)
}

/** A few that tell of every mode by ratios: to its limit, or to the raw engine in the same run. */
export function gateSteps(plan: StepPlan): readonly BenchStep[] {
  return gatePlans(plan).map(cellStep)
}

/** What `latencySteps` measures, before it is opened. */
export function latencyPlans(plan: StepPlan): readonly CellStepPlan[] {
  const cells: CellsPlan = { ...plan, pace: STANDARD, homes: plan.topology.regions }
  return [
    strongWrites,
    strongWritesUnderLoad,
    strongReadsByIndex,
    strongLocalReads,
    pinnedWrites,
    pinnedReads,
    eventualWrites,
    eventualReads,
    convergence,
    commitToReaders,
    pointReadsInProcess,
    pointReadsThroughNode,
  ].map((planOf) => planOf(cells))
}

/** What `gateSteps` measures, before it is opened. */
export function gatePlans(plan: StepPlan): readonly CellStepPlan[] {
  const cells: CellsPlan = { ...plan, pace: GATE, homes: [plan.leader] }
  return [
    strongWrites,
    pinnedWrites,
    eventualWrites,
    convergence,
    pointReadsInProcess,
    pointReadsThroughNode,
  ].map((planOf) => planOf(cells))
}
