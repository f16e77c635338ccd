/** Waiting until what was written shows elsewhere. */
import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { MeridianError, type Receipt, type Receipted } from '../../src/client/index.ts'
import { hlcMs } from '../../src/core/hlc.ts'
import type { CellKey } from '../measure/cell.ts'
import type { BenchContext } from '../step.ts'
import { LevelCheck } from './calls.ts'
import type { OpenCell } from './cell-plan.ts'

/** Between the end of one look and the beginning of the next. */
const PAUSE_MS = 2
/** Looking begins this long before the earliest moment at which there can be something to see. */
const EARLY_MS = 2
/** Anything that is not seen by then counts as failed. */
const TIMEOUT_MS = 10_000

/** Since when the latencies of what follows a commit count. */
export const COMMIT_NOTE =
  "The time runs from the write's commit: from the wall clock of its timestamp (HLC), which is drawn just before the commit, on this machine, in whole milliseconds, so up to 1 ms early. It does not wait for the acknowledgement in the client."

/** The same of latencies that were found by looking again and again. */
export const COMMIT_POLL_NOTE = `${COMMIT_NOTE} It ends when the answer of the first read that shows the write has arrived: about ${PAUSE_MS} ms and one read longer, at most, than until it could be seen.`

/** When a write was made, by `performance.now()`. */
export interface WriteTimes {
  readonly calledMs: number
  readonly acknowledgedMs: number
}

/**
 * When a write was committed, by `performance.now()`: the wall clock of its timestamp, never before
 * the write was called or after it was acknowledged, should the wall clock be set meanwhile.
 *
 * @throws MeridianError `INTERNAL` where the write's receipt has no timestamp
 */
export function committedMs(
  hlc: string | undefined,
  { calledMs, acknowledgedMs }: WriteTimes,
): number {
  if (hlc === undefined) throw new MeridianError('INTERNAL', 'The write has no timestamp.')
  const committed = hlcMs(hlc) - performance.timeOrigin
  return Math.min(acknowledgedMs, Math.max(calledMs, committed))
}

/** How to look. */
export interface UntilSeenOptions {
  /** Since when it counts, by `performance.now()`. Default: from the call on. */
  readonly sinceMs?: number
  /** Nothing can be seen before: a way between regions takes that long. */
  readonly expectedAfterMs: number
  readonly look: () => Promise<boolean>
  readonly signal?: AbortSignal
  /** Default: ten seconds. */
  readonly timeoutMs?: number
}

/**
 * Looks until there is something to see, and resolves with the milliseconds since `sinceMs`.
 *
 * @throws MeridianError `DEADLINE_EXCEEDED`, and what `look` throws
 */
export async function untilSeen(options: UntilSeenOptions): Promise<number> {
  const { expectedAfterMs, look, signal, timeoutMs = TIMEOUT_MS } = options
  const startMs = performance.now()
  const { sinceMs = startMs } = options
  const firstAfterMs = sinceMs + expectedAfterMs - EARLY_MS - startMs
  if (firstAfterMs > 0) await pause(firstAfterMs, undefined, { signal })
  for (;;) {
    if (await look()) return performance.now() - sinceMs
    if (performance.now() - startMs > timeoutMs) {
      throw new MeridianError('DEADLINE_EXCEEDED', 'What was written is not seen elsewhere.')
    }
    await pause(PAUSE_MS, undefined, { signal })
  }
}

/** Names that no other row of this or an earlier run has. */
export function freshIds(prefix: string): () => string {
  const run = randomBytes(6).toString('hex')
  let last = 0
  return () => `${prefix}-${run}-${++last}`
}

/** A write in one region, and how another one is asked whether it shows it. */
export interface WatchedWrite {
  readonly expectedAfterMs: number
  /** Writes under a fresh id. */
  write(this: void, id: string, index: number): Promise<{ readonly receipt: Receipt }>
  /** One read of what the region shows. */
  look(this: void, id: string, index: number): Promise<Receipted<boolean>>
}

/** Calls whose latency is the time from a commit until it is seen; `prefix` of their ids. */
export function openWatched(
  context: BenchContext,
  key: CellKey,
  prefix: string,
  { expectedAfterMs, write, look }: WatchedWrite,
): OpenCell {
  const ids = freshIds(prefix)
  const levels = new LevelCheck(key)
  return {
    check: () => levels.check(),
    operation: async (index) => {
      const id = ids()
      const calledMs = performance.now()
      const { receipt } = await write(id, index)
      const acknowledgedMs = performance.now()
      const latencyMs = await untilSeen({
        sinceMs: committedMs(receipt.hlc, { calledMs, acknowledgedMs }),
        expectedAfterMs,
        signal: context.signal,
        look: async () => {
          const seen = await look(id, index)
          levels.require(seen.receipt.level)
          return seen.value
        },
      })
      return { level: levels.asked, attempts: receipt.requests, latencyMs }
    },
  }
}
