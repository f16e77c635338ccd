/**
 * Ports at which replication, CDC and CRDT meet without importing each other: the ordered changes
 * of a store, and what applies another region's changes.
 */
import type { Change } from '../change.ts'
import type { Statement } from './store.ts'

/** The changes of one store in `localSeq` order. */
export interface ChangeFeed {
  /** `<region>.<incarnation>` of the store. */
  readonly source: string

  /**
   * Up to about `maxChanges` changes after `afterSeq`, in order, without a gap. The last
   * transaction is never cut: it comes whole even where it exceeds `maxChanges`.
   *
   * @throws MeridianError `LOG_COMPACTED` when changes after `afterSeq` were pruned
   */
  read(afterSeq: number, maxChanges: number): Promise<readonly Change[]>

  /** localSeq of the last committed change, 0 when there is none. */
  end(): Promise<number>

  /** Registers a listener that runs after every commit. Returns its removal. */
  onChange(listener: () => void): () => void
}

/** Applies changes of other regions for one consistency mode. */
export interface ChangeApplier {
  /**
   * Turns changes into the statements that apply them, outbox rows with their origin included,
   * and hands them to `commit` exactly once, which adds the position and writes all of it as one
   * transaction. Until `commit` settles, no other write of the same rows is computed. A change that
   * was applied before, or is older than what is stored, has no effect.
   */
  apply(
    changes: readonly Change[],
    commit: (statements: readonly Statement[]) => Promise<void>,
  ): Promise<void>
}
