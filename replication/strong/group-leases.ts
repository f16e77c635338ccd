/**
 * The leases of a log group with local reads, across the lives of its copy: what waits for the
 * stable index here, and what is emitted by it. A life begins before the log is followed, and again
 * once the copy was seeded.
 */
import { MeridianError } from '../../src/core/errors.ts'
import type { Runtime } from '../../src/core/ports/runtime.ts'
import type { Statement, StatementResult, Store } from '../../src/core/ports/store.ts'
import type { StoreClock } from '../../src/core/store-clock.ts'
import { IndexWaiters } from './index-waiters.ts'
import { outgoingOf } from './lease-effects.ts'
import type { EvaluatedRecord } from './leases/lease-core.ts'
import type { LeaseFaults } from './leases/lease-faults.ts'
import type { LeaseMesh } from './leases/lease-mesh.ts'
import { encodeLeaseRecord } from './leases/lease-record.ts'
import { LeaseRuntime, type LeaseSettings, type LeaseStatus } from './leases/lease-runtime.ts'
import type { ReadScope } from './leases/read-scope.ts'
import { readPosition, selectPosition, type LogPosition, type RecordLeases } from './log-batch.ts'
import type { CallOptions } from './log-group-options.ts'
import type { Control } from './control.ts'
import type { AppliedRecord } from './applier.ts'
import type { Proposer, ProposerOptions } from './proposer.ts'
import { StableOutbox } from './stable-outbox.ts'
import type { Command, StateMachine } from './state-machine.ts'

/** What a group with local reads is opened with, besides what every group is. */
export interface GroupLeaseOptions {
  readonly region: string
  /** The id of this life of the store: a copy, or a restored store, has another. */
  readonly databaseId: string
  readonly settings: LeaseSettings
  readonly mesh: LeaseMesh
  /** Positions of the waiting outbox behind which a snapshot for another region still reads. */
  readonly snapshotPositions: () => readonly number[]
  /** Test-only. */
  readonly faults?: LeaseFaults
}

/** What the leases share with their group. */
export interface GroupParts {
  readonly group: string
  readonly store: Store
  readonly clock: StoreClock
  readonly runtime: Runtime
  readonly schemaVersion: number
}

/** The group's log. */
export interface LeasedLog {
  control(control: Control, options?: CallOptions): Promise<void>
  catchUp(): Promise<void>
}

interface Held {
  readonly index: number
  readonly deliver: () => void
}

const RELEASE_TIMEOUT_MS = 2_000

export class GroupLeases implements RecordLeases {
  readonly #options: GroupLeaseOptions
  readonly #group: GroupParts
  readonly #log: LeasedLog
  readonly #stable: IndexWaiters
  readonly #outbox: StableOutbox
  #life: LeaseRuntime | undefined
  /** What the store had applied when the life began: until that is stable nothing is emitted. */
  #begunAt = 0
  #held: Held[] = []

  constructor(options: GroupLeaseOptions, group: GroupParts, log: LeasedLog) {
    this.#options = options
    this.#group = group
    this.#log = log
    this.#stable = new IndexWaiters(group.runtime.timers, 0)
    this.#outbox = new StableOutbox({ ...options, ...group })
  }

