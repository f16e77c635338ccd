/**
 * One log group in one region: a state machine that every region applies in the same order. Sends
 * commands, applies the log to the store, and tells readers how far it is.
 */
import { logSource } from '../../src/core/change.ts'
import { asMeridianError, MeridianError } from '../../src/core/errors.ts'
import { newTxId } from '../../src/core/ids.ts'
import {
  DEFAULT_DEADLINE_MS,
  MAX_MESSAGE_BYTES,
  STRONG_OUTCOME_WINDOW,
} from '../../src/core/limits.ts'
import type { CommitLog, LogTail } from '../../src/core/ports/commit-log.ts'
import type { Runtime } from '../../src/core/ports/runtime.ts'
import type { Store } from '../../src/core/ports/store.ts'
import type { StoreClock } from '../../src/core/store-clock.ts'
import { Applier, type AppliedRecord } from './applier.ts'
import type { StrongFaults } from './faults.ts'
import { IndexWaiters } from './index-waiters.ts'
import { readPosition, selectPosition, type LogPosition } from './log-batch.ts'
import { DEFAULT_PROPOSER_LIMITS, Proposer, type ProposerLimits } from './proposer.ts'
import { encodeRecord } from './record.ts'
import { SharedReadIndex } from './shared-read-index.ts'
import type { Command, Failure, StateMachine } from './state-machine.ts'

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
  /** Told once when the group has stopped because of a record or the log. */
  readonly onFailure: (error: MeridianError) => void
  readonly limits?: Partial<LogGroupLimits>
  /** Test-only. */
  readonly faults?: StrongFaults
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

