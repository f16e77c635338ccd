/** Whether this machine can generate a rate: found by calling nothing, as fast as it goes. */
import { MeridianError } from '../../src/core/errors.ts'
import { Calls } from './calls.ts'
import type { LoopTime } from './loop-time.ts'
import { runOpenLoop } from './open-loop.ts'
import { Tally } from './tally.ts'

/** Calls of a calibration: those of a tenth of a second, within bounds. */
const SHARE_OF_SECOND = 0.1
const FEWEST_CALLS = 20
const MOST_CALLS = 5000
/** What is called takes its part of the thread: the generator alone must be capable of twice the rate. */
const HEADROOM = 2
/** The machine may have stood still during one. */
const ATTEMPTS = 3

/** The highest rate that was shown to be possible, of each source of time. */
const proven = new WeakMap<LoopTime, number>()

/**
 * Resolves where the machine can generate the rate. A rate that was possible once is not tried again.
 *
 * @throws MeridianError `INVALID_ARGUMENT` where it cannot; `details` has what it can
 */
export async function requireRate(
  rateOpsPerSecond: number,
  time: LoopTime,
  signal?: AbortSignal,
): Promise<void> {
  if (rateOpsPerSecond <= (proven.get(time) ?? 0)) return
  let best = 0
  for (let i = 0; i < ATTEMPTS && signal?.aborted !== true; i++) {
    best = Math.max(best, (await emptyCallsPerSecond(rateOpsPerSecond, time)) / HEADROOM)
    if (best < rateOpsPerSecond) continue
    proven.set(time, best)
    return
  }
  if (signal?.aborted === true) return
  const possible = Math.floor(best)
  throw new MeridianError(
    'INVALID_ARGUMENT',
    `This machine can generate ${possible} calls a second, with nothing to call; ${rateOpsPerSecond} were asked for.`,
    {
      fix: 'Ask for a lower rate, leave the machine less else to do, or measure with a closed loop.',
      details: { rateOpsPerSecond, possibleOpsPerSecond: possible },
    },
  )
}

/** Makes calls of nothing that are all due at once. */
async function emptyCallsPerSecond(rateOpsPerSecond: number, time: LoopTime): Promise<number> {
  const wanted = Math.round(rateOpsPerSecond * SHARE_OF_SECOND)
  const count = Math.max(FEWEST_CALLS, Math.min(MOST_CALLS, wanted))
  const tally = new Tally()
  const calls = new Calls({ operation: async () => undefined, time, tally })
  const startMs = time.nowMs()
  await runOpenLoop({
    calls,
    tally,
    time,
    nextDueMs: () => 0,
    warmupCalls: 0,
    countedCalls: count,
    maxOutstanding: count,
  })
  const tookMs = time.nowMs() - startMs
  return tookMs > 0 ? (count / tookMs) * 1000 : Infinity
}
