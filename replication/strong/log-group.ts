/**
 * One log group in one region: a state machine that every region applies in the same order. Sends
 * commands, applies the log to the store, and tells readers how far it is.
 */
import { asMeridianError, isErrorCode, MeridianError } from '../../src/core/errors.ts'
import { newTxId } from '../../src/core/ids.ts'
import { DEFAULT_DEADLINE_MS } from '../../src/core/limits.ts'
import type { LogTail } from '../../src/core/ports/commit-log.ts'
import { Applier, type AppliedRecord } from './applier.ts'
import { CONTROL_VERSION, encodeControl, type Control } from './control.ts'
import { GroupLeases } from './group-leases.ts'
import { IndexWaiters } from './index-waiters.ts'
import { outgoingOf } from './lease-effects.ts'
import { readPosition, selectPosition, type LogPosition } from './log-batch.ts'
import { failureOf, halfSeeded, replacedLog, tooLate } from './log-group-errors.ts'
import {
  DEFAULT_LIMITS,
  type Applied,
  type CallOptions,
  type LogGroupLimits,
  type LogGroupOptions,
  type LogGroupStatus,
} from './log-group-options.ts'
import { Proposer } from './proposer.ts'
import { encodeRecord } from './record.ts'
import { readMarker, selectMarker } from './reseed-marker.ts'
import { Reseeder, reseedingError, type ReseedProgress, type Seeding } from './reseeder.ts'
import { SharedReadIndex } from './shared-read-index.ts'
import type { Command } from './state-machine.ts'

export class LogGroup<C extends Command> {
  readonly group: string
  readonly #options: LogGroupOptions<C>
  readonly #limits: LogGroupLimits
  #applier: Applier<C>
  #proposer: Proposer
  /** Of a group whose tables have local strong reads. */
  readonly leases: GroupLeases | undefined
  readonly #readIndex: SharedReadIndex
  readonly #waiters: IndexWaiters
  readonly #listeners = new Set<(commands: readonly C[]) => void>()
  readonly #resetListeners = new Set<() => void>()
  #tail: LogTail | undefined
  #failure: MeridianError | undefined
  #reseeder: Reseeder | undefined
  #reseeding: Promise<void> | undefined
  /** How often the copy was seeded again: what was read across one is of no moment. */
  #reseeds = 0
  #logEnd = 0

  /** Reads the store's position and starts to follow the log from there. */
  static async open<C extends Command>(options: LogGroupOptions<C>): Promise<LogGroup<C>> {
    const { store, group: name } = options
    const [result, marker] = await store.read([selectPosition(name), selectMarker(name)])
    const position = readPosition(result)
    const group = new LogGroup(options, position)
    if (readMarker(marker) === undefined) await group.#beginToFollow(position)
    else group.#reseed(halfSeeded(name))
    return group
  }

