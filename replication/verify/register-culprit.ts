/** Which operation of a register that has no order is the first that has no place in one. */

import { searchOrder, type RegisterStep } from './register-search.ts'

/** States that each of the searches here may visit. */
const MAX_STATES = 50_000

/** The first operation without a place; numbers are places in the list of steps. */
export interface Culprit {
  readonly step: number
  /** What the operations that ended before leave the register at. */
  readonly values: readonly number[]
  /** The known operations that are open when it ends, itself too. */
  readonly open: readonly number[]
}

/**
 * Finds it by halving: what ended by an instant, with all the rest of unknown outcome, has an order
 * until that operation ends, and none after. `ended`: how many of the known operations the search got
 * past, so that the culprit is none of them.
 */
export function findCulprit(
  steps: readonly RegisterStep[],
  valueCount: number,
  ended: number,
): Culprit {
  const ends = [...steps.keys()]
    .filter((id) => endOf(steps, id) !== Infinity)
    .sort((a, b) => endOf(steps, a) - endOf(steps, b))
  let low = ended
  let high = ends.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    const { past } = upTo(steps, endOf(steps, ends[middle] as number))
    if (searchOrder(past, valueCount, MAX_STATES).outcome === 'violated') high = middle
    else low = middle + 1
  }
  const step = ends[high] as number
  const { past, ids } = upTo(steps, endOf(steps, step))
  const found = searchOrder(past, valueCount, MAX_STATES, ids.indexOf(step))
  if (found.outcome !== 'violated') return { step, values: [], open: [step] }
  return { step, values: found.values, open: found.open.map((id) => ids[id] as number) }
}

function endOf(steps: readonly RegisterStep[], id: number): number {
  return (steps[id] as RegisterStep).endedAt
}

/** What is known at an instant: reads that have not ended are not, other operations may take effect. */
function upTo(
  steps: readonly RegisterStep[],
  place: number,
): { readonly past: readonly RegisterStep[]; readonly ids: readonly number[] } {
  const ids = [...steps.keys()].filter((id) => {
    const { invokedAt, endedAt, sets } = steps[id] as RegisterStep
    return invokedAt < place && (endedAt <= place || sets !== undefined)
  })
  const past = ids.map((id) => {
    const step = steps[id] as RegisterStep
    return step.endedAt <= place ? step : { ...step, endedAt: Infinity }
  })
  return { past, ids }
}
