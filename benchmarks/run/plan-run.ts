/** What a run will do: the steps of its parts, and how much they are shortened to fit its time. */
import { PLANNED_REPETITIONS } from '../cells/cell-plan.ts'
import type { BenchStep, StepPlan } from '../step.ts'
import type { BenchRunOptions } from './options.ts'
import { PARTS } from './parts.ts'

/** The plan of a run. */
export interface RunPlan {
  readonly steps: readonly BenchStep[]
  /** Multiplies the warm-ups and windows of the steps. */
  readonly timeScale: number
  readonly repetitions: number
  /** What the run may take in all. */
  readonly limitMs: number
}

/**
 * The steps of a run, with the limits that they have where `leader` leads the commit log. Names of
 * parts that there are not are left out; the command line refuses them.
 */
export function planSteps(options: BenchRunOptions, leader: string): readonly BenchStep[] {
  const { engines, topology, profile, parts = profile.parts } = options
  const rateOpsPerSecond = options.rateOpsPerSecond ?? profile.rateOpsPerSecond
  const plan: StepPlan = {
    ...{ engines, topology, leader, rateOpsPerSecond },
    ...(options.rateOpsPerSecond === undefined
      ? {}
      : { askedRateOpsPerSecond: options.rateOpsPerSecond }),
  }
  return parts
    .flatMap((name) => PARTS[name]?.steps(plan) ?? [])
    .filter(({ name }) => options.only?.(name) ?? true)
}

/** Plans a run as it was asked for; who really leads is known only once the deployment is open. */
export function planRun(options: BenchRunOptions): RunPlan {
  const { profile, measuringMs } = options
  const steps = planSteps(options, options.leader)
  const wantedMs = measuringMs ?? profile.measuringMs
  const repetitions = options.repetitions ?? profile.repetitions
  // Steps reckon their duration with so many repetitions.
  const fullMs =
    (steps.reduce((sum, { durationMs }) => sum + durationMs, 0) * repetitions) / PLANNED_REPETITIONS
  const fitting = fullMs === 0 ? 1 : wantedMs / fullMs
  return {
    steps,
    // Longer than usual only where it was asked for.
    timeScale: measuringMs === undefined ? Math.min(1, fitting) : fitting,
    repetitions,
    limitMs: profile.limitMs + Math.max(0, wantedMs - profile.measuringMs),
  }
}
