/** Runs steps on two cores: cheap ones in pairs, those that measure or load the machine alone. */
import type { Step } from './steps.ts'

const CORES = 2

export type Outcome = 'passed' | 'failed' | 'blocked'

/**
 * Runs every step once, in order as far as the cores allow, and resolves when all are done. A
 * step whose `needs` is among `steps` waits for it; if that did not pass, it is `blocked` and
 * not run.
 *
 * @param run - runs one step and says whether it passed; must not throw.
 * @param skip - told of each blocked step.
 */
export async function schedule(
  steps: readonly Step[],
  run: (step: Step) => Promise<boolean>,
  skip: (step: Step) => void,
): Promise<void> {
  const outcomes = new Map<string, Outcome>()
  const selected = new Set(steps.map((step) => step.name))
  const waiting = [...steps]
  const active = new Map<Step, Promise<void>>()

  const isReady = (step: Step): boolean => {
    const mustWait = step.needs !== undefined && selected.has(step.needs)
    return !mustWait || outcomes.has(step.needs)
  }
  const start = (step: Step): void => {
    const isBlocked =
      step.needs !== undefined && (outcomes.get(step.needs) ?? 'passed') !== 'passed'
    if (isBlocked) {
      outcomes.set(step.name, 'blocked')
      skip(step)
      return
    }
    const done = run(step).then((ok) => {
      outcomes.set(step.name, ok ? 'passed' : 'failed')
      active.delete(step)
    })
    active.set(step, done)
  }

  while (waiting.length > 0 || active.size > 0) {
    const isAloneActive = [...active.keys()].some((step) => step.alone === true)
    const next = waiting.findIndex(isReady)
    const step = waiting[next]
    const canStart =
      step !== undefined &&
      !isAloneActive &&
      (step.alone === true ? active.size === 0 : active.size < CORES)
    if (canStart) {
      waiting.splice(next, 1)
      start(step)
    } else {
      await Promise.race(active.values())
    }
  }
}
