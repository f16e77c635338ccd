/**
 * The receiving side of a log group: takes records in index order, evaluates as many as wait as
 * one batch, and writes rows, outcomes and position in one store transaction. After a crash the
 * position says where to go on; nothing is half done.
 */
import { isErrorCode, MeridianError } from '../../src/core/errors.ts'
import type { LogEntry } from '../../src/core/ports/commit-log.ts'
import type { Runtime } from '../../src/core/ports/runtime.ts'
import { StatementFailed, type Statement, type Store } from '../../src/core/ports/store.ts'
import type { StoreClock } from '../../src/core/store-clock.ts'
import {
  LogBatch,
  readPosition,
  selectPosition,
  type LogBatchOptions,
  type PlacedRecord,
} from './log-batch.ts'
import { decodeControl } from './control.ts'
import { machineTooOld, schemaTooOld } from './log-group-errors.ts'
import { decodeRecord, type LogRecord } from './record.ts'
import type { DigestTracker } from './digests/digest-tracker.ts'
import type { DecidedOutcome } from './outcomes.ts'
import type { Command, QueryOutcome, StateMachine } from './state-machine.ts'

/** What of an applied batch others need to know. */
export interface AppliedRecord<C> {
  readonly placed: PlacedRecord<C>
  readonly outcomes: readonly DecidedOutcome[]
}

/** What an applier needs. */
export interface ApplierOptions<C extends Command> extends LogBatchOptions<C> {
  readonly store: Store
  readonly clock: StoreClock
  readonly runtime: Runtime
  readonly schemaVersion: number
  readonly maxRecordsPerBatch: number
  readonly maxCommandsPerBatch: number
  readonly maxBytesPerBatch: number
  readonly digests: DigestTracker
  /** Runs after each batch is durable, before anyone is told. */
  readonly onApplied: (records: readonly AppliedRecord<C>[]) => void
  /** Runs once; the applier has stopped. */
  readonly onFailure: (error: MeridianError) => void
}

/** Records that wait here before the log is asked to hold back. */
const MAX_BACKLOG_RECORDS = 1024
const RETRY_STORE_MS = 50
const MAX_CLOCK_RETRIES = 10
const NOTHING = new Uint8Array()

export class Applier<C extends Command> {
  readonly #options: ApplierOptions<C>
  #applied: number
  #logTimeMs: number
  #backlog: LogEntry[] = []
  /** What runs between two batches. */
  #pauses: (() => Promise<void>)[] = []
  #draining: Promise<void> | undefined
  #stopped = false

  /** `applied`, `logTimeMs`: the store's position. */
  constructor(options: ApplierOptions<C>, applied: number, logTimeMs: number) {
    this.#options = options
    this.#applied = applied
    this.#logTimeMs = logTimeMs
  }

  applied(): number {
    return this.#applied
  }

  logTimeMs(): number {
    return this.#logTimeMs
  }

