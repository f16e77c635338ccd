/**
 * Whether the operations of one register have an order that a single register would have given.
 *
 * The search of Wing and Gong ("Testing and verifying concurrent objects", 1993) with the memory of
 * Lowe ("Testing for linearizability", 2017), in Lowe's just-in-time form: it goes from end to end of
 * the known operations and lets an operation take effect only when the next one to end asks for it.
 * A state of the search is therefore the register's value and which of the open operations took
 * effect, so that the work grows with how many are open at once, not with the length of the history.
 *
 * What a register allows to leave out (each keeps an order if there was one):
 * - a read takes effect as soon as the value is there: it changes nothing;
 * - a value may be left only when nobody still has to see it, or somebody can write it again;
 * - a write that nobody sees any more takes effect just before any other write;
 * - an operation of unknown outcome takes effect only where the next one sees its value: elsewhere
 *   it may as well never have happened.
 */

/** An operation as far as the search needs it. Values are numbers from 0, the initial value. */
export interface RegisterStep {
  /** The value that it saw (a read) or needs (a compare-and-set). */
  readonly observes: number | undefined
  /** The value that it leaves; undefined for a read. */
  readonly sets: number | undefined
  readonly invokedAt: number
  /** Infinity for an unknown outcome: at any later time, or never. */
  readonly endedAt: number
}

/** Where the search gave up. */
export interface DeadEnd {
  readonly outcome: 'violated'
  /** How many states were visited. */
  readonly states: number
  /** How many of the known operations had ended, by their ends, in the states that reach furthest. */
  readonly ended: number
  /** What the register holds in those states. */
  readonly values: readonly number[]
  /** The known operations that are open there. */
  readonly open: readonly number[]
}

/** What the search found; numbers of steps are places in the list that was given. */
export type SearchResult =
  | { readonly outcome: 'linearizable'; readonly states: number }
  | { readonly outcome: 'undecided'; readonly states: number }
  | DeadEnd

/**
 * Searches for an order, in at most `maxStates` states. What `unforeseen` has to see is not looked
 * ahead to: an order that leaves it behind is followed up to its end, to show where it leads.
 */
export function searchOrder(
  steps: readonly RegisterStep[],
  valueCount: number,
  maxStates: number,
  unforeseen?: number,
): SearchResult {
  return new RegisterSearch(steps, valueCount, unforeseen).run(maxStates)
}

interface State {
  /** How many of the known operations have ended. */
  readonly ended: number
  readonly value: number
  /** Operations that took effect and have not ended, ascending. */
  readonly done: readonly number[]
}

class RegisterSearch {
  readonly #steps: readonly RegisterStep[]
  /** The known operations, by their ends. */
  readonly #ends: readonly number[]
  /** For each end, the known operations that are open there. */
  readonly #open: readonly (readonly number[])[]
  /** For each value, the ends of the known operations that see it, and of those that leave it. */
  readonly #observerEnds: readonly number[][]
  readonly #producerEnds: readonly number[][]
  /** For each value, the operations of unknown outcome that leave it. */
  readonly #unknown: readonly number[][]
  /** For each value, the last end of an operation that may see it. */
  readonly #seenUntil: number[]

  #deepest = -1
  #deepestValues = new Set<number>()

