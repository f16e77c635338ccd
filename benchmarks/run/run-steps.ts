/** Runs steps one after the other; one that fails is told of, and the rest goes on. */
import { MeridianError } from '../../src/core/errors.ts'
import type { BenchContext, BenchStep } from '../step.ts'
import { runUnderLeader } from './leader-watch.ts'
import type { BenchEvent } from './options.ts'
import type { StepOutcome } from './step-outcome.ts'

/** A step that is told to end has this long to do so before it is left alone. */
const GRACE_MS = 20_000

/** Runs steps in order, until the context's signal aborts. Never rejects. */
export async function runSteps(
  steps: readonly BenchStep[],
  context: BenchContext,
  onEvent: (event: BenchEvent) => void,
): Promise<readonly StepOutcome[]> {
  const outcomes: StepOutcome[] = []
  for (const [index, step] of steps.entries()) {
    if (context.signal.aborted) {
      outcomes.push({ step, result: undefined, problem: 'not begun' })
      continue
    }
    const afterMs = steps.slice(index + 1).reduce((sum, { durationMs }) => sum + durationMs, 0)
    onEvent({
      kind: 'step',
      name: step.name,
      index,
      count: steps.length,
      expectedMs: step.durationMs * context.timeScale,
      afterMs: afterMs * context.timeScale,
    })
    const outcome = await runUnderLeader(context, () => runStep(step, context))
    const { cells = [], peers = [] } = outcome.result ?? {}
    onEvent({ kind: 'measured', cells, peers })
    outcomes.push(outcome)
  }
  return outcomes
}

async function runStep(step: BenchStep, context: BenchContext): Promise<StepOutcome> {
  const grace = graceAfter(context.signal)
  try {
    const result = await Promise.race([step.run(context), grace.expired])
    return { step, result, problem: undefined }
  } catch (error) {
    return { step, result: undefined, problem: describe(error) }
  } finally {
    grace.stop()
  }
}

interface Grace {
  /** Rejects a while after the signal has aborted. */
  readonly expired: Promise<never>
  stop(): void
}

function graceAfter(signal: AbortSignal): Grace {
  let timer: NodeJS.Timeout | undefined
  let onAbort = (): void => undefined
  const expired = new Promise<never>((_, reject) => {
    onAbort = () => {
      timer = setTimeout(() => {
        reject(new MeridianError('DEADLINE_EXCEEDED', 'it did not end when it was told to'))
      }, GRACE_MS)
    }
  })
  signal.addEventListener('abort', onAbort, { once: true })
  return {
    expired,
    stop() {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
    },
  }
}

function describe(error: unknown): string {
  if (error instanceof MeridianError) return `${error.code}: ${error.message}`
  return error instanceof Error ? error.message : String(error)
}