  /** Begins a life; resolves with the group's position, which is read after the lease row is written. */
  async begin(): Promise<LogPosition> {
    let position: LogPosition = readPosition(undefined)
    const { group, store, runtime } = this.#group
    this.#life = await LeaseRuntime.begin(
      {
        ...this.#options,
        // What power loss takes back was not applied: such a store promises nothing.
        takesLeases: (store.durability ?? 'full') === 'full',
        store,
        runtime,
        append: (record) => this.#log.control({ type: 'lease', record: encodeLeaseRecord(record) }),
        catchUp: () => this.#log.catchUp(),
        onStable: (index) => this.#onStable(index),
      },
      {
        select: selectPosition(group),
        read: (result) => {
          position = readPosition(result)
          return position.index
        },
      },
    )
    this.#begunAt = position.index
    this.#stable.resume(this.#life.stableIndex)
    this.#onStable(this.#life.stableIndex)
    return position
  }

  /** The log is followed from here on. */
  start(): void {
    this.#life?.start()
  }

  /** The life is over: the copy is seeded again, or the group ends. Nothing that waits is answered. */
  async end(): Promise<void> {
    this.#life?.stop()
    this.#life = undefined
    this.#held = []
    await this.#outbox.pause()
  }

  /** Nothing more is applied: what waits fails, and no lease is held any more. */
  fail(reason: MeridianError): void {
    this.#stable.fail(reason)
    this.#life?.stop()
  }

  /** What a proposer tells of records: their hints go out right before the append. */
  hinting<C extends Command>(
    machine: StateMachine<C>,
  ): Required<Pick<ProposerOptions, 'beforeAppend'>> {
    return {
      beforeAppend: (commands) => this.#life?.beforeAppend(outgoingOf(machine, commands)),
    }
  }

  evaluated(records: readonly EvaluatedRecord[]): Statement[] {
    // Records that leases do not see would pass for covered.
    if (this.#life === undefined) throw notWhole(this.#group.group)
    return this.#life.evaluated(records)
  }

  committed(index: number): void {
    this.#life?.committed(index)
  }

  /** Runs `deliver` once the record at `index` is stable: answers show what is before them. */
  whenStable(index: number, deliver: () => void): void {
    if (this.#life?.covers(index) === true) deliver()
    else this.#held.push({ index, deliver })
  }

  /** @throws MeridianError `DEADLINE_EXCEEDED`, or why the group stopped */
  waitStable(index: number, { timeoutMs }: CallOptions = {}): Promise<void> {
    return this.#stable.wait(index, timeoutMs)
  }

  /** Resolves once the changes through `index` are emitted. @throws MeridianError as `waitStable` */
  async waitEmitted(index: number, { timeoutMs }: CallOptions = {}): Promise<void> {
    await this.#stable.wait(index, timeoutMs)
    await this.#outbox.waitReleased(index, timeoutMs)
  }

  /**
   * Answers a strong read from the own store, without a message to anybody; undefined: only the log
   * can. Resolves once what was read is stable.
   *
   * @throws MeridianError `DEADLINE_EXCEEDED`, and what the store says
   */
  async readLocally(
    scopes: readonly ReadScope[],
    statements: readonly Statement[],
    call: CallOptions = {},
  ): Promise<readonly StatementResult[] | undefined> {
    const read = await this.#life?.readLocally(scopes, statements)
    if (read === undefined) return undefined
    await this.waitStable(read.needs, call)
    return read.results
  }

  /** For a read that went to the log, after its rows were read. @throws MeridianError as `waitStable` */
  async settleRead(scopes: readonly ReadScope[], call: CallOptions = {}): Promise<void> {
    if (this.#life === undefined) throw notWhole(this.#group.group)
    await this.waitStable(this.#life.readIndexNeeds(scopes), call)
  }

  /** Returns the lease; what fails then is left to run out. Never rejects. */
  async release(): Promise<void> {
    const { timers } = this.#group.runtime
    const released = this.#life?.release().catch(() => undefined)
    if (released === undefined) return
    await new Promise<void>((resolve) => {
      const cancel = timers.after(RELEASE_TIMEOUT_MS, resolve)
      void released.then(() => {
        cancel()
        resolve()
      })
    })
  }

  /** Undefined while the copy is seeded again. */
  status(): LeaseStatus | undefined {
    return this.#life?.status()
  }

  #onStable(index: number): void {
    this.#stable.advance(index)
    const held = this.#held
    this.#held = held.filter((one) => one.index > index)
    for (const one of held) if (one.index <= index) one.deliver()
    if (index >= this.#begunAt) this.#outbox.release(index)
  }
}

/** Hands outcomes to those who wait for them; of a group with local reads once they are stable. */
export function answerOnceStable<C>(
  records: readonly AppliedRecord<C>[],
  proposer: Pick<Proposer, 'deliver'>,
  leases: Pick<GroupLeases, 'whenStable'> | undefined,
): void {
  for (const { placed, outcomes } of records) {
    const deliver = (): void => proposer.deliver(placed.id, outcomes)
    if (leases === undefined) deliver()
    else leases.whenStable(placed.index, deliver)
  }
}

function notWhole(group: string): MeridianError {
  return new MeridianError('LOG_UNAVAILABLE', `The copy of log group '${group}' is not whole.`, {
    fix: 'Repeat the read, or ask another region.',
  })
}
