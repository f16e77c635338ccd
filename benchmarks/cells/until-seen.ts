/** Waiting until what was written shows elsewhere. */
import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { MeridianError } from '../../src/client/index.ts'

/** Between the end of one look and the beginning of the next. */
const PAUSE_MS = 2
/** Looking begins this long before the earliest moment at which there can be something to see. */
const EARLY_MS = 2
/** Anything that is not seen by then counts as failed. */
const TIMEOUT_MS = 10_000

/** What a reader must know of latencies that were found by looking again and again. */
export const POLL_NOTE = `The time runs from the write's acknowledgement in the client until the answer of the first read that shows it has arrived: about ${PAUSE_MS} ms and one read longer, at most, than until it could be seen.`

/** How to look. */
export interface UntilSeenOptions {
  /** Nothing can be seen before: a way between regions takes that long. */
  readonly expectedAfterMs: number
  readonly look: () => Promise<boolean>
  readonly signal?: AbortSignal
  /** Default: ten seconds. */
  readonly timeoutMs?: number
}

/**
 * Looks until there is something to see, and resolves with the milliseconds from the call on.
 *
 * @throws MeridianError `DEADLINE_EXCEEDED`, and what `look` throws
 */
export async function untilSeen(options: UntilSeenOptions): Promise<number> {
  const { expectedAfterMs, look, signal, timeoutMs = TIMEOUT_MS } = options
  const startMs = performance.now()
  const firstAfterMs = expectedAfterMs - EARLY_MS
  if (firstAfterMs > 0) await pause(firstAfterMs, undefined, { signal })
  for (;;) {
    if (await look()) return performance.now() - startMs
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