const DEFAULT_LIMITS: LogGroupLimits = {
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

export class LogGroup<C extends Command> {
  readonly group: string
  readonly #options: LogGroupOptions<C>
  readonly #applier: Applier<C>
  readonly #proposer: Proposer
  readonly #readIndex: SharedReadIndex
  readonly #waiters: IndexWaiters
  readonly #listeners = new Set<(commands: readonly C[]) => void>()
  #tail: LogTail | undefined
  #failure: MeridianError | undefined

  /** Reads the store's position and starts to follow the log from there. */
  static async open<C extends Command>(options: LogGroupOptions<C>): Promise<LogGroup<C>> {
    const [result] = await options.store.read([selectPosition(options.group)])
    const position = readPosition(result)
    const group = new LogGroup(options, position)
    group.#follow(position)
    return group
  }

  private constructor(options: LogGroupOptions<C>, position: LogPosition) {
    const { group, machine, runtime, log, schemaVersion } = options
    const limits = { ...DEFAULT_LIMITS, ...options.limits }
    this.group = group
    this.#options = options
    this.#waiters = new IndexWaiters(runtime.timers, position.index)
    this.#applier = new Applier(
      {
        ...options,
        ...limits,
        ignoreBasis: options.faults?.ignoreBasis === true,
        onApplied: (records) => this.#onApplied(records),
        onFailure: (error) => this.#fail(error),
      },
      position.index,
      position.logTimeMs,
    )
    this.#proposer = new Proposer({
      runtime,
      limits,
      schemaVersion,
      machineVersion: machine.version,
      append: (id, payload) => log.append(group, id, payload),
    })
    this.#readIndex = new SharedReadIndex(
      () => this.#askIndex(),
      runtime.timers,
      options.faults?.joinSentReadIndex === true,
    )
  }

  /**
   * Appends a command; resolves once it is applied in this region.
   *
   * @throws MeridianError the command's failure, or `OVERLOADED`, `TRANSACTION_TOO_LARGE`,
   * `DEADLINE_EXCEEDED` (retry `safe` if it was not sent, else `unknown-outcome`),
   * `UNKNOWN_OUTCOME`, `IDEMPOTENCY_REUSED`, `IDEMPOTENCY_EXPIRED`, `POSITION_LOST`, or why the
   * group stopped
   */
  async propose(command: C, options: CallOptions = {}): Promise<Applied> {
    const bytes = this.#options.machine.encode(command)
    const { outcome, index, logTimeMs } = await this.#proposer.propose(bytes, options.timeoutMs)
    if (!outcome.ok) throw this.#explain(outcome.failure)
    return { value: outcome.value, index, logTimeMs }
  }

  /**
   * Appends a tick, which raises the log's time to this region's clock and deletes rows that have
   * expired; resolves once it is applied here.
   */
  async tick(options: CallOptions = {}): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    const { runtime, machine, schemaVersion, log } = this.#options
    const payload = encodeRecord({
      machineVersion: machine.version,
      schemaVersion,
      nowMs: runtime.clock.nowMs(),
      kind: 'tick',
      commands: [],
    })
    const index = await log.append(this.group, newTxId(runtime.clock, runtime.random), payload)
    await this.waitApplied(index, options)
  }

  /**
   * A read of this region's store that has applied this index sees every write that was
   * acknowledged anywhere before this call.
   *
   * @throws MeridianError `LOG_UNAVAILABLE`, `DEADLINE_EXCEEDED`, `POSITION_LOST` where the log is
   * not the one that was applied
   */
  readIndex({ timeoutMs }: CallOptions = {}): Promise<number> {
    const asked = this.#readIndex.get()
    if (timeoutMs === undefined) return asked
    // The log is asked for several readers, and may be away: each waits as long as it can.
    return new Promise((resolve, reject) => {
      const cancel = this.#options.runtime.timers.after(timeoutMs, () => reject(tooLate()))
      asked.then(resolve, reject).finally(cancel)
    })
  }

  /** @throws MeridianError `DEADLINE_EXCEEDED`, or why the group stopped */
  waitApplied(index: number, options: CallOptions = {}): Promise<void> {
    return this.#waiters.wait(index, options.timeoutMs)
  }

  /**
   * Resolves once this region has applied all that was in the log when it was called.
   *
   * @throws MeridianError `LOG_UNAVAILABLE`, `DEADLINE_EXCEEDED`, or why the group stopped
   */
  async catchUp(options: CallOptions = {}): Promise<void> {
    const { clock } = this.#options.runtime
    const { timeoutMs = DEFAULT_DEADLINE_MS } = options
    const deadlineMs = clock.monotonicMs() + timeoutMs
    const index = await this.readIndex(options)
    await this.waitApplied(index, { timeoutMs: deadlineMs - clock.monotonicMs() })
  }

  /** The last index that this region has applied. */
  applied(): number {
    return this.#applier.applied()
  }

  /** The log's time at `applied()`: what expiry of strong rows is judged by. */
  logTimeMs(): number {
    return this.#applier.logTimeMs()
  }

  /** Runs after commands were applied here. Returns its removal. */
  onApplied(listener: (commands: readonly C[]) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Stops following the log; what was sent and not answered ends with `UNKNOWN_OUTCOME`. */
  async close(): Promise<void> {
    this.#end(new MeridianError('CLOSED', `Log group '${this.group}' is closed.`))
    const applied = this.#applier.stop()
    await this.#tail?.stop()
    await applied
  }

  /** From the record that was applied last, where its id is known: it must be the log's. */
  #follow({ index, lastId }: LogPosition): void {
    let expectedId = index === 0 ? undefined : lastId
    this.#tail = this.#options.log.tail(this.group, expectedId === undefined ? index + 1 : index, {
      onEntries: async (entries) => {
        const isOther = expectedId !== undefined && entries[0]?.id !== expectedId
        expectedId = undefined
        if (isOther) this.#fail(this.#replaced(index))
        else await this.#applier.push(entries)
      },
      onFailure: (error) => this.#fail(asMeridianError(error)),
    })
  }

  /** A log never ends before what was applied, unless it is another one. */
  async #askIndex(): Promise<number> {
    if (this.#failure?.code === 'POSITION_LOST') throw this.#failure
    const applied = this.#applier.applied()
    const index = await this.#options.log.readIndex(this.group)
    if (index >= applied) return index
    this.#fail(this.#replaced(applied))
    throw this.#failure as MeridianError
  }

  #replaced(index: number): MeridianError {
    return new MeridianError(
      'POSITION_LOST',
      `Record ${index} of log group '${this.group}' is not the one that this region applied.`,
      {
        fix: 'The log was restored or replaced: restore the log that the regions followed, or seed this region again from one that follows this log.',
        details: { group: this.group, index },
      },
    )
  }

  #onApplied(records: readonly AppliedRecord<C>[]): void {
    const commands = records.flatMap(({ placed }) => placed.commands)
    for (const listener of this.#listeners) listener(commands)
    this.#waiters.advance(this.#applier.applied())
    for (const { placed, outcomes } of records) this.#proposer.deliver(placed.id, outcomes)
  }

  #fail(error: MeridianError): void {
    if (this.#failure !== undefined) return
    this.#end(error)
    void this.#tail?.stop()
    this.#options.onFailure(error)
  }

  #end(error: MeridianError): void {
    this.#failure ??= error
    this.#waiters.fail(error)
    this.#proposer.close(error)
  }

  #explain(failure: Failure): MeridianError {
    switch (failure.code) {
      case 'IDEMPOTENCY_REUSED':
        return new MeridianError(failure.code, 'The idempotency key was used for another write.', {
          fix: 'Use a new key for a new write.',
        })
      case 'IDEMPOTENCY_EXPIRED':
        return new MeridianError(
          failure.code,
          'The write was first sent too long ago to tell whether it took effect.',
          { fix: 'Read what is stored, then write again under a new idempotency key.' },
        )
      case 'POSITION_LOST':
        return new MeridianError(
          failure.code,
          `The caller has seen more of ${logSource(this.group)} than the log holds.`,
          { fix: 'The log was restored or replaced: begin a new session.' },
        )
      default:
        return this.#options.machine.explain(failure)
    }
  }
}

function tooLate(): MeridianError {
  return new MeridianError('DEADLINE_EXCEEDED', 'The commit log has not answered in time.', {
    fix: 'Repeat the read, or allow an older state.',
  })
}
