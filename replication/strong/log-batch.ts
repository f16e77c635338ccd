/**
 * Evaluates consecutive records of a log group as one batch. Pure: it names what it must read and
 * yields statements; the result does not depend on where the log was cut into batches.
 */
import { MeridianError } from '../../src/core/errors.ts'
import type { Hlc } from '../../src/core/hlc.ts'
import { logSource } from '../../src/core/change.ts'
import type { Statement, StatementResult } from '../../src/core/ports/store.ts'
import { beginContext } from '../../src/schema/system-tables.ts'
import type { ActiveSchema } from './active-schema.ts'
import { activeSchemaKey, raiseActiveSchema, readActiveSchema } from './active-schema-store.ts'
import { OutcomeBatch, type DecidedOutcome } from './outcomes.ts'
import type { Control } from './control.ts'
import { FIRST_MACHINE_VERSION, machineVersionKey, raiseMachineVersion } from './machine-version.ts'
import type { RecordEffects } from './digests/group-sums.ts'
import { effectsOf } from './lease-effects.ts'
import type { EvaluatedRecord as LeaseEffects } from './leases/lease-core.ts'
import type { LogRecord } from './record.ts'
import { readSkips, SKIPPED, skipsKey, type SkipList } from './skips.ts'
import type {
  Command,
  LogPlace,
  MachineBatch,
  QueryOutcome,
  StateMachine,
} from './state-machine.ts'

/** A record at its place in the log, its commands decoded. */
export interface PlacedRecord<C> {
  readonly index: number
  /** The log's id of the record. */
  readonly id: string
  readonly record: LogRecord
  readonly commands: readonly C[]
  /** Of a control record, which is applied alone in its batch and has no commands. */
  readonly control?: Control
  /** It has no effect: its commands are refused. It is applied alone in its batch. */
  readonly isSkipped?: boolean
}

/** What a batch evaluates with; the same in every region. */
export interface LogBatchOptions<C extends Command> {
  readonly group: string
  readonly machine: StateMachine<C>
  readonly outcomeWindowRecords: number
  readonly ignoreBasis: boolean
  /** Test-only, as `StrongFaults`. */
  readonly logTimeOfRecord?: boolean
  readonly skips: SkipList
  /** Of a group with local reads: told what records did, right before they are committed. */
  readonly leases?: RecordLeases
}

/** The leases of a group with local reads, as what applies its records sees them. */
export interface RecordLeases {
  /** What goes into the store transaction of these records besides their rows. */
  evaluated(records: readonly LeaseEffects[]): Statement[]
  /** The records through `index` are durable, and readers see them. */
  committed(index: number): void
}

/** Rows that a tick deletes at most; the next tick goes on. */
const MAX_ROWS_PER_TICK = 1000

interface RecordWrites {
  readonly placed: PlacedRecord<Command>
  readonly writes: readonly Statement[]
}

/** What of the rows and outcomes a record changed. */
interface EvaluatedRecord extends Pick<RecordEffects, 'rows' | 'outcomes' | 'logTimeMs'> {
  readonly placed: PlacedRecord<Command>
}

export class LogBatch<C extends Command> {
  readonly #group: string
  readonly #records: readonly PlacedRecord<C>[]
  readonly #previousLogTimeMs: number
  readonly #logTimeOfRecord: boolean
  readonly #machine: MachineBatch<C>
  readonly #outcomes: OutcomeBatch
  readonly #skips: SkipList
  #evaluated: EvaluatedRecord[] = []
  #readsOutcomes: boolean
  #writes: RecordWrites[] = []
  #decided: DecidedOutcome[][] = []
  readonly #options: LogBatchOptions<C>
  #leaseEffects: LeaseEffects[] = []
  #logTimeMs = 0

