/**
 * One log group in one region: a state machine that every region applies in the same order. Sends
 * commands, applies the log to the store, and tells readers how far it is.
 */
import { asMeridianError, isErrorCode, MeridianError } from '../../src/core/errors.ts'
import { newTxId } from '../../src/core/ids.ts'
import { DEFAULT_DEADLINE_MS } from '../../src/core/limits.ts'
import type { LogTail } from '../../src/core/ports/commit-log.ts'
import { Applier, type AppliedRecord } from './applier.ts'
import { controlRecord, type Control } from './control.ts'
import { DivergenceGuard } from './digests/divergence-guard.ts'
import { followLog } from './follow-log.ts'
import { answerOnceStable, GroupLeases } from './group-leases.ts'
import { GroupVersions } from './group-versions.ts'
import { IndexWaiters } from './index-waiters.ts'
import { loadAgain, loadGroup, type LoadedGroup } from './load-group.ts'
import type { LogPosition } from './log-batch.ts'
import {
  failureOf,
  halfSeeded,
  nobodyToSeed,
  replacedLog,
  reseedOrdered,
} from './log-group-errors.ts'
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
import { Reseeder, reseedingError, type ReseedProgress, type Seeding } from './reseeder.ts'
import { SharedReadIndex, within } from './shared-read-index.ts'
import { skipRecord, type SkipCall, type SkipReport } from './skip-record.ts'
import { SkipWatch } from './skip-watch.ts'
import { hasAppliedSkipped, poisonIndex, SkipList } from './skips.ts'
import type { GroupPeerState } from './snapshot-messages.ts'
import type { Command } from './state-machine.ts'

