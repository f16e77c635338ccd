/** What a workload is: the operations that processes make, each with what the history says of it. */
import type { CallOptions } from '../../../client/index.ts'
import type { SeededRandom } from '../../../core/seeded-random.ts'
import type { HistoryDatabase } from '../schema.ts'

/** How an operation ended that was answered. */
export interface Answered {
  /** `fail`: the answer says that nothing was done, as of a transfer that lacks the money. */
  readonly type: 'ok' | 'fail'
  /** Of the event at its end. */
  readonly value: unknown
}

/** One operation of a process. It is run once. */
export interface Operation {
  /** Function, key and value of the event at its start. */
  readonly f: string
  readonly key: string | null
  readonly value: unknown
  /** It has no effect, whatever becomes of it. */
  readonly isRead: boolean
  run(db: HistoryDatabase, options: CallOptions): Promise<Answered>
}

/** A workload in one run: it knows the keys that are there. */
export interface Workload {
  /** Writes what must be there before the first event. */
  prepare(db: HistoryDatabase): Promise<void>
  /** The next operation of a process. */
  next(random: SeededRandom): Operation
  /** Reads, at level strong, of every key that was written so far. */
  finalReads(): readonly Operation[]
  /** The rows that a region holds itself: by key. */
  localState(db: HistoryDatabase): Promise<ReadonlyMap<string, unknown>>
}
