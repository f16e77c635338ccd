/**
 * Who leads the commit log while a step runs. Limits of strong calls are those of a leader in one
 * region: what another one led must not be held against them.
 */
import type { BenchContext, NamedHistogram, StepResult } from '../step.ts'
import type { StepOutcome } from './step-outcome.ts'

/** The engine whose figures depend on the leader as much as strong calls do. */
const LED_PEER = 'etcd'

/**
 * Measures a step with the commit log led from the target's leader, before and after it. If another
 * region led, what depends on the leader is measured once more; if that happens again, it is left
 * out, and a note says so.
 */
export async function runUnderLeader(
  context: Pick<BenchContext, 'target' | 'signal' | 'note'>,
  run: () => Promise<StepOutcome>,
): Promise<StepOutcome> {
  const { target, signal } = context
  const first = await watched(context, run)
  if (first.led === target.leader || !dependsOnLeader(first.outcome.result)) return first.outcome
  if (signal.aborted) return withoutLed(first.outcome, first.led, target.leader)
  context.note(`${first.outcome.step.name}: once more, ${sentenceOf(first.led, target.leader)}`)
  const second = await watched(context, run)
  if (second.outcome.result === undefined) {
    return withoutLed(first.outcome, first.led, target.leader)
  }
  if (second.led !== target.leader) return withoutLed(second.outcome, second.led, target.leader)
  const note = `${second.outcome.step.name}: measured again, because at first ${sentenceOf(first.led, target.leader)}`
  return { ...second.outcome, result: noted(second.outcome.result, note) }
}

/** A run of a step, and who led: the target's leader, or whoever did instead. */
interface Watched {
  readonly outcome: StepOutcome
  readonly led: string | undefined
}

async function watched(
  { target }: Pick<BenchContext, 'target'>,
  run: () => Promise<StepOutcome>,
): Promise<Watched> {
  if (target.currentLeader === undefined) return { outcome: await run(), led: target.leader }
  let before = await target.currentLeader()
  if (before !== target.leader) before = await target.handBackLead?.()
  const outcome = await run()
  const after = await target.currentLeader()
  return { outcome, led: before === target.leader ? after : before }
}

function dependsOnLeader(result: StepResult | undefined): boolean {
  return (
    result !== undefined &&
    (result.cells?.some(({ mode }) => mode === 'strong') === true ||
      result.peers?.some(({ peer }) => peer === LED_PEER) === true)
  )
}

/** The outcome without what depends on the leader. */
function withoutLed(outcome: StepOutcome, led: string | undefined, leader: string): StepOutcome {
  const { step, result } = outcome
  if (result === undefined) return outcome
  const kept: StepResult = {
    ...result,
    cells: result.cells?.filter(({ mode }) => mode !== 'strong') ?? [],
    peers: result.peers?.filter(({ peer }) => peer !== LED_PEER) ?? [],
    histograms: result.histograms?.filter((one) => !isOfLed(one)) ?? [],
  }
  const note = `${step.name}: strong calls and ${LED_PEER} are withheld, because ${sentenceOf(led, leader)}`
  return { ...outcome, result: noted(kept, note) }
}

/** Names of cells begin with the mode, those of workloads have it after the call; a level stands after either. */
function isOfLed({ name }: NamedHistogram): boolean {
  return /^(?!pinned-|eventual-)(.*-)?strong-/.test(name) || name.startsWith(`raw-${LED_PEER}-`)
}

function noted(result: StepResult, note: string): StepResult {
  return { ...result, notes: [...(result.notes ?? []), note] }
}

function sentenceOf(led: string | undefined, leader: string): string {
  return `the commit log was led from ${led ?? 'nowhere'}, not from ${leader}, before or after the calls.`
}
