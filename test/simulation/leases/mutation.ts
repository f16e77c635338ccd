/** What a run breaks on purpose: rules of the core, and rules of whoever calls it. */
import type { LeaseFaults } from '../../../replication/strong/leases/lease-faults.ts'

/** Rules that the core's caller keeps; the simulation is that caller. */
export interface CallerFaults {
  /** Serves the last stable version of a row that is dirty. */
  readonly serveOldVersion?: boolean
  /** The row is written when the LEASE is sent, not when it is applied. */
  readonly leaseBeforeApply?: boolean
  /** The lease row is read again when the snapshot is judged. */
  readonly renewedRow?: boolean
  /** A lease that was good for one read is good for the next second's. */
  readonly cachedLeaseCheck?: boolean
  /** ACK goes out before the store transaction is committed. */
  readonly ackBeforeCommit?: boolean
  /** Changes are emitted when they are applied. */
  readonly emitAtApply?: boolean
  /** Marks are looked at after the snapshot was taken. */
  readonly marksAfterSnapshot?: boolean
  /** The snapshot from before the wait for a mark is answered with. */
  readonly skipRereadAfterWait?: boolean
  /** INVACK goes out before the rows are marked. */
  readonly ackBeforeMark?: boolean
  /** A fence does not keep its transaction from taking effect later. */
  readonly fenceNotBinding?: boolean
  /** A restored store goes on under the lease row of the one that it was copied from. */
  readonly restoreKeepsRow?: boolean
  /** A store begins without the lease table of the one that it was copied from. */
  readonly joinWithoutLeases?: boolean
  /** A process that was replaced writes the lease row as if the store were still its own. */
  readonly rowOfAnyLife?: boolean
  /** A LEASE whose commit was under way when the lease was released writes the row. */
  readonly rowAfterRelease?: boolean
  /** Dirty rows are told after the commit. */
  readonly dirtyAfterCommit?: boolean
}

export type Mutation = LeaseFaults & CallerFaults
