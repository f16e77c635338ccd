/** How long a thread may turn its event loop with nothing to do: the system needs the core. */
import { turn, type LoopTime } from './loop-time.ts'

/** Of the time that passes. */
const SHARE = 0.1
/** Saved up at most, for several calls that are due soon after each other. */
const MOST_MS = 20
/** A turn that takes longer did something that had to be done, or another process ran meanwhile. */
const EMPTY_TURN_MS = 0.05

/** What loops of one thread may spend on turns, together: a tenth of any stretch and 20 ms. */
export class TurnBudget {
  readonly #time: LoopTime
  #leftMs = MOST_MS
  #reckonedAtMs: number
  /** Turns of several loops at once are the same turn. */
  #spentUntilMs: number

  constructor(time: LoopTime) {
    this.#time = time
    this.#reckonedAtMs = time.nowMs()
    this.#spentUntilMs = this.#reckonedAtMs
  }

  /** Lets the event loop turn once; `false`: there is nothing left for it, and it did not. */
  async turn(): Promise<boolean> {
    const startMs = this.#time.nowMs()
    this.#leftMs = Math.min(MOST_MS, this.#leftMs + SHARE * (startMs - this.#reckonedAtMs))
    this.#reckonedAtMs = startMs
    if (this.#leftMs <= 0) return false
    await turn(this.#time)
    const endMs = this.#time.nowMs()
    const tookMs = Math.max(0, endMs - Math.max(startMs, this.#spentUntilMs))
    this.#spentUntilMs = endMs
    this.#leftMs -= Math.min(tookMs, EMPTY_TURN_MS)
    return true
  }
}

const budgets = new WeakMap<LoopTime, TurnBudget>()

/** The one of all loops that have this time. */
export function turnBudgetOf(time: LoopTime): TurnBudget {
  let budget = budgets.get(time)
  if (budget === undefined) {
    budget = new TurnBudget(time)
    budgets.set(time, budget)
  }
  return budget
}