export class LogGroup<C extends Command> {
  readonly group: string
  readonly #options: LogGroupOptions<C>
  readonly #limits: LogGroupLimits
  readonly #versions: GroupVersions<C>
  readonly #skips: SkipList
  readonly #guard: DivergenceGuard
  #skipWatch: SkipWatch | undefined
  #isClosed = false
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
    const loaded = await loadGroup(store, name)
    const group = new LogGroup(options, loaded)
    const { position } = loaded
    const tooOld = group.#versions.load(position)
    if (tooOld !== undefined) group.#fail(tooOld)
    else if (!loaded.isMarked) await group.#beginToFollow(position)
    else group.#reseed(halfSeeded(name))
    group.#versions.start()
    group.#guard.start()
    return group
  }

  private constructor(options: LogGroupOptions<C>, { position, sums }: LoadedGroup) {
    const { group, runtime, faults } = options
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits }
    this.group = group
    this.#options = options
    this.#versions = new GroupVersions(options, position, (control) => this.control(control))
    this.#skips = new SkipList(group, position.skipped, faults?.skipIgnored === true)
    const onDiverged = (error: MeridianError, peers?: readonly string[]): void =>
      this.#reseed(error, peers)
    this.#guard = new DivergenceGuard({ ...options, ...this.#limits }, onDiverged, position, sums)
    this.#waiters = new IndexWaiters(runtime.timers, position.index)
    this.leases = options.localReads && new GroupLeases(options.localReads, options, this)
    this.#applier = this.#newApplier(position)
    this.#proposer = this.#newProposer()
    this.#readIndex = new SharedReadIndex(
      () => this.#askIndex(),
      runtime.timers,
      faults?.joinSentReadIndex === true,
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
    const ready = this.#versions.ready(command, options)
    const { command: sent, machineVersion, call } = ready instanceof Promise ? await ready : ready
    const { outcome, index, logTimeMs } = await this.#proposer.propose(
      machine.encode(sent),
      machineVersion,
      call.timeoutMs,
      machine.beginsBatch?.(sent),
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
    const { runtime, machine, log } = this.#options
    this.#requireInStep()
    const payload = encodeRecord({
      machineVersion: machine.leastVersion?.() ?? machine.version,
      schemaVersion: this.#versions.schemaVersion(),
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
   * @throws MeridianError `LOG_UNAVAILABLE`, `CLOCK_SKEW`, `DEADLINE_EXCEEDED`, why the group stopped, or
   * `SCHEMA_INCOMPATIBLE` (retry `safe`) while a region does not know control records
   */
  async control(control: Control, options: CallOptions = {}): Promise<void> {
    this.requireWhole()
    const call = await this.#versions.requireControls(control, options)
    const { runtime, log } = this.#options
    this.#requireInStep()
    const payload = encodeRecord(controlRecord(control, runtime.clock.nowMs()))
    const index = await log.append(this.group, newTxId(runtime.clock, runtime.random), payload)
    await this.waitApplied(index, call)
  }

  /**
   * A read of this region's store that has applied this index sees every write that was
   * acknowledged anywhere before this call.
   *
   * @throws MeridianError `LOG_UNAVAILABLE`, `DEADLINE_EXCEEDED`, `POSITION_LOST` where the log is
   * not the one that was applied
   */
  readIndex({ timeoutMs }: CallOptions = {}): Promise<number> {
    // The log is asked for several readers, and may be away: each waits as long as it can.
    return within(this.#readIndex.get(), this.#options.runtime.timers, timeoutMs)
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

  /** The version of the state machine that the log has risen to, as far as it is applied here. */
  machineVersion(): number {
    return this.#versions.machineVersion()
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
      machineVersion: this.machineVersion(),
      schemaVersion: this.#versions.saidSchema(),
      reseeding: this.#reseeder?.progress(),
      error: this.#failure ?? null,
      digests: this.#guard.status(),
    }
  }

  /** What other regions compare themselves with, and an operator's `skip` is judged by. */
  peerState(): GroupPeerState {
    const applied = this.applied()
    const error = this.#failure
    const index = poisonIndex(error, applied) ?? null
    const isWhole = this.#reseeder === undefined
    return {
      kind: 'state',
      applied,
      machineVersion: this.#options.machine.version,
      digestKind: this.#guard.kind(),
      digests: isWhole ? this.#guard.tracker().digests() : [],
      skipped: this.#skips.applied(),
      stopped: error === undefined ? null : { code: error.code, message: error.message, index },
    }
  }

  /**
   * Has this copy seeded again from `peers`, or from any other region: an operator's word.
   *
   * @throws MeridianError `CLOSED`, why the group stopped where a copy would stop as well, or
   * `INVALID_ARGUMENT` where there is nobody to seed it from
   */
  orderReseed(peers?: readonly string[]): void {
    const isPoison = poisonIndex(this.#failure, this.applied()) !== undefined
    if (this.#failure !== undefined && !isPoison) throw this.#failure
    if ((peers ?? this.#options.seeding?.peers ?? []).length === 0) throw nobodyToSeed(this.group)
    this.#reseed(reseedOrdered(this.group), peers)
  }

  /** Has a record passed over that every region stopped at. @throws MeridianError as `skipRecord` */
  skip(index: number, call: SkipCall): Promise<SkipReport> {
    return skipRecord({ ...this.#options, own: () => this.peerState() }, index, call)
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
    this.#isClosed = true
    this.#end(new MeridianError('CLOSED', `Log group '${this.group}' is closed.`))
    this.#reseeder?.stop()
    const applied = this.#applier.stop()
    await Promise.all([this.#tail?.stop(), this.#skipWatch?.stop(), this.#guard.stop()])
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
        logTimeOfRecord: this.#options.faults?.logTimeOfRecord === true,
        skips: this.#skips,
        digests: this.#guard.tracker(),
        onApplied: (records) => this.#onApplied(records),
        onFailure: (error) => {
          // One that a reseed replaces has nothing more to say.
          if (this.#reseeder !== undefined || this.#applier !== applier) return
          if (hasAppliedSkipped(error)) this.#reseed(error)
          else this.#fail(error)
        },
      },
      position.index,
      position.logTimeMs,
    )
    return applier
  }

  #requireInStep(): void {
    if (this.#options.faults?.clockUnchecked !== true) this.#options.requireInStep?.()
  }

  #newProposer(): Proposer {
    const { group, runtime, log, machine } = this.#options
    return new Proposer({
      runtime,
      requireInStep: () => this.#requireInStep(),
      limits: this.#limits,
      schemaVersion: () => this.#versions.schemaVersion(),
      append: (id, payload) => log.append(group, id, payload),
      ...this.leases?.hinting(machine),
    })
  }

  /** Nobody reads or writes the group here until its copy is that of a peer. */
  #reseed(cause: MeridianError, peers?: readonly string[]): void {
    const { group, state, machine, log, faults = {} } = this.#options
    if (this.#isClosed || this.#reseeder !== undefined) return
    const seeding = this.#options.seeding && { ...this.#options.seeding, ...(peers && { peers }) }
    const isStopped = this.#failure !== undefined
    if (isStopped && poisonIndex(this.#failure, this.applied()) === undefined) return
    if (seeding === undefined || seeding.peers.length === 0) return this.#fail(cause)
    this.#failure = undefined
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
        ...(cause.code === 'LOG_COMPACTED' ? {} : { why: cause.message }),
        logEnd: () => log.readIndex(group),
      },
      () => this.applied(),
    )
    this.#waiters.suspend(() => this.#reseedingError())
    this.#proposer.close(this.#reseedingError())
    this.#reseeding = this.#runReseed(this.#reseeder, seeding, isStopped).catch((error: unknown) =>
      this.#fail(asMeridianError(error)),
    )
  }

  async #runReseed(reseeder: Reseeder, seeding: Seeding, wasStopped: boolean): Promise<void> {
    await Promise.all([this.#tail?.stop(), this.#skipWatch?.stop()])
    await this.#applier.stop()
    await this.leases?.end()
    const seeded = await reseeder.run()
    if (this.#failure !== undefined) return
    const position = (await this.leases?.begin()) ?? seeded
    const tooOld = this.#versions.load(position)
    if (tooOld !== undefined) return this.#fail(tooOld)
    this.#skips.replace(position.skipped)
    this.#guard.reset(position)
    this.#applier = this.#newApplier(position)
    this.#proposer = this.#newProposer()
    this.#reseeder = undefined
    for (const listener of this.#resetListeners) listener()
    this.#waiters.resume(position.index)
    seeding.onProgress?.(this.group, null)
    if (wasStopped) this.#options.onResumed?.()
    this.#follow(position)
  }

  /** The lease row of a new life comes before all that is read of the store (L4). */
  async #beginToFollow(known: LogPosition): Promise<void> {
    const position = (await this.leases?.begin()) ?? known
    if (position !== known) this.#applier = this.#newApplier(position)
    this.#waiters.advance(position.index)
    this.#follow(position)
  }

  #reseedingError(): MeridianError {
    const nothing: ReseedProgress = { peer: null, parts: 0, failures: {} }
    return reseedingError(this.group, this.#reseeder?.progress() ?? nothing)
  }

  #follow(position: LogPosition): void {
    this.#tail = followLog(this.#options.log, this.group, position, {
      onEntries: (entries) => this.#applier.push(entries),
      onFailure: (error) => {
        if (isErrorCode(error, 'LOG_COMPACTED')) this.#reseed(error)
        else this.#fail(asMeridianError(error))
      },
    })
    this.leases?.start()
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
    for (const { placed } of records) {
      if (placed.control !== undefined) this.#versions.note(placed.control)
    }
    const commands = records.flatMap(({ placed }) => placed.commands)
    for (const listener of this.#listeners) listener(commands)
    this.#waiters.advance(this.#applier.applied())
    answerOnceStable(records, this.#proposer, this.leases)
  }

  #fail(error: MeridianError): void {
    if (this.#failure !== undefined) return
    const poison = poisonIndex(error, this.applied())
    this.#end(error, poison !== undefined)
    void this.#tail?.stop()
    if (poison !== undefined) this.#waitForSkip(poison)
    this.#options.onFailure(error)
  }

  /** A record that is refused everywhere can be skipped (protocol rule 25): the log says so, ahead. */
  #waitForSkip(index: number): void {
    this.#skipWatch = new SkipWatch(this.#options.log, this.group, index, {
      onSkip: () => {
        this.#skips.order(index)
        void this.#goOn()
      },
      onCompacted: (error) => this.#reseed(error),
    })
  }

  /** Follows the log again after a stop, from where the store is. */
  async #goOn(): Promise<void> {
    const { store, runtime, onResumed } = this.#options
    await Promise.all([this.#tail?.stop(), this.#skipWatch?.stop(), this.#applier.stop()])
    await this.leases?.end()
    const loaded = await loadAgain(store, this.group, runtime.timers, () => this.#isClosed)
    if (loaded === undefined || this.#reseeder !== undefined) return
    const { sums } = loaded
    const position = (await this.leases?.begin()) ?? loaded.position
    // A batch that was in doubt may have been of a control.
    this.#versions.load(position)
    this.#failure = undefined
    this.#guard.reset(position, sums)
    this.#applier = this.#newApplier(position)
    this.#proposer = this.#newProposer()
    this.#waiters.resume(position.index)
    onResumed?.()
    this.#follow(position)
  }

  /** `mayGoOn`: the group is only waiting for a word. */
  #end(error: MeridianError, mayGoOn = false): void {
    this.#failure ??= error
    this.#waiters.fail(error)
    this.#proposer.close(error)
    this.leases?.fail(error)
    if (!mayGoOn) this.#versions.stop(error)
  }
}
