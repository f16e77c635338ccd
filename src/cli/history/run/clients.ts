/**
 * The clients of a run: in each region several processes, each with one operation open at a time
 * and a session of its own. They slow down where the deployment does, and never ask faster than the
 * rate.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { asMeridianError } from '../../../core/errors.ts'
import type { SeededRandom } from '../../../core/seeded-random.ts'
import type { HistoryDatabase } from '../schema.ts'
import type { Operation, Workload } from '../workloads/workload.ts'
import { classifyFailure, type Classify } from './outcome.ts'
import type { HistoryRecorder } from './recorder.ts'

/** Shorter than a client's own: with many faults, many operations end with an unknown outcome. */
const DEADLINE_MS = 4_000
/** The least of a turn's pause, of its mean; and its spread. */
const LEAST_SHARE = 0.5

/** What calls of one process go through. */
export interface Caller {
  readonly db: HistoryDatabase
  readonly recorder: HistoryRecorder
  /** Aborts calls under way; they end with an unknown outcome. */
  readonly signal: AbortSignal
  /** Default: `classifyFailure`. */
  readonly classify?: Classify | undefined
}

/** One process after another: who has an unknown outcome is replaced. */
export class Client {
  readonly #caller: Caller
  readonly #session: ReturnType<HistoryDatabase['session']>
  #process: number

  constructor(caller: Caller) {
    this.#caller = caller
    this.#session = caller.db.session()
    this.#process = caller.recorder.newProcess()
  }

  /** Runs and records one operation. Never rejects. Resolves to how it ended. */
  async run(
    operation: Operation,
    deadlineMs: number = DEADLINE_MS,
  ): Promise<'ok' | 'fail' | 'info'> {
    const { db, recorder, signal, classify = classifyFailure } = this.#caller
    const { f, key, value } = operation
    const process = this.#process
    recorder.begin(process, { f, key, value })
    try {
      const options = { deadlineMs, signal, session: this.#session }
      const answered = await operation.run(db, options)
      recorder.end(process, answered.type, answered.value)
      return answered.type
    } catch (error) {
      const type = classify(error, operation.isRead)
      if (type === 'info') this.#process = recorder.newProcess()
      recorder.end(process, type, value, asMeridianError(error).code)
      return type
    }
  }
}

/** How a client is kept busy. */
export interface Turns {
  readonly client: Client
  readonly workload: Workload
  readonly random: SeededRandom
  /** Between the beginnings of two operations, on average. */
  readonly periodMs: number
  /** Ends it, once the operation under way has ended. */
  readonly until: AbortSignal
}

/** Makes one operation after another until it is to end. */
export async function takeTurns(turns: Turns): Promise<void> {
  const { client, workload, random, periodMs, until } = turns
  let dueMs = performance.now() + periodMs * random.fraction()
  for (;;) {
    await pauseUntil(dueMs, until)
    if (until.aborted) return
    await client.run(workload.next(random))
    const period = periodMs * (LEAST_SHARE + random.fraction() * 2 * (1 - LEAST_SHARE))
    dueMs = Math.max(dueMs + period, performance.now())
  }
}

async function pauseUntil(dueMs: number, signal: AbortSignal): Promise<void> {
  const leftMs = dueMs - performance.now()
  try {
    // Also where it is late: others have their turn.
    await pause(Math.max(0, leftMs), undefined, { signal })
  } catch {
    // The end has come.
  }
}
