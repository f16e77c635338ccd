/**
 * What a log group replicates: a deterministic state machine over rows of the store. Evaluation is
 * pure and synchronous; it says what it must know, the group reads it in one batch, and evaluates
 * again, until nothing was missing (protocol rule 13).
 */
import type { ErrorCode, MeridianError } from '../../src/core/errors.ts'
import type { Statement, StatementResult } from '../../src/core/ports/store.ts'
import type { SqlValue } from '../../src/core/values.ts'
import type { ActiveSchema } from './active-schema.ts'
import type { RowKey } from './leases/read-scope.ts'

/** What every command says of itself. */
export interface Command {
  readonly txId: string
  /** 32 hexadecimal digits: a second command with the same has no effect of its own. */
  readonly dedupeId: string
  /** The same `dedupeId` with another content is refused. */
  readonly contentHash: string
  /** The log index that its sender knew when it sent it first (protocol rule 12). */
  readonly basis: number
}

/** Where a command stands: the same in every region. */
export interface LogPlace {
  readonly index: number
  /** Place of the command in its record, from 0. */
  readonly place: number
  /** The log's clock at this record: never behind an earlier record's. */
  readonly logTimeMs: number
  /** The schema of whoever appended the record. */
  readonly schemaVersion: number
  /** The version that the record needs: what an older machine evaluates too gives what it gives. */
  readonly machineVersion: number
}

/**
 * Why a command had no effect: a code and ids. Texts and names are added where it is answered:
 * they differ between versions of the software and the schema, outcomes may not.
 */
export interface Failure {
  readonly code: ErrorCode
  readonly details: Readonly<Record<string, unknown>>
  /** For the answer of this evaluation alone: it is not stored, and no part of the state. */
  readonly unstored?: Readonly<Record<string, unknown>>
}

/** What became of a command. A pure function of the log. */
export type Outcome =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly failure: Failure }

/** What a statement of SQL gave: `too-large` beyond its bounds, `failed` where the store refused it. */
export type QueryOutcome = Pick<StatementResult, 'rows'> | 'too-large' | 'failed'

/** A row before and behind a change; null: it is not there. */
export interface RowEffect {
  /** The table's name in the store. */
  readonly table: string
  readonly before: EffectRow | null
  readonly after: EffectRow | null
}

/** A row as the store gives it back. */
export interface EffectRow {
  readonly tenant: string
  readonly version: string
  readonly image: readonly SqlValue[]
}

/** The evaluation of consecutive records against one snapshot of the store. */
export interface MachineBatch<C> {
  /**
   * Tells which rows the command will need, as far as that is known beforehand. `logTimeMs`: the
   * log's clock at its record; `place`: the command's place in it.
   */
  announce(command: C, logTimeMs: number, place: number): void
  /**
   * SQL to run before anything else on the store as it is before the batch, each statement by
   * itself: one that is refused is no failure of the store.
   */
  takeQueries?(): Statement[]
  /** Takes what the last `takeQueries` gave. */
  loadQueries?(outcomes: readonly QueryOutcome[]): void
  /** The statements that read what `announce` and `apply` missed since the last call. */
  takeReads(): Statement[]
  /** Takes the results of the last `takeReads`. */
  load(results: readonly StatementResult[]): void
  /** Forgets what commands did; keeps what was read. */
  reset(): void
  /** Evaluates a command on top of what the commands before it did. */
  apply(command: C, at: LogPlace): Outcome
  /** Deletes up to `limit` rows that have expired at the log's time. */
  sweep?(at: LogPlace, limit: number): void
  /** The statements of what was evaluated since the last call, in order. */
  takeWrites(): Statement[]
  /** The changes of rows that the last `takeWrites` made statements of, in order. */
  effects(): readonly RowEffect[]
  /** The rows that the last `takeWrites` writes or deletes. Left out: the group has no local reads. */
  writtenRows?(): readonly RowKey[]
}

/** The schema that a machine evaluates by: the node's own, or what the log has come to of it. */
export interface MachineSchemas<C> {
  /** What a record says that raises the log to the node's own. */
  readonly own: ActiveSchema
  /** @throws MeridianError `SCHEMA_INCOMPATIBLE` where the node's schema does not go on from it */
  require(active: ActiveSchema): void
  /** Evaluates by it from the next batch on; undefined: by the node's own. @throws as `require` */
  adopt(active: ActiveSchema | undefined): void
  /** The command as the active schema takes it; undefined: it needs the node's own. */
  fit(command: C): C | undefined
}

/** A replicated state machine. */
export interface StateMachine<C extends Command> {
  /** Rises when the same log would be evaluated differently; a record names what it needs. */
  readonly version: number
  /**
   * The least version that evaluates the command as meant; without one, a record of none. Left
   * out: `version`.
   */
  leastVersion?(command?: C): number
  /**
   * Whether the command is evaluated on the store alone, and so can only be the first of its record,
   * and its record the first of a batch. Left out: none is.
   */
  beginsBatch?(command: C): boolean
  /** Left out: what it does depends on no schema of the user's. */
  readonly schemas?: MachineSchemas<C>
  encode(command: C): Uint8Array
  /** @throws MeridianError `PROTOCOL_MALFORMED` */
  decode(bytes: Uint8Array): C
  beginBatch(): MachineBatch<C>
  /** What an operator is told of a command: names and numbers, never values of rows. */
  describe?(command: C): Readonly<Record<string, unknown>>
  /**
   * All rows that the command may write, from its content alone; null: they are known only when it
   * is applied. Left out: the group has no local reads.
   */
  writeSet?(command: C): readonly RowKey[] | null
  /** The error that tells a caller of a failure. */
  explain(failure: Failure): MeridianError
}
