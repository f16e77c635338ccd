/** Measures the steps of a run on an open deployment, and once more what broke a bound of the gate. */
import { prepare } from '../cells/index.ts'
import type { RunFacts } from '../report/result.ts'
import type { BenchContext } from '../step.ts'
import type { BenchTarget } from '../target/target.ts'
import type { BenchSchema } from '../workloads/schema.ts'
import { isCellOf, judgeGate, type Breach, type Judged } from './gate.ts'
import type { BenchRunOptions } from './options.ts'
import { planSteps, type RunPlan } from './plan-run.ts'
import { runSteps } from './run-steps.ts'
import type { StepOutcome } from './step-outcome.ts'
import type { Thresholds } from './thresholds.ts'

/** What was measured. */
export interface Measured {
  readonly outcomes: readonly StepOutcome[]
  readonly wan: RunFacts['wan']
  readonly notes: readonly string[]
  readonly breaches: readonly Breach[]
}

/** A cell that broke a bound is measured this many times as long before it counts. */
const LONGER = 2

/**
 * Measures the steps of a plan, made anew where another region leads the commit log than was asked.
 *
 * @throws MeridianError what the preparation of tenants and rows throws
 */
export async function measure(
  context: BenchContext,
  plan: RunPlan,
  options: BenchRunOptions,
): Promise<Measured> {
  const { onEvent, thresholds } = options
  const { target } = context
  const remarks = (): readonly string[] => target.remarks?.() ?? []
  const steps = target.leader === options.leader ? plan.steps : planSteps(options, target.leader)
  const wan = await testNetwork(target, onEvent)
  onEvent({ kind: 'phase', phase: 'prepare' })
  if (!(await isPrepared(context))) {
    const outcomes = steps.map((step) => ({ step, result: undefined, problem: 'not begun' }))
    return { outcomes, wan, notes: remarks(), breaches: [] }
  }
  onEvent({ kind: 'phase', phase: 'measure' })
  const first = await runSteps(steps, context, onEvent)
  if (thresholds === undefined) return { outcomes: first, wan, notes: remarks(), breaches: [] }
  const { outcomes, notes } = await measureAgain(first, context, options, thresholds)
  const breaches = judgeGate(foundBy(outcomes), thresholds)
  return { outcomes, wan, notes: [...notes, ...remarks()], breaches }
}

/** `false`: the run was told to end before. */
async function isPrepared(context: BenchContext): Promise<boolean> {
  if (context.signal.aborted) return false
  try {
    await prepare(context)
    return true
  } catch (error) {
    if (context.signal.aborted) return false
    throw error
  }
}

/** What the proxies between processes add by themselves. */
async function testNetwork(
  target: BenchTarget<BenchSchema>,
  onEvent: BenchRunOptions['onEvent'],
): Promise<RunFacts['wan']> {
  const test = await target.selfTest?.()
  if (test === undefined) return null
  const { addedMs, delayMs } = test
  const text =
    `The emulated network adds ${addedMs.p50.toFixed(3)} ms (p50), ${addedMs.p99.toFixed(3)} ms ` +
    `(p99) to a round trip over ${delayMs} ms one way, the caller's own time included.`
  onEvent({ kind: 'notice', text })
  return test
}

/** A machine may stand still for a moment: what broke a bound or failed gets a second, longer look. */
async function measureAgain(
  first: readonly StepOutcome[],
  context: BenchContext,
  { onEvent }: Pick<BenchRunOptions, 'onEvent'>,
  thresholds: Thresholds,
): Promise<Pick<Measured, 'outcomes' | 'notes'>> {
  const breaches = judgeGate(foundBy(first), thresholds)
  const isSuspect = ({ result }: StepOutcome): boolean =>
    result === undefined ||
    breaches.some(({ bound }) => result.cells?.some((cell) => isCellOf(bound, cell)) === true)
  const again = first.filter(isSuspect).map(({ step }) => step)
  if (again.length === 0 || context.signal.aborted) return { outcomes: first, notes: [] }
  onEvent({ kind: 'phase', phase: 'again' })
  const longer = { ...context, timeScale: context.timeScale * LONGER }
  const second = new Map(
    (await runSteps(again, longer, onEvent)).map((outcome) => [outcome.step, outcome]),
  )
  const notes = breaches
    .filter(({ problem }) => problem !== 'missing')
    .map(({ text }) => `Measured again, ${LONGER} times as long, because at first: ${text}`)
  const outcomes = first.map((outcome) => {
    const later = second.get(outcome.step)
    return later?.result === undefined ? outcome : later
  })
  return { outcomes, notes }
}

function foundBy(outcomes: readonly StepOutcome[]): Judged {
  return {
    cells: outcomes.flatMap(({ result }) => result?.cells ?? []),
    peers: outcomes.flatMap(({ result }) => result?.peers ?? []),
  }
}
