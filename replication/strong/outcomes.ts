/**
 * Outcomes of commands, stored with their effects: a command that is in the log twice has one
 * effect and one answer. Outcomes belong to the state that the log makes: they are pruned at
 * points of the log, not of time.
 */
import { Packr } from 'msgpackr'
import type { ErrorCode } from '../../src/core/errors.ts'
import type { Statement, StatementResult } from '../../src/core/ports/store.ts'
import { toHex } from '../../src/core/values.ts'
import type { Command, Failure, Outcome } from './state-machine.ts'

/** An outcome that was decided at `index`. */
export interface DecidedOutcome {
  readonly index: number
  readonly contentHash: string
  readonly logTimeMs: number
  readonly outcome: Outcome
  /** As it is stored, once that is known: `encodedOutcome`. */
  bytes?: Uint8Array
}

/** What became of an id: the outcome that is remembered instead of `before`. */
export interface OutcomeEffect {
  readonly id: string
  readonly before: DecidedOutcome | undefined
  readonly after: DecidedOutcome
}

/** Outcomes are pruned at every so many records. */
export const PRUNE_EVERY_RECORDS = 256

const packr = new Packr({ useRecords: false, mapsAsObjects: true, copyBuffers: true })

/** The outcomes that a batch of records needs and makes. */
export class OutcomeBatch {
  readonly #group: string
  readonly #windowRecords: number
  readonly #ignoreBasis: boolean
  readonly #wanted = new Set<string>()
  readonly #stored = new Map<string, DecidedOutcome>()
  #decided = new Map<string, DecidedOutcome>()
  #effects: OutcomeEffect[] = []

  constructor(group: string, windowRecords: number, ignoreBasis: boolean) {
    this.#group = group
    this.#windowRecords = windowRecords
    this.#ignoreBasis = ignoreBasis
  }

  announce(command: Command): void {
    this.#wanted.add(command.dedupeId)
  }

