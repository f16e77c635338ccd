/** The open loop: calls begin when they are due, whether or not earlier ones have ended. */
import type { Calls } from './calls.ts'
import { pause, turn, type LoopTime } from './loop-time.ts'
import type { Tally } from './tally.ts'
import { turnBudgetOf } from './turn-budget.ts'

/** Counted for a call that was due with too many under way to make it. */
export const NOT_MADE = 'NOT_MADE_TOO_MANY_UNDER_WAY'

/** Overdue calls that begin in one turn of the event loop: answers come in between. */
const CALLS_A_TURN = 8
/** Timers count whole milliseconds: what is left is spent in turns, as far as there are any. */
const TIMER_MS = 1
/** Calls of this length and more begin by timers, which may be early: a millisecond is nothing to them. */
const LONG_CALL_MS = 50

export interface OpenLoop {
  readonly calls: Calls
  readonly tally: Tally
  readonly time: LoopTime
  /** When the next call is due, in ms after the start. */
  readonly nextDueMs: () => number
  /** Calls that are made first and not counted. */
  readonly warmupCalls: number
  /** Calls after them. */
  readonly countedCalls: number
  readonly maxOutstanding: number
  readonly signal?: AbortSignal | undefined
}

/** Resolves once the last call has begun, or with the signal. */
export async function runOpenLoop(loop: OpenLoop): Promise<void> {
  const { calls, tally, time, nextDueMs, warmupCalls, countedCalls, maxOutstanding, signal } = loop
  const startMs = time.nowMs()
  for (let index = 0, overdue = 0; index < warmupCalls + countedCalls; index++) {
    const dueMs = startMs + nextDueMs()
    const hasWaited = await waitUntil(dueMs, loop)
    overdue = hasWaited ? 0 : overdue + 1
    if (overdue % CALLS_A_TURN === CALLS_A_TURN - 1) await turn(time)
    if (signal?.aborted === true) return
    const isCounted = index >= warmupCalls
    if (calls.running < maxOutstanding) {
      void calls.make(index, dueMs, isCounted, time.nowMs() - dueMs)
    } else if (isCounted) {
      tally.attempt(undefined)
      tally.fail(NOT_MADE)
    }
  }
}

/** Returns whether there was anything to wait for. */
async function waitUntil(dueMs: number, { calls, time, signal }: OpenLoop): Promise<boolean> {
  const turns = turnBudgetOf(time)
  let hasWaited = false
  for (;;) {
    const leftMs = dueMs - time.nowMs()
    if (leftMs <= 0 || signal?.aborted === true) return hasWaited
    hasWaited = true
    const isLong = (calls.typicalMs ?? 0) >= LONG_CALL_MS
    const byTimerMs = isLong ? Math.ceil(leftMs) : Math.floor(leftMs)
    if (leftMs >= TIMER_MS) await pause(time, byTimerMs, signal)
    else if (!(await turns.turn())) await pause(time, TIMER_MS, signal)
  }
}
