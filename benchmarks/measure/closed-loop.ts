/** The closed loop: so many callers, each of which calls again when its call has ended. */
import type { Calls } from './calls.ts'
import { pause, turn, type LoopTime } from './loop-time.ts'

/** Where calls need no turn of the event loop, one is made this often: whatever else waits comes on. */
const TURN_EVERY_MS = 1

export interface ClosedLoop {
  readonly calls: Calls
  readonly time: LoopTime
  readonly concurrency: number
  readonly warmupMs: number
  readonly durationMs: number
  readonly signal?: AbortSignal | undefined
}

/** Resolves once no caller makes another call, or with the signal. Returns when counting began. */
export async function runClosedLoop(loop: ClosedLoop): Promise<number> {
  const { calls, time, concurrency, warmupMs, durationMs, signal } = loop
  const countedFromMs = time.nowMs() + warmupMs
  const endMs = countedFromMs + durationMs
  let index = 0
  let turnedAtMs = time.nowMs()
  const call = async (): Promise<void> => {
    for (;;) {
      const nowMs = time.nowMs()
      if (nowMs >= endMs || signal?.aborted === true) return
      await calls.make(index++, nowMs, nowMs >= countedFromMs)
      if (time.nowMs() - turnedAtMs < TURN_EVERY_MS) continue
      await turn(time)
      turnedAtMs = time.nowMs()
    }
  }
  for (let i = 0; i < concurrency; i++) void call()
  while (time.nowMs() < endMs && signal?.aborted !== true) {
    await pause(time, endMs - time.nowMs(), signal)
  }
  return countedFromMs
}