  /** Reads the announced outcomes that this store holds. */
  select(): Statement {
    return {
      // CROSS JOIN: one seek for each id, never a walk through the group's outcomes.
      sql: `SELECT o.tx, o.log_index, o.hash, o.outcome
        FROM json_each(?) j CROSS JOIN _strong_outcomes o ON o.tx = j.value
        WHERE +o.log_group = ?`,
      args: [JSON.stringify([...this.#wanted]), this.#group],
    }
  }

  load(result: StatementResult): void {
    for (const [id, index, contentHash, bytes] of result.rows) {
      const { logTimeMs, outcome } = decodeOutcome(bytes as Uint8Array)
      const decided = {
        index: index as number,
        contentHash: contentHash as string,
        logTimeMs,
        outcome,
        bytes: bytes as Uint8Array,
      }
      this.#stored.set(id as string, decided)
    }
  }

  /** Forgets what was decided; keeps what was read. */
  reset(): void {
    this.#decided = new Map()
    this.#effects = []
  }

  /** What was decided since the last call, in order. */
  takeEffects(): readonly OutcomeEffect[] {
    const effects = this.#effects
    this.#effects = []
    return effects
  }

  /**
   * The outcome of a command that needs no evaluation: it was decided before, or is too old to
   * tell. `undefined`: evaluate it, then `decide`.
   */
  known(command: Command, index: number): DecidedOutcome | undefined {
    const before = this.#decided.get(command.dedupeId) ?? this.#stored.get(command.dedupeId)
    // Beyond the window an outcome counts as gone, pruned or not: no region may still see it.
    if (before !== undefined && index - before.index <= this.#windowRecords) {
      const isRun = before.contentHash === command.contentHash
      if (isRun && !isConflictOfOtherRun(before.outcome, command)) return before
      // A conflict had no effect and never will: its key is free for the transaction's next run.
      if (!isConflict(before.outcome)) return refused(command, index, 'IDEMPOTENCY_REUSED')
    }
    if (!this.#ignoreBasis && index - command.basis > this.#windowRecords) {
      return refused(command, index, 'IDEMPOTENCY_EXPIRED')
    }
    return command.basis >= index ? refused(command, index, 'POSITION_LOST') : undefined
  }

  decide(command: Command, decided: DecidedOutcome): void {
    const id = command.dedupeId
    const before = this.#decided.get(id) ?? this.#stored.get(id)
    this.#effects.push({ id, before, after: decided })
    this.#decided.set(id, decided)
  }

  /** The statements that store what was decided in records `first` to `last`. */
  takeWrites(first: number, last: number): Statement[] {
    const statements: Statement[] = []
    if (this.#decided.size > 0) statements.push(this.#insert())
    const prunePoint = lastPrunedIndex(last)
    if (prunePoint >= first) {
      statements.push({
        sql: 'DELETE FROM _strong_outcomes WHERE log_group = ? AND log_index < ?',
        args: [this.#group, prunePoint - this.#windowRecords],
      })
    }
    return statements
  }

  #insert(): Statement {
    const rows = Array.from(this.#decided, ([id, decided]) => [
      id,
      decided.index,
      decided.contentHash,
      toHex(encodedOutcome(decided)),
    ])
    return {
      sql: `INSERT INTO _strong_outcomes (tx, log_group, log_index, hash, outcome)
        SELECT value->>0, ?, value->>1, value->>2, unhex(value->>3) FROM json_each(?) WHERE true
        ON CONFLICT (tx) DO UPDATE SET log_index = excluded.log_index, hash = excluded.hash,
          outcome = excluded.outcome`,
      args: [this.#group, JSON.stringify(rows)],
    }
  }
}

/** The last record at or before `index` at which outcomes are pruned. */
export function lastPrunedIndex(index: number): number {
  return index - (index % PRUNE_EVERY_RECORDS)
}

/** The bytes of a decided outcome, as they are stored: made once. */
export function encodedOutcome(decided: DecidedOutcome): Uint8Array {
  decided.bytes ??= encodeOutcome(decided)
  return decided.bytes
}

/** The bytes of an outcome: MessagePack of `[logTimeMs, 1, value]` or `[logTimeMs, 0, code, details]`. */
export function encodeOutcome(decided: {
  readonly logTimeMs: number
  readonly outcome: Outcome
}): Uint8Array {
  const { logTimeMs, outcome } = decided
  return outcome.ok
    ? packr.pack([logTimeMs, 1, outcome.value])
    : packr.pack([logTimeMs, 0, outcome.failure.code, outcome.failure.details])
}

function decodeOutcome(bytes: Uint8Array): Pick<DecidedOutcome, 'logTimeMs' | 'outcome'> {
  const [logTimeMs, ok, valueOrCode, details] = packr.unpack(bytes) as [
    number,
    number,
    unknown,
    Failure['details'],
  ]
  if (ok === 1) return { logTimeMs, outcome: { ok: true, value: valueOrCode } }
  return { logTimeMs, outcome: { ok: false, failure: { code: valueOrCode as ErrorCode, details } } }
}

function isConflict(outcome: Outcome): boolean {
  return !outcome.ok && outcome.failure.code === 'CONFLICT'
}

/**
 * Whether it is a conflict of a run of the transaction other than this command's: the next run may
 * have read anew and yet write the same. Outcomes of version 1 do not say which run they are of.
 */
function isConflictOfOtherRun(outcome: Outcome, { txId }: Command): boolean {
  if (outcome.ok || outcome.failure.code !== 'CONFLICT') return false
  const { run } = outcome.failure.details
  return run !== undefined && run !== txId
}

function refused(command: Command, index: number, code: ErrorCode): DecidedOutcome {
  const outcome: Outcome = { ok: false, failure: { code, details: {} } }
  return { index, contentHash: command.contentHash, logTimeMs: 0, outcome }
}