  /** Takes the next entries; resolves when more are welcome. */
  async push(entries: readonly LogEntry[]): Promise<void> {
    if (this.#stopped) return
    this.#backlog.push(...entries)
    this.#draining ??= this.#drain()
    if (this.#backlog.length > MAX_BACKLOG_RECORDS) await this.#draining
  }

  /** Ends after the batch that is being applied. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#draining
    for (const pause of this.#pauses.splice(0)) await pause()
  }

  /**
   * Runs `run` between two batches: what it reads of the group's state is of `applied()`.
   *
   * @throws MeridianError `CLOSED` when the applier has stopped, and what `run` throws
   */
  quiesce<T>(run: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const pause = async (): Promise<void> => {
        const { group } = this.#options
        if (this.#stopped) reject(new MeridianError('CLOSED', `Log group '${group}' is closed.`))
        else await run().then(resolve, reject)
      }
      if (this.#stopped) return void pause()
      this.#pauses.push(pause)
      this.#draining ??= this.#drain()
    })
  }

  async #drain(): Promise<void> {
    try {
      while (!this.#stopped) {
        const pause = this.#pauses.shift()
        if (pause !== undefined) await pause()
        else if (this.#backlog.length > 0) await this.#applyNext()
        else break
      }
    } catch (error) {
      this.#stopped = true
      this.#options.onFailure(this.#failure(error))
    } finally {
      this.#draining = undefined
    }
  }

  /** Decodes and applies the next batch of the backlog. */
  async #applyNext(): Promise<void> {
    const records: PlacedRecord<C>[] = []
    let commands = 0
    let bytes = 0
    for (const entry of this.#backlog) {
      if (entry.index <= this.#applied) continue
      const placed = this.#decodeAfter(records, entry)
      if (placed === undefined) break
      // A tick reads what has expired, so nothing of its own batch may be ahead of it; what a control
      // changes holds for all that comes after it.
      const isAlone = placed.record.kind !== 'commands' || placed.isSkipped === true
      commands += placed.commands.length
      bytes += entry.payload.length
      const isFull =
        commands > this.#options.maxCommandsPerBatch || bytes > this.#options.maxBytesPerBatch
      const [first] = placed.commands
      const isFirst = first !== undefined && this.#options.machine.beginsBatch?.(first) === true
      if (records.length > 0 && (isAlone || isFirst || isFull)) break
      records.push(placed)
      if (isAlone || records.length === this.#options.maxRecordsPerBatch) break
    }
    const last = records.at(-1)
    if (last !== undefined) await this.#applyOrIsolate(records)
    this.#backlog = this.#backlog.filter((entry) => entry.index > this.#applied)
  }

  /** A batch that fails is applied record by record, so that the good ones before take effect. */
  async #applyOrIsolate(records: readonly PlacedRecord<C>[]): Promise<void> {
    try {
      await this.#applyBatch(records)
    } catch (error) {
      if (!(error instanceof StatementFailed) || records.length === 1) throw error
      for (const placed of records) await this.#applyBatch([placed])
    }
  }

  async #applyBatch(records: readonly PlacedRecord<C>[]): Promise<void> {
    const batch = new LogBatch(this.#options, records, this.#logTimeMs)
    batch.loadQueries(await this.#runQueries(batch.takeQueries()))
    let reads = batch.takeReads()
    do {
      if (reads.length > 0)
        batch.load(await this.#retryStore(() => this.#options.store.read(reads)))
      batch.evaluate()
      reads = batch.takeReads()
    } while (reads.length > 0)
    await this.#write(batch)
    const { skips, digests } = this.#options
    if (records[0]?.isSkipped === true) skips.note(records[0].index)
    digests.settle()
    this.#applied = (records.at(-1) as PlacedRecord<C>).index
    this.#logTimeMs = batch.logTimeMs()
    this.#options.leases?.committed(this.#applied)
    const outcomes = batch.outcomes()
    this.#options.onApplied(records.map((placed, i) => ({ placed, outcomes: outcomes[i] ?? [] })))
  }

  /** The store stays as it is between them: nobody but this applier writes the group's tables. */
  async #runQueries(statements: readonly Statement[]): Promise<QueryOutcome[]> {
    const { store } = this.#options
    const outcomes: QueryOutcome[] = []
    for (const statement of statements) {
      try {
        const [result] = await this.#retryStore(() => store.read([statement]))
        outcomes.push(result ?? 'failed')
      } catch (error) {
        if (isErrorCode(error, 'RESULT_TOO_LARGE')) outcomes.push('too-large')
        else if (error instanceof StatementFailed) outcomes.push('failed')
        else throw error
      }
    }
    return outcomes
  }

  async #write(batch: LogBatch<C>): Promise<void> {
    const { store, clock, digests } = this.#options
    const sums = digests.advance(batch.effects())
    let isInDoubt = false
    const write = async (): Promise<void> => {
      try {
        await store.write([...batch.statements(() => clock.next()), ...sums])
      } catch (error) {
        isInDoubt ||= error instanceof MeridianError && error.retry === 'unknown-outcome'
        throw error
      }
    }
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#retryStore(write)
        return
      } catch (error) {
        // A store whose answer was lost may have committed: then it is where this batch leaves it.
        if (isInDoubt && isPositionGuard(error) && (await this.#isWritten(batch))) return
        const behind = error instanceof StatementFailed && error.kind === 'raise'
        if (!behind || attempt === MAX_CLOCK_RETRIES) {
          digests.forget()
          throw error
        }
        // Another writer of this store drew a higher stamp: draw above the store's clock row.
        const [row] = await store.read([{ sql: 'SELECT hlc FROM _tx', args: [] }])
        clock.observe(row?.rows[0]?.[0] as string)
      }
    }
  }

  async #isWritten(batch: LogBatch<C>): Promise<boolean> {
    const { store, group } = this.#options
    const [result] = await this.#retryStore(() => store.read([selectPosition(group)]))
    return batch.leaves(readPosition(result))
  }

  /** A store that is full or away is waited for: the log is not lost, only late. */
  async #retryStore<T>(run: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await run()
      } catch (error) {
        const passing = isErrorCode(error, 'STORE_FULL', 'STORE_UNAVAILABLE', 'OVERLOADED')
        if (!passing || this.#stopped) throw error
        await new Promise<void>((resolve) =>
          this.#options.runtime.timers.after(RETRY_STORE_MS, resolve),
        )
      }
    }
  }

  /** Undefined at one that cannot be applied, while there are others before it to apply. */
  #decodeAfter(records: readonly PlacedRecord<C>[], entry: LogEntry): PlacedRecord<C> | undefined {
    try {
      return this.#decode(entry, this.#applied + records.length + 1)
    } catch (error) {
      if (records.length === 0) throw error
      return undefined
    }
  }

  #decode(entry: LogEntry, expected: number): PlacedRecord<C> {
    const { group, machine, schemaVersion } = this.#options
    if (entry.index !== expected) {
      throw new MeridianError(
        'LOG_GAP',
        `Log group '${group}' continues at ${entry.index}; ${expected} is next.`,
        { fix: 'Reseed this region from another one.' },
      )
    }
    if (this.#options.skips.isOrdered(entry.index)) return skippedRecord(entry, machine)
    const record = decodeRecord(entry.payload)
    if (record.machineVersion > machine.version || record.schemaVersion > schemaVersion) {
      throw new MeridianError(
        'SCHEMA_INCOMPATIBLE',
        `Record ${entry.index} of log group '${group}' needs schema ${record.schemaVersion} and ` +
          `state machine ${record.machineVersion}; this node has ${schemaVersion} and ${machine.version}.`,
        { fix: 'Start this node with the schema and the version of the others.' },
      )
    }
    const placed = { index: entry.index, id: entry.id, record }
    if (record.kind === 'control') {
      const control = decodeControl(record.commands[0] ?? NOTHING)
      if (control.type === 'machine-version' && control.version > machine.version) {
        throw machineTooOld(group, control.version, machine.version)
      }
      if (control.type === 'schema') {
        const { version } = control.schema
        if (version > schemaVersion) throw schemaTooOld(group, version, schemaVersion)
        machine.schemas?.require(control.schema)
      }
      return { ...placed, commands: [], control }
    }
    return { ...placed, commands: record.commands.map((bytes) => machine.decode(bytes)) }
  }

  #failure(error: unknown): MeridianError {
    const { group } = this.#options
    const at = this.#applied + 1
    if (error instanceof MeridianError && error.code !== 'INTERNAL') return error
    const text = error instanceof Error ? error.message : String(error)
    return new MeridianError('INTERNAL', `Log group '${group}' stopped at record ${at}: ${text}.`, {
      fix: 'Compare with the other regions: if they applied it, reseed this one from them.',
      // The store is not where it was left: that is no fault of the record.
      details: isPositionGuard(error) ? { group } : { group, index: at },
      cause: error,
    })
  }
}

/** A record that has no effect; what of it cannot be decoded has no outcomes either. */
function skippedRecord<C extends Command>(
  { index, id, payload }: LogEntry,
  machine: StateMachine<C>,
): PlacedRecord<C> {
  try {
    const record = decodeRecord(payload)
    const isOfCommands = record.kind === 'commands'
    const commands = isOfCommands ? record.commands.map((bytes) => machine.decode(bytes)) : []
    return { index, id, record, commands, isSkipped: true }
  } catch {
    const record: LogRecord = {
      machineVersion: 1,
      schemaVersion: 0,
      nowMs: 0,
      kind: 'commands',
      commands: [],
    }
    return { index, id, record, commands: [], isSkipped: true }
  }
}

/** The first statement of a batch: the store is not at the record before. */
function isPositionGuard(error: unknown): boolean {
  return error instanceof StatementFailed && error.statementIndex === 0 && error.kind === 'check'
}