  constructor(steps: readonly RegisterStep[], valueCount: number, unforeseen?: number) {
    const perValue = (): number[][] => Array.from({ length: valueCount }, () => [])
    this.#steps = steps
    this.#ends = [...steps.keys()]
      .filter((id) => this.#isKnown(id))
      .sort((a, b) => this.#step(a).endedAt - this.#step(b).endedAt)
    this.#open = openAtEnds(steps, this.#ends)
    this.#observerEnds = perValue()
    this.#producerEnds = perValue()
    this.#unknown = perValue()
    for (const id of this.#ends) {
      const { observes, sets, endedAt } = this.#step(id)
      if (observes !== undefined && id !== unforeseen) this.#observerEnds[observes]?.push(endedAt)
      if (sets !== undefined) this.#producerEnds[sets]?.push(endedAt)
    }
    for (const [id, { sets }] of steps.entries()) {
      if (sets !== undefined && !this.#isKnown(id)) this.#unknown[sets]?.push(id)
    }
    this.#seenUntil = this.#observerEnds.map((ends) => ends.at(-1) ?? -1)
    this.#spreadSeen()
  }

  run(maxStates: number): SearchResult {
    const seen = new Set<string>()
    const stack: State[] = [{ ended: 0, value: 0, done: [] }]
    for (let state = stack.pop(); state !== undefined; state = stack.pop()) {
      const settled = this.#advance(state)
      if (settled.ended === this.#ends.length) return { outcome: 'linearizable', states: seen.size }
      const name = `${settled.ended} ${settled.value} ${settled.done.join(' ')}`
      if (seen.has(name)) continue
      if (seen.size >= maxStates) return { outcome: 'undecided', states: seen.size }
      seen.add(name)
      this.#noteDepth(settled)
      this.#pushSuccessors(settled, stack)
    }
    return {
      outcome: 'violated',
      states: seen.size,
      ended: this.#deepest,
      values: [...this.#deepestValues],
      open: this.#open[this.#deepest] as readonly number[],
    }
  }

  #step(id: number): RegisterStep {
    return this.#steps[id] as RegisterStep
  }

  #isKnown(id: number): boolean {
    return this.#step(id).endedAt !== Infinity
  }

  /** Where the operation ends that ends next. */
  #placeOf(state: State): number {
    return this.#step(this.#ends[state.ended] as number).endedAt
  }

  /** A compare-and-set of unknown outcome sees its old value if somebody may see the new one. */
  #spreadSeen(): void {
    const seenUntil = this.#seenUntil
    const chained = this.#unknown.flat().map((id) => this.#step(id))
    for (let changed = true; changed;) {
      changed = false
      for (const { observes, sets, invokedAt } of chained) {
        if (observes === undefined || sets === undefined) continue
        const until = seenUntil[sets] as number
        if (until <= invokedAt || until <= (seenUntil[observes] as number)) continue
        seenUntil[observes] = until
        changed = true
      }
    }
  }

  /** Lets reads take effect and operations end for as long as no choice has to be made. */
  #advance(state: State): State {
    let { ended, done } = state
    const { value } = state
    for (; ended < this.#ends.length; ended++) {
      const reads = (this.#open[ended] as readonly number[]).filter((id) => {
        const { observes, sets } = this.#step(id)
        return sets === undefined && observes === value && !done.includes(id)
      })
      if (reads.length > 0) done = [...done, ...reads].sort((a, b) => a - b)
      const ending = this.#ends[ended] as number
      if (!done.includes(ending)) break
      const { endedAt } = this.#step(ending)
      done = done.filter((id) => id !== ending && (this.#isKnown(id) || this.#isSeen(id, endedAt)))
    }
    return { ended, value, done }
  }

  /** Whether anybody that ends at `place` or later may see what the operation leaves. */
  #isSeen(id: number, place: number): boolean {
    return (this.#seenUntil[this.#step(id).sets as number] as number) >= place
  }

  #noteDepth(state: State): void {
    if (state.ended > this.#deepest) {
      this.#deepest = state.ended
      this.#deepestValues = new Set()
    }
    if (state.ended === this.#deepest) this.#deepestValues.add(state.value)
  }

  /** The states after one more operation; the last one pushed is the likeliest. */
  #pushSuccessors(state: State, stack: State[]): void {
    const place = this.#placeOf(state)
    const ending = this.#ends[state.ended] as number
    const open = (this.#open[state.ended] as readonly number[]).filter(
      (id) => this.#step(id).sets !== undefined && !state.done.includes(id),
    )
    const unseen = open.filter(
      (id) => this.#step(id).observes === undefined && !this.#isSeen(id, place),
    )
    const push = (id: number): void => {
      const { observes, sets } = this.#step(id)
      if (observes !== undefined && observes !== state.value) return
      const along = observes === undefined ? unseen.filter((other) => other !== id) : []
      const done = [...state.done, id, ...along].sort((a, b) => a - b)
      if (sets !== state.value && this.#strands(state.value, done, place)) return
      stack.push({ ended: state.ended, value: sets as number, done })
    }
    for (const id of this.#usefulUnknown(state, place)) push(id)
    const others = open.filter((id) => id !== ending && !unseen.includes(id))
    for (const id of others.sort((a, b) => this.#step(b).endedAt - this.#step(a).endedAt)) push(id)
    if (open.includes(ending)) push(ending)
  }

  /** Whether leaving the value leaves somebody behind who has to see it and nobody to write it. */
  #strands(value: number, done: readonly number[], place: number): boolean {
    let observers = countFrom(this.#observerEnds[value] as number[], place)
    if (observers === 0) return false
    let producers = countFrom(this.#producerEnds[value] as number[], place)
    producers += (this.#unknown[value] as number[]).length
    for (const id of done) {
      const { observes, sets } = this.#step(id)
      if (observes === value && this.#isKnown(id)) observers--
      if (sets === value) producers--
    }
    return observers > 0 && producers === 0
  }

  /** Operations of unknown outcome that lead to a value that an open operation waits for. */
  #usefulUnknown(state: State, place: number): number[] {
    const wanted = new Set<number>()
    for (const id of this.#open[state.ended] as readonly number[]) {
      const { observes } = this.#step(id)
      if (observes === undefined || observes === state.value || state.done.includes(id)) continue
      wanted.add(observes)
    }
    const useful: number[] = []
    for (const value of wanted) {
      const alike = new Set<number | undefined>()
      for (const id of this.#unknown[value] as number[]) {
        const { observes, invokedAt } = this.#step(id)
        if (invokedAt > place || alike.has(observes) || state.done.includes(id)) continue
        // Of operations that do the same, the first stands for all.
        alike.add(observes)
        useful.push(id)
        if (observes !== undefined && observes !== state.value) wanted.add(observes)
      }
    }
    return useful
  }
}

/** For each end, which known operations have begun before it and not ended before it. */
function openAtEnds(steps: readonly RegisterStep[], ends: readonly number[]): number[][] {
  const begins = [...ends].sort((a, b) => begunAt(a) - begunAt(b))
  function begunAt(id: number): number {
    return (steps[id] as RegisterStep).invokedAt
  }
  const open = new Set<number>()
  let next = 0
  return ends.map((ending) => {
    const place = (steps[ending] as RegisterStep).endedAt
    for (; next < begins.length && begunAt(begins[next] as number) < place; next++) {
      open.add(begins[next] as number)
    }
    const there = [...open]
    open.delete(ending)
    return there
  })
}

/** How many of the ascending numbers are at `from` or above. */
function countFrom(ascending: readonly number[], from: number): number {
  let low = 0
  let high = ascending.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((ascending[middle] as number) < from) low = middle + 1
    else high = middle
  }
  return ascending.length - low
}