  /** `records`: in index order, without a gap, at least one; `logTimeMs`: the log's time so far. */
  constructor(options: LogBatchOptions<C>, records: readonly PlacedRecord<C>[], logTimeMs: number) {
    this.#group = options.group
    this.#options = options
    this.#skips = options.skips
    this.#records = records
    this.#previousLogTimeMs = logTimeMs
    this.#logTimeOfRecord = options.logTimeOfRecord === true
    this.#machine = options.machine.beginBatch()
    this.#outcomes = new OutcomeBatch(
      options.group,
      options.outcomeWindowRecords,
      options.ignoreBasis,
    )
    let announcedMs = logTimeMs
    for (const { record, commands, isSkipped } of records) {
      announcedMs = Math.max(announcedMs, record.nowMs)
      for (const [place, command] of commands.entries()) {
        this.#outcomes.announce(command)
        if (isSkipped !== true) this.#machine.announce(command, announcedMs, place)
      }
    }
    this.#readsOutcomes = records.some(({ commands }) => commands.length > 0)
  }

  /** SQL that is run once, before the reads, each statement by itself. */
  takeQueries(): Statement[] {
    return this.#machine.takeQueries?.() ?? []
  }

  /** Takes what the last `takeQueries` gave. */
  loadQueries(outcomes: readonly QueryOutcome[]): void {
    this.#machine.loadQueries?.(outcomes)
  }

  /** What must be read before the evaluation holds; none: it does. */
  takeReads(): Statement[] {
    const reads = this.#machine.takeReads()
    return this.#readsOutcomes ? [this.#outcomes.select(), ...reads] : reads
  }

  /** Takes the results of the last `takeReads`. */
  load(results: readonly StatementResult[]): void {
    if (this.#readsOutcomes && results[0] !== undefined) {
      this.#outcomes.load(results[0])
      this.#readsOutcomes = false
      this.#machine.load(results.slice(1))
    } else {
      this.#machine.load(results)
    }
  }

  /** Evaluates all records from the first; repeat it after every `load`. */
  evaluate(): void {
    this.#machine.reset()
    this.#outcomes.reset()
    this.#logTimeMs = this.#previousLogTimeMs
    this.#writes = []
    this.#evaluated = []
    this.#leaseEffects = []
    this.#decided = this.#records.map((placed) => this.#evaluateRecord(placed))
  }

  /** The log's time after the last record. */
  logTimeMs(): number {
    return this.#logTimeMs
  }

  /** The outcomes of each record's commands, in order. */
  outcomes(): readonly (readonly DecidedOutcome[])[] {
    return this.#decided
  }

  /** What each record changed, in order. */
  effects(): readonly RecordEffects[] {
    return this.#evaluated.map(({ placed, rows, outcomes, logTimeMs }) => {
      const { index, id, control, isSkipped = false } = placed
      const raisesTo = control?.type === 'machine-version' ? control.version : 0
      const schemaVersion = control?.type === 'schema' ? control.schema.version : 0
      return { index, id, logTimeMs, raisesTo, schemaVersion, isSkipped, rows, outcomes }
    })
  }

  /**
   * One store transaction: rows, outcomes and position together. Its first statement fails when
   * the store is not at the record before the first. Call it in the turn of `store.write`:
   * `nextHlc` draws the stamps.
   */
  statements(nextHlc: () => Hlc): Statement[] {
    const first = this.#records[0] as PlacedRecord<C>
    const last = this.#records.at(-1) as PlacedRecord<C>
    const statements = [positionGuard(this.#group, first.index - 1)]
    for (const { placed, writes } of this.#writes) {
      statements.push(
        beginContext({
          txId: contextTxId(placed),
          hlc: nextHlc(),
          epoch: 0,
          cause: 'user',
          schemaVersion: placed.record.schemaVersion,
          capture: true,
          origin: { source: logSource(this.#group), seq: placed.index },
        }),
        ...writes,
      )
    }
    if (first.control !== undefined) statements.push(...this.#controlWrites(first))
    if (first.isSkipped === true) statements.push(this.#skips.store(first.index))
    statements.push(...(this.#options.leases?.evaluated(this.#leaseEffects) ?? []))
    statements.push(...this.#outcomes.takeWrites(first.index, last.index))
    statements.push(setPosition(this.#group, last.index, this.#logTimeMs))
    statements.push(setLastRecord(this.#group, last.index, last.id))
    return statements
  }

  /** Whether a stored position is the one that this batch leaves behind. */
  leaves(position: LogPosition): boolean {
    const last = this.#records.at(-1) as PlacedRecord<C>
    return position.index === last.index && position.lastId === last.id
  }

  #controlWrites({ control, index }: PlacedRecord<C>): Statement[] {
    switch (control?.type) {
      case undefined:
        return []
      case 'machine-version':
        return [raiseMachineVersion(this.#group, control.version)]
      case 'schema':
        return [raiseActiveSchema(this.#group, control.schema)]
      case 'skip':
        this.#skips.requireSkipped(control.index, index)
        return []
      case 'lease':
        // What it does is among what the leases were told.
        if (this.#options.leases !== undefined) return []
        // Passed over, the log would mean something else here.
        throw new MeridianError(
          'SCHEMA_INCOMPATIBLE',
          `Log group '${this.#group}' holds a control record '${control.type}', which this node cannot apply.`,
          { fix: 'Start this node with the version of the others.' },
        )
    }
  }

  #evaluateRecord(placed: PlacedRecord<C>): DecidedOutcome[] {
    const { index, record, commands } = placed
    this.#logTimeMs = Math.max(this.#logTimeOfRecord ? 0 : this.#logTimeMs, record.nowMs)
    const { schemaVersion, machineVersion } = record
    const at = (place: number): LogPlace => {
      return { index, place, logTimeMs: this.#logTimeMs, schemaVersion, machineVersion }
    }
    const isSkipped = placed.isSkipped === true
    const decided = commands.map((command, place) =>
      this.#evaluateCommand(command, at(place), isSkipped),
    )
    if (record.kind === 'tick' && !isSkipped) this.#machine.sweep?.(at(0), MAX_ROWS_PER_TICK)
    const writes = this.#machine.takeWrites()
    if (writes.length > 0) this.#writes.push({ placed, writes })
    const rows = this.#machine.effects()
    const outcomes = this.#outcomes.takeEffects()
    this.#evaluated.push({ placed, rows, outcomes, logTimeMs: this.#logTimeMs })
    const { machine, leases } = this.#options
    if (leases !== undefined) {
      const written = this.#machine.writtenRows?.() ?? []
      this.#leaseEffects.push(effectsOf(machine, placed, decided, written))
    }
    return decided
  }

  #evaluateCommand(command: C, at: LogPlace, isSkipped: boolean): DecidedOutcome {
    const known = this.#outcomes.known(command, at.index)
    if (known !== undefined) return known
    const outcome = isSkipped ? SKIPPED : this.#machine.apply(command, at)
    const { index, logTimeMs } = at
    const decided = { index, contentHash: command.contentHash, logTimeMs, outcome }
    this.#outcomes.decide(command, decided)
    return decided
  }
}

/** A record is one transaction to consumers; where it holds one, it goes by that one's id. */
function contextTxId(placed: PlacedRecord<Command>): string {
  const only = placed.commands.length === 1 ? placed.commands[0] : undefined
  return only?.txId ?? placed.id
}

/** Where a store is in a group. */
export interface LogPosition {
  readonly index: number
  readonly logTimeMs: number
  /** The id of the record at `index`; undefined where the store does not know it. */
  readonly lastId: string | undefined
  /** The active version of the group's state machine. */
  readonly machineVersion: number
  /** The active schema of the group; undefined: the log has not said it. */
  readonly schema: ActiveSchema | undefined
  /** Records that were applied without effect, ascending. */
  readonly skipped: readonly number[]
}

/** Reads a group's position; `readPosition` makes it of the result. */
export function selectPosition(group: string): Statement {
  return {
    sql: `SELECT log_index, log_time_ms, (SELECT value FROM _meta WHERE key = ?),
        (SELECT value FROM _meta WHERE key = ?), (SELECT value FROM _meta WHERE key = ?),
        (SELECT value FROM _meta WHERE key = ?)
      FROM _log_positions WHERE log_group = ?`,
    args: [
      lastRecordKey(group),
      machineVersionKey(group),
      skipsKey(group),
      activeSchemaKey(group),
      group,
    ],
  }
}

export function readPosition(result: StatementResult | undefined): LogPosition {
  const [index, logTimeMs, lastRecord, version, skips, active] = result?.rows[0] ?? []
  const machineVersion = Number(version ?? FIRST_MACHINE_VERSION)
  const skipped = readSkips(skips)
  const schema = readActiveSchema(active)
  if (index === undefined) {
    return { index: 0, logTimeMs: 0, lastId: undefined, machineVersion, schema, skipped }
  }
  // A node that did not keep ids may have moved the index since.
  const [of, lastId] = String(lastRecord ?? '').split(' ')
  const isKnown = of === String(index) && lastId !== ''
  return {
    index: Number(index),
    logTimeMs: Number(logTimeMs),
    lastId: isKnown ? lastId : undefined,
    machineVersion,
    schema,
    skipped,
  }
}

/** Fails (kind `check`) unless the store is at `index`. */
export function positionGuard(group: string, index: number): Statement {
  return {
    sql: `INSERT INTO _guard SELECT 1 WHERE ? <> coalesce(
      (SELECT log_index FROM _log_positions WHERE log_group = ?), 0)`,
    args: [index, group],
  }
}

/** Sets a group's position, whatever it was. */
export function setPosition(group: string, index: number, logTimeMs: number): Statement {
  return {
    sql: `INSERT INTO _log_positions (log_group, log_index, log_time_ms) VALUES (?, ?, ?)
      ON CONFLICT (log_group) DO UPDATE SET log_index = excluded.log_index,
        log_time_ms = excluded.log_time_ms`,
    args: [group, index, logTimeMs],
  }
}

function lastRecordKey(group: string): string {
  return `log:${group}`
}

/** In `_meta`, which stores of every age have. Ids hold no space. */
export function setLastRecord(group: string, index: number, id: string): Statement {
  return {
    sql: `INSERT INTO _meta (key, value) VALUES (?, ?)
      ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
    args: [lastRecordKey(group), `${index} ${id}`],
  }
}
