/** What the write queue of a remote store writes through: a group is one batch, one round trip. */
import { isErrorCode, MeridianError } from '../../../core/errors.ts'
import type { Runtime } from '../../../core/ports/runtime.ts'
import type { BoundStatement } from '../bind.ts'
import type { GroupMember, MemberOutcome } from '../group-commit.ts'
import { busyError, type GroupWriter } from '../group-writer.ts'
import {
  BatchRefused,
  type BatchConnection,
  type RemoteFailure,
  type StepOutcome,
} from './batch.ts'
import { planCommit, readCommit, type PlanOutcome, type RemoteMember } from './batch-plan.ts'
import { refusalError } from './refusal.ts'
import {
  isBusyFailure,
  isOfOneAlone,
  provesUndone,
  statementError,
  storeFailure,
  tooLarge,
  unavailable,
} from './remote-failure.ts'
import type { StatementReader } from './remote-statement.ts'
import type { StoreLease } from './store-lease.ts'

/** What a writer needs. */
export interface RemoteWriterOptions {
  readonly connection: BatchConnection
  readonly url: string
  readonly lease: StoreLease
  readonly reader: StatementReader
  readonly runtime: Pick<Runtime, 'clock' | 'timers'>
  /** How long a write waits for another program's lock on the database. */
  readonly busyTimeoutMs: number
  /** Estimated size beyond which a batch is not sent. */
  readonly maxRequestBytes: number
}

const BUSY_PAUSE_MS = 20
/** What a step takes besides its text and arguments: conditions, framing. */
const STEP_BYTES = 64

/** Something to commit, and where its outcome belongs. */
interface Item {
  readonly place: number
  readonly member: RemoteMember
  readonly bytes: number
}

export class RemoteWriter implements GroupWriter {
  /** Over HTTP two requests may overtake each other. */
  readonly maxGroupsInFlight = 1
  readonly #options: RemoteWriterOptions

  constructor(options: RemoteWriterOptions) {
    this.#options = options
  }

  async commit(members: readonly GroupMember[]): Promise<readonly MemberOutcome[]> {
    const outcomes = new Array<MemberOutcome>(members.length)
    const items: Item[] = []
    for (const [place, member] of members.entries()) {
      const item = this.#read(place, member)
      if ('ok' in item) outcomes[place] = item
      else items.push(item)
    }
    for (const group of this.#split(items)) {
      const settled = await this.#commitGroup(group)
      for (const [i, { place, member }] of group.entries()) {
        const outcome = settled[i] ?? { ok: false, error: this.#undone(undefined) }
        const isRenewal = this.#options.lease.isRenewal(member[0]?.sql)
        outcomes[place] = outcome.ok && isRenewal ? { ...outcome, wrote: false } : outcome
      }
    }
    return outcomes
  }

  async close(): Promise<void> {
    await this.#options.lease.release()
  }

  /** What is wrong with a statement by itself is not sent. */
  #read(place: number, member: GroupMember): Item | MemberOutcome {
    const { reader, maxRequestBytes, url } = this.#options
    if (member.length === 0) return { ok: true, results: [], wrote: false }
    const bytes = member.reduce((sum, statement) => sum + statementBytes(statement), 0)
    try {
      if (bytes > maxRequestBytes) throw tooLarge(url)
      return { place, member: member.map((statement) => reader.read(statement)), bytes }
    } catch (error) {
      return { ok: false, error }
    }
  }

  /** As many to a batch as a request may hold. */
  #split(items: readonly Item[]): Item[][] {
    const groups: Item[][] = []
    let bytes = Number.POSITIVE_INFINITY
    for (const item of items) {
      bytes += item.bytes
      if (bytes > this.#options.maxRequestBytes) {
        groups.push([])
        bytes = item.bytes
      }
      groups.at(-1)?.push(item)
    }
    return groups
  }

  async #commitGroup(items: readonly Item[]): Promise<readonly MemberOutcome[]> {
    const outcomes = await this.#attempt(items.map((item) => item.member))
    if (outcomes !== undefined) return outcomes
    const alone: MemberOutcome[] = []
    for (const { member } of items) {
      const [outcome] = (await this.#attempt([member])) ?? []
      alone.push(outcome ?? { ok: false, error: this.#undone(undefined) })
    }
    return alone
  }

  /** `undefined`: undone as a whole, to be run one by one. */
  async #attempt(members: readonly RemoteMember[]): Promise<readonly MemberOutcome[] | undefined> {
    const { lease, runtime, busyTimeoutMs, url } = this.#options
    const startedMs = runtime.clock.monotonicMs()
    try {
      await lease.settle()
      for (;;) {
        const outcome = await this.#send(members)
        if (outcome.kind !== 'not-begun') return this.#settled(members, outcome)
        if (!isBusyFailure(outcome.failure)) throw this.#undone(outcome.failure)
        if (runtime.clock.monotonicMs() - startedMs >= busyTimeoutMs) throw busyError(url)
        await this.#pause()
      }
    } catch (error) {
      if (error instanceof BatchRefused) return this.#refused(members, error.failure)
      return members.map(() => ({ ok: false, error }))
    }
  }

  async #send(members: readonly RemoteMember[]): Promise<PlanOutcome> {
    const { connection, lease, url } = this.#options
    const plan = planCommit(members, [lease.check])
    let outcomes: readonly StepOutcome[]
    try {
      outcomes = await connection.batch(plan.steps, true)
    } catch (error) {
      if (isErrorCode(error, 'STORE_UNAVAILABLE') && error.retry === 'unknown-outcome')
        lease.doubt()
      throw error
    }
    return readCommit(plan, outcomes, url)
  }

  #settled(
    members: readonly RemoteMember[],
    outcome: Exclude<PlanOutcome, { kind: 'not-begun' }>,
  ): readonly MemberOutcome[] | undefined {
    const { lease, url } = this.#options
    if (outcome.kind === 'committed') return outcome.members
    const { failure } = outcome
    if (outcome.kind === 'fenced') {
      throw (failure === undefined ? undefined : storeFailure(failure, url)) ?? lease.lost()
    }
    if (failure !== undefined && !provesUndone(failure)) throw commitFailure(url)
    if (members.length > 1) return undefined
    if (failure === undefined) throw this.#undone(undefined)
    // A constraint that is checked at the commit counts as the last statement's.
    throw statementError(failure, (members[0]?.length ?? 1) - 1, url)
  }

  async #refused(
    members: readonly RemoteMember[],
    failure: RemoteFailure,
  ): Promise<readonly MemberOutcome[] | undefined> {
    if (members.length > 1 && isOfOneAlone(failure)) return undefined
    const { connection, url } = this.#options
    const error = await refusalError(connection, members.flat(), failure, url)
    return members.map(() => ({ ok: false, error }))
  }

  #undone(failure: RemoteFailure | undefined): MeridianError {
    const { url } = this.#options
    const typed = failure === undefined ? undefined : storeFailure(failure, url)
    return typed ?? unavailable(url, 'did not run the transaction', 'safe', failure)
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      this.#options.runtime.timers.after(BUSY_PAUSE_MS, resolve)
    })
  }
}

/** The server's log may hold the transaction without its having been forced to the disk. */
function commitFailure(url: string): MeridianError {
  return unavailable(url, 'failed at the commit', 'unknown-outcome')
}

function statementBytes({ sql, args }: BoundStatement): number {
  let bytes = STEP_BYTES + Buffer.byteLength(sql)
  for (const value of args) {
    if (typeof value === 'string') bytes += Buffer.byteLength(value)
    else if (value instanceof Uint8Array) bytes += value.byteLength
    bytes += 16
  }
  return bytes
}