  private constructor(options: LogGroupOptions<C>, position: LogPosition) {
    const { group, runtime } = options
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits }
    this.group = group
    this.#options = options
    this.#waiters = new IndexWaiters(runtime.timers, position.index)
    this.leases = options.localReads && new GroupLeases(options.localReads, options, this)
    this.#applier = this.#newApplier(position)
    this.#proposer = this.#newProposer()
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
    this.requireNotReseeding()
    const { machine } = this.#options
    const { outcome, index, logTimeMs } = await this.#proposer.propose(
      machine.encode(command),
      machine.leastVersion?.(command) ?? machine.version,
      options.timeoutMs,
    )
    if (!outcome.ok) throw failureOf(this.group, machine, outcome.failure)
    return { value: outcome.value, index, logTimeMs }
  }

  /**
   * Appends a tick, which raises the log's time to this region's clock and deletes rows that have
   * expired; resolves once it is applied here.
   */
  async tick(options: CallOptions = {}): Promise<void> {
    this.requireWhole()
    const { runtime, machine, schemaVersion, log } = this.#options
    const payload = encodeRecord({
      machineVersion: machine.leastVersion?.() ?? machine.version,
      schemaVersion,
      nowMs: runtime.clock.nowMs(),
      kind: 'tick',
      commands: [],
    })
    const index = await log.append(this.group, newTxId(runtime.clock, runtime.random), payload)
    await this.waitApplied(index, options)
  }

  /**
   * Appends a control record; resolves once it is applied here. Controls are idempotent: one whose
   * fate is unknown may be sent again.
   *
   * @throws MeridianError `LOG_UNAVAILABLE`, `DEADLINE_EXCEEDED`, or why the group stopped
   */
  async control(control: Control, options: CallOptions = {}): Promise<void> {
    this.requireWhole()
    const { runtime, log } = this.#options
    const payload = encodeRecord({
      machineVersion: CONTROL_VERSION,
      // What it does depends on no schema.
      schemaVersion: 0,
      nowMs: runtime.clock.nowMs(),
      kind: 'control',
      commands: [encodeControl(control)],
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

  /** @throws MeridianError `LOG_UNAVAILABLE` while the copy is being seeded again */
  requireNotReseeding(): void {
    if (this.#reseeder !== undefined) throw this.#reseedingError()
  }

  /** @throws MeridianError `LOG_UNAVAILABLE` as above, or why the group stopped */
  requireWhole(): void {
    this.requireNotReseeding()
    if (this.#failure !== undefined) throw this.#failure
  }

  /**
   * For reads of the group's rows: call it before, and what it returns after them.
   *
   * @throws MeridianError `LOG_UNAVAILABLE` while the copy is being seeded again; afterwards, where
   * that began meanwhile
   */
  seal(): () => void {
    this.requireNotReseeding()
    const reseeds = this.#reseeds
    return () => {
      if (reseeds !== this.#reseeds) throw this.#reseedingError()
    }
  }

  /** Runs `run` while nothing is being applied. @throws MeridianError as `requireWhole` */
  async quiesce<T>(run: () => Promise<T>): Promise<T> {
    this.requireWhole()
    return this.#applier.quiesce(run)
  }

  /** The log is needed from here on; undefined while that is not known. */
  retainFrom(): number | undefined {
    if (this.#reseeder === undefined) return this.applied() + 1
    const held = this.#reseeder.held()
    return held === 0 ? undefined : held + 1
  }

  status(): LogGroupStatus {
    return {
      group: this.group,
      applied: this.applied(),
      logEnd: this.#logEnd,
      reseeding: this.#reseeder?.progress(),
      error: this.#failure ?? null,
    }
  }

  /** Runs after the state was replaced as a whole. Returns its removal. */
  onReset(listener: () => void): () => void {
    this.#resetListeners.add(listener)
    return () => this.#resetListeners.delete(listener)
  }

  /** Runs after commands were applied here. Returns its removal. */
  onApplied(listener: (commands: readonly C[]) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Stops following the log; what was sent and not answered ends with `UNKNOWN_OUTCOME`. */
  async close(): Promise<void> {
    this.#end(new MeridianError('CLOSED', `Log group '${this.group}' is closed.`))
    this.#reseeder?.stop()
    const applied = this.#applier.stop()
    await this.#tail?.stop()
    await applied
    await this.#reseeding
    await this.leases?.end()
  }

  #newApplier(position: LogPosition): Applier<C> {
    const applier: Applier<C> = new Applier<C>(
      {
        ...this.#options,
        ...this.#limits,
        ...(this.leases && { leases: this.leases }),
        ignoreBasis: this.#options.faults?.ignoreBasis === true,
        onApplied: (records) => this.#onApplied(records),
        onFailure: (error) => {
          // One that a reseed replaces has nothing more to say.
          if (this.#reseeder === undefined && this.#applier === applier) this.#fail(error)
        },
      },
      position.index,
      position.logTimeMs,
    )
    return applier
  }

  #newProposer(): Proposer {
    const { group, runtime, log, schemaVersion, machine } = this.#options
    const { leases } = this
    return new Proposer({
      runtime,
      limits: this.#limits,
      schemaVersion,
      append: (id, payload) => log.append(group, id, payload),
      ...(leases && {
        beforeAppend: (commands) => leases.beforeAppend(outgoingOf(machine, commands)),
      }),
    })
  }

  /** Nobody reads or writes the group here until its copy is that of a peer. */
  #reseed(cause: MeridianError): void {
    const { seeding, group, state, machine, log, faults = {} } = this.#options
    if (this.#failure !== undefined) return
    if (seeding === undefined || seeding.peers.length === 0) return this.#fail(cause)
    this.#reseeds += 1
    this.#reseeder = new Reseeder(
      {
        ...this.#options,
        ...state,
        group,
        seeding,
        faults,
        machineVersion: machine.version,
        outcomeWindowRecords: this.#limits.outcomeWindowRecords,
        logEnd: () => log.readIndex(group),
      },
      () => this.applied(),
    )
    this.#waiters.suspend(() => this.#reseedingError())
    this.#proposer.close(this.#reseedingError())
    this.#reseeding = this.#runReseed(this.#reseeder, seeding).catch((error: unknown) =>
      this.#fail(asMeridianError(error)),
    )
  }

  async #runReseed(reseeder: Reseeder, seeding: Seeding): Promise<void> {
    await this.#tail?.stop()
    await this.#applier.stop()
    await this.leases?.end()
    const seeded = await reseeder.run()
    if (this.#failure !== undefined) return
    const position = (await this.leases?.begin()) ?? seeded
    this.#applier = this.#newApplier(position)
    this.#proposer = this.#newProposer()
    this.#reseeder = undefined
    for (const listener of this.#resetListeners) listener()
    this.#waiters.resume(position.index)
    seeding.onProgress?.(this.group, null)
    this.#follow(position)
    this.leases?.start()
  }

  /** The lease row of a new life comes before all that is read of the store (L4). */
  async #beginToFollow(known: LogPosition): Promise<void> {
    const position = (await this.leases?.begin()) ?? known
    if (position !== known) this.#applier = this.#newApplier(position)
    this.#waiters.advance(position.index)
    this.#follow(position)
    this.leases?.start()
  }

  #reseedingError(): MeridianError {
    const nothing: ReseedProgress = { peer: null, parts: 0, failures: {} }
    return reseedingError(this.group, this.#reseeder?.progress() ?? nothing)
  }

  /** From the record that was applied last, where its id is known: it must be the log's. */
  #follow({ index, lastId }: LogPosition): void {
    let expectedId = index === 0 ? undefined : lastId
    this.#tail = this.#options.log.tail(this.group, expectedId === undefined ? index + 1 : index, {
      onEntries: async (entries) => {
        const isOther = expectedId !== undefined && entries[0]?.id !== expectedId
        expectedId = undefined
        if (isOther) this.#fail(replacedLog(this.group, index))
        else await this.#applier.push(entries)
      },
      onFailure: (error) => {
        if (isErrorCode(error, 'LOG_COMPACTED')) this.#reseed(error)
        else this.#fail(asMeridianError(error))
      },
    })
  }

  /** A log never ends before what was applied, unless it is another one. */
  async #askIndex(): Promise<number> {
    this.requireNotReseeding()
    if (this.#failure?.code === 'POSITION_LOST') throw this.#failure
    const applied = this.#applier.applied()
    const index = await this.#options.log.readIndex(this.group)
    this.#logEnd = Math.max(this.#logEnd, index)
    if (index >= applied) return index
    this.#fail(replacedLog(this.group, applied))
    throw this.#failure as MeridianError
  }

  #onApplied(records: readonly AppliedRecord<C>[]): void {
    const commands = records.flatMap(({ placed }) => placed.commands)
    for (const listener of this.#listeners) listener(commands)
    this.#waiters.advance(this.#applier.applied())
    const proposer = this.#proposer
    for (const { placed, outcomes } of records) {
      const deliver = (): void => proposer.deliver(placed.id, outcomes)
      if (this.leases === undefined) deliver()
      else this.leases.whenStable(placed.index, deliver)
    }
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
    this.leases?.fail(error)
  }
}
