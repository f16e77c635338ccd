/**
 * One strong read of the own store, without a message to anybody. Its caller goes through these
 * steps, in this order:
 *
 * 1. `look`; while it says `wait`, wait until something is applied here and look again;
 * 2. one snapshot of the store: the rows and the lease row;
 * 3. `judge` that snapshot;
 * 4. wait until the stable index is at what `judge` gave, then answer with the snapshot's rows. No
 *    second read is needed: the snapshot becomes the state of an instant of this read.
 *
 * Whenever a step says `read-index`, the read goes to the log instead (`readIndexNeeds`).
 */
import type { ClockReading } from './lease-clock.ts'
import type { LeaseFaults } from './lease-faults.ts'
import type { DirtyRows } from './dirty-rows.ts'
import type { Marks } from './marks.ts'
import { isUnexpired, type LeaseRow } from './own-lease.ts'
import type { ReadScope } from './read-scope.ts'

/** How long a reader waits for the outcome of a marked transaction; its writer may be dead. */
export const MARK_WAIT_MS = 400

/** What one snapshot of the store showed. */
export interface ReadSnapshot {
  /** The lease row of this very snapshot: a fresher one says nothing of these rows. */
  readonly leaseRow: LeaseRow | undefined
  /** The largest log index in the versions of the rows that were read; 0: none. */
  readonly newestRowIndex: number
}

/** Where a judged read stands. */
export type Judgement =
  | { readonly kind: 'read-index' }
  | { readonly kind: 'wait-stable'; readonly index: number }

/** What a region's process knows that reads depend on. */
export interface ReadContext {
  readonly incarnation: number
  readonly durationMs: number
  readonly marks: Marks
  readonly dirty: DirtyRows
  readonly faults: LeaseFaults
}

export class LocalRead {
  readonly #context: ReadContext
  readonly #scopes: readonly ReadScope[]
  readonly #begunMs: number

  constructor(context: ReadContext, scopes: readonly ReadScope[], now: ClockReading) {
    this.#context = context
    this.#scopes = scopes
    this.#begunMs = now.monotonicMs
  }

  /**
   * Before the snapshot: after it, a mark could already be gone with its rows not in the snapshot.
   */
  look(now: ClockReading): 'snapshot' | 'wait' | 'read-index' {
    const { marks, faults } = this.#context
    if (faults.ignoreMarks === true || !marks.touches(this.#scopes)) return 'snapshot'
    const waitedMs = now.monotonicMs - this.#begunMs
    if (faults.readThroughMarks === true && waitedMs > MARK_WAIT_MS / 4) return 'snapshot'
    return waitedMs > MARK_WAIT_MS ? 'read-index' : 'wait'
  }

  /** After the snapshot; time may have passed since, also all of the lease. */
  judge({ leaseRow, newestRowIndex }: ReadSnapshot, now: ClockReading): Judgement {
    const { incarnation, durationMs, faults } = this.#context
    if (leaseRow === undefined) return { kind: 'read-index' }
    // Marks of another life of the process are not in this memory.
    if (leaseRow.incarnation !== incarnation && faults.skipIncarnationCheck !== true) {
      return { kind: 'read-index' }
    }
    if (!isUnexpired(leaseRow, durationMs, now, faults)) return { kind: 'read-index' }
    const index = faults.skipStableWait === true ? 0 : this.#needs(newestRowIndex)
    return { kind: 'wait-stable', index }
  }

  /**
   * For a read that goes to the log: after its read index is applied and the snapshot taken, the
   * stable index that it waits for. Without it, it would show a value that a lease holder elsewhere
   * does not see yet. It asks for no mark and no lease.
   */
  readIndexNeeds({ newestRowIndex }: Pick<ReadSnapshot, 'newestRowIndex'>): number {
    if (this.#context.faults.skipStableWaitOfReadIndex === true) return 0
    return this.#needs(newestRowIndex)
  }

  /** The dirty rows may be ahead of the snapshot: then it waits longer than it must. */
  #needs(newestRowIndex: number): number {
    const { dirty, faults } = this.#context
    if (faults.ignoreDirtyRows === true) return newestRowIndex
    return Math.max(newestRowIndex, dirty.largestIn(this.#scopes))
  }
}
