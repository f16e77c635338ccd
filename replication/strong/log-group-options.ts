/** What a log group is opened with, and what it tells of itself. */
import type { MeridianError } from '../../src/core/errors.ts'
import { MAX_MESSAGE_BYTES, STRONG_OUTCOME_WINDOW } from '../../src/core/limits.ts'
import type { CommitLog } from '../../src/core/ports/commit-log.ts'
import type { Runtime } from '../../src/core/ports/runtime.ts'
import type { Store } from '../../src/core/ports/store.ts'
import type { StoreClock } from '../../src/core/store-clock.ts'
import type { StrongFaults } from './faults.ts'
import type { DigestLimits, DigestStatus } from './digests/divergence-guard.ts'
import type { GroupLeaseOptions } from './group-leases.ts'
import { DEFAULT_PROPOSER_LIMITS, type ProposerLimits } from './proposer.ts'
import type { ReseedProgress, Seeding } from './reseeder.ts'
import type { SchemaOf } from './snapshot-messages.ts'
import type { SnapshotTable } from './snapshot-tables.ts'
import type { Command, StateMachine } from './state-machine.ts'
import type { VersionReports } from './version-agreement.ts'

/** What a log group needs. */
export interface LogGroupOptions<C extends Command> {
  readonly group: string
  readonly machine: StateMachine<C>
  readonly log: CommitLog
  readonly store: Store
  /** The store's clock, shared with every writer of the store. */
  readonly clock: StoreClock
  readonly runtime: Runtime
  /** The schema that this node knows; records of a newer one stop it. */
  readonly schemaVersion: number
  /** What the group's state is, besides outcomes and position. */
  readonly state: GroupState
  /** Where the group is seeded from when the log has left it behind; without it, it stops then. */
  readonly seeding?: Seeding
  /** What regions support of the machine's versions; left out where no other one follows the log. */
  readonly versions?: VersionReports
  /**
   * Asked before a record is stamped with this node's clock; throws `CLOCK_SKEW` while it is too far
   * from the others' (protocol rule 15). Left out where nobody has another clock.
   */
  readonly requireInStep?: () => void
  /** Told when the group has stopped because of a record or the log. */
  readonly onFailure: (error: MeridianError) => void
  /** Told when it goes on after that: the record was skipped, or the copy is seeded again. */
  readonly onResumed?: () => void
  /** Told that this copy differs from others or from its log, and why; `null`: no more. */
  readonly onDivergence?: (error: MeridianError | null) => void
  readonly digests?: Partial<DigestLimits>
  readonly limits?: Partial<LogGroupLimits>
  /** Of a group whose tables have local strong reads. */
  readonly localReads?: GroupLeaseOptions
  /** Test-only. */
  readonly faults?: StrongFaults
}

/** The tables of a group. */
export interface GroupState {
  readonly tables: readonly SnapshotTable[]
  readonly schema: SchemaOf
}

/** How a group stands. */
export interface LogGroupStatus {
  readonly group: string
  readonly applied: number
  /** The end of the log when it was asked for last; 0 where it was not. */
  readonly logEnd: number
  /** The version of the state machine that the log has risen to. */
  readonly machineVersion: number
  /** The schema that the log has come to; null where it has said none: each node's own holds. */
  readonly schemaVersion: number | null
  /** Undefined where the copy is whole. */
  readonly reseeding: ReseedProgress | undefined
  readonly error: MeridianError | null
  readonly digests: DigestStatus
}

/** Bounds of a log group. */
export interface LogGroupLimits extends ProposerLimits {
  readonly maxRecordsPerBatch: number
  readonly maxCommandsPerBatch: number
  /** Of records applied together, but for a single one: their rows become one text each table. */
  readonly maxBytesPerBatch: number
  /** Part of the state machine: the same in every region, for ever. */
  readonly outcomeWindowRecords: number
}

/** What is left out. */
export const DEFAULT_LIMITS: LogGroupLimits = {
  ...DEFAULT_PROPOSER_LIMITS,
  maxRecordsPerBatch: 256,
  maxCommandsPerBatch: 2048,
  maxBytesPerBatch: MAX_MESSAGE_BYTES,
  outcomeWindowRecords: STRONG_OUTCOME_WINDOW,
}

/** An outcome with its place in the log. */
export interface Applied {
  readonly value: unknown
  readonly index: number
  readonly logTimeMs: number
}

/** Bounds a call. */
export interface CallOptions {
  readonly timeoutMs?: number
}
