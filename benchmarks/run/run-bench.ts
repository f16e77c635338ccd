/** A run of benchmarks, from the opening of the deployment to its result. */
import { setMaxListeners } from 'node:events'
import type { PeerCell } from '../measure/cell.ts'
import {
  describeEnvironment,
  readCpuTimes,
  stealShare,
  type Environment,
} from '../measure/environment.ts'
import { makeResult, type MeasuredRun, type RunFacts } from '../report/result.ts'
import type { BenchContext } from '../step.ts'
import type { Breach } from './gate.ts'
import { measure, type Measured } from './measure.ts'
import { openRun, type OpenRun } from './open-run.ts'
import type { BenchRunOptions } from './options.ts'
import { planRun, type RunPlan } from './plan-run.ts'

/** How a run ended. */
export type Ending = 'complete' | 'interrupted' | 'out of time'

/** A run that has ended. */
export interface BenchRun extends MeasuredRun {
  readonly ending: Ending
  /** Names of the steps that gave nothing. */
  readonly failedSteps: readonly string[]
  /** Bounds of the gate that do not hold; empty where there was no gate. */
  readonly breaches: readonly Breach[]
}

/** What closing takes at most, of the time of a run. */
const CLOSING_MS = 15_000

/**
 * Opens the deployment, prepares it, measures every step, and closes everything, however it ends.
 * A step that fails becomes a note of the result.
 *
 * @throws MeridianError what opening or preparing the deployment throws
 */
export async function runBench(options: BenchRunOptions): Promise<BenchRun> {
  const { directory, onEvent } = options
  const plan = planRun(options)
  const startedAt = new Date()
  const timeUp = AbortSignal.timeout(Math.max(0, plan.limitMs - CLOSING_MS))
  const signal = AbortSignal.any([options.signal, timeUp])
  // Every loop that runs listens to it, and there are as many as cells.
  setMaxListeners(0, signal)
  const environment = await describeEnvironment(directory)
  const cpuBefore = readCpuTimes()
  onEvent({ kind: 'phase', phase: 'open' })
  const open = await openRun(options)
  try {
    const measured = await measure(contextOf(open, plan, options, signal), plan, options)
    const ending = endingOf(options.signal, timeUp, measured)
    const found = collect(measured)
    const facts: RunFacts = {
      ...requested(options, plan),
      deployment: open.target.description,
      topology: open.target.topology,
      leader: open.target.leader,
      startedAt: startedAt.toISOString(),
      elapsedMs: Date.now() - startedAt.getTime(),
      isComplete: ending === 'complete' && failedSteps(measured).length === 0,
      environment: withEngines(environment, found.peers),
      cpuStealShare: stealShare(cpuBefore, readCpuTimes()),
      wan: measured.wan,
      ...found,
      notes: notesOf(ending, measured),
    }
    return {
      result: makeResult(facts),
      histograms: measured.outcomes.flatMap(({ result }) => result?.histograms ?? []),
      ending,
      failedSteps: failedSteps(measured),
      breaches: measured.breaches,
    }
  } finally {
    onEvent({ kind: 'phase', phase: 'close' })
    await open.close()
  }
}

function contextOf(
  { target, client }: OpenRun,
  { timeScale, repetitions }: RunPlan,
  { seed, onEvent }: BenchRunOptions,
  signal: AbortSignal,
): BenchContext {
  const note = (text: string): void => onEvent({ kind: 'doing', text })
  return { target, client, timeScale, repetitions, seed, signal, note }
}

type Requested =
  | 'profile'
  | 'engines'
  | 'command'
  | 'topologyName'
  | 'seed'
  | 'timeScale'
  | 'repetitions'

function requested(options: BenchRunOptions, plan: RunPlan): Pick<RunFacts, Requested> {
  const { profile, engines, command, topologyName, seed } = options
  const { timeScale, repetitions } = plan
  return { profile: profile.name, engines, command, topologyName, seed, timeScale, repetitions }
}

function endingOf(asked: AbortSignal, timeUp: AbortSignal, { outcomes }: Measured): Ending {
  const isWhole = outcomes.every(({ result }) => result !== undefined)
  if (asked.aborted) return 'interrupted'
  return timeUp.aborted && !isWhole ? 'out of time' : 'complete'
}

function collect({ outcomes }: Measured): Pick<RunFacts, 'cells' | 'peers' | 'growth'> {
  const results = outcomes.flatMap(({ result }) => result ?? [])
  return {
    cells: results.flatMap(({ cells = [] }) => cells),
    peers: results.flatMap(({ peers = [] }) => peers),
    growth: results.flatMap(({ growth = [] }) => growth),
  }
}

function withEngines(environment: Environment, peers: readonly PeerCell[]): Environment {
  const engines = Object.fromEntries(peers.map(({ peer, version }) => [peer, version]))
  return { ...environment, engines: { ...environment.engines, ...engines } }
}

function failedSteps({ outcomes }: Measured): readonly string[] {
  return outcomes.flatMap(({ step, result }) => (result === undefined ? [step.name] : []))
}

function notesOf(ending: Ending, { outcomes, notes }: Measured): readonly string[] {
  const incomplete = whyIncomplete(ending, outcomes)
  const ofSteps = outcomes.flatMap(({ step, result, problem }) => [
    ...(problem === undefined ? [] : [`${step.name}: not measured; ${problem}`]),
    ...(result?.notes ?? []),
  ])
  // Steps of one kind say the same.
  return [...new Set([...incomplete, ...ofSteps, ...notes])]
}

/** One sentence; empty where every step gave a result. */
function whyIncomplete(ending: Ending, outcomes: Measured['outcomes']): readonly string[] {
  const measured = outcomes.filter(({ result }) => result !== undefined).length
  const count = `${measured} of ${outcomes.length} steps`
  if (ending === 'interrupted') return [`Incomplete: the run was interrupted after ${count}.`]
  if (ending === 'out of time') return [`Incomplete: the run's time was used up after ${count}.`]
  return measured === outcomes.length ? [] : [`Incomplete: ${count} gave a result.`]
}
