/**
 * The one queue of a store's writes: keeps their order, hands what is waiting to the writer as one
 * group, and answers each once its group is over.
 */
import { isErrorCode, MeridianError } from '../../core/errors.ts'
import type { Timers } from '../../core/ports/runtime.ts'
import type { StatementResult } from '../../core/ports/store.ts'
import type { GroupMember, MemberOutcome } from './group-commit.ts'
import type { GroupWriter } from './group-writer.ts'

interface WaitingWrite {
  readonly member: GroupMember
  readonly resolve: (results: readonly StatementResult[]) => void
  readonly reject: (error: unknown) => void
}

/** What a queue needs. */
export interface WriteQueueOptions {
  readonly path: string
  readonly writer: GroupWriter
  readonly timers: Timers
  /** Waiting writes beyond which a new one is refused with `OVERLOADED`. */
  readonly maxQueuedWrites: number
  /** Transactions that share one commit, at most. */
  readonly maxGroupSize: number
  /** Runs after a commit that wrote, or may have, once its replies are settled and before they are seen. */
  readonly onCommit: () => void
}

export class WriteQueue {
  readonly #options: WriteQueueOptions
  #waiting: WaitingWrite[] = []
  #groupsInFlight = 0
  #isScheduled = false
  #onIdle: (() => void) | undefined

  constructor(options: WriteQueueOptions) {
    this.#options = options
  }

  /** Queues a transaction. @throws MeridianError `OVERLOADED` */
  write(member: GroupMember): Promise<readonly StatementResult[]> {
    const { maxQueuedWrites, path } = this.#options
    return new Promise((resolve, reject) => {
      if (this.#waiting.length >= maxQueuedWrites) {
        reject(
          new MeridianError('OVERLOADED', `Store ${path} has ${maxQueuedWrites} waiting writes.`, {
            fix: 'Send fewer writes at a time, or retry after a pause.',
            details: { path, maxQueuedWrites },
          }),
        )
        return
      }
      this.#waiting.push({ member, resolve, reject })
      this.#schedule()
    })
  }

  /** Resolves once nothing waits and nothing is being written. */
  idle(): Promise<void> {
    if (this.#waiting.length === 0 && this.#groupsInFlight === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#onIdle = resolve
    })
  }

  /** Writes of the same turn of the event loop share a group: the next turn takes them all. */
  #schedule(): void {
    if (this.#isScheduled || this.#groupsInFlight >= this.#options.writer.maxGroupsInFlight) return
    this.#isScheduled = true
    this.#options.timers.defer(() => {
      this.#isScheduled = false
      if (this.#waiting.length > 0) void this.#commit(this.#take())
      if (this.#waiting.length > 0) this.#schedule()
    })
  }

  #take(): readonly WaitingWrite[] {
    const { maxGroupSize } = this.#options
    const group = this.#waiting.slice(0, maxGroupSize)
    this.#waiting = this.#waiting.slice(maxGroupSize)
    return group
  }

  async #commit(group: readonly WaitingWrite[]): Promise<void> {
    this.#groupsInFlight++
    const outcomes = await this.#outcomes(group)
    this.#groupsInFlight--
    if (this.#waiting.length > 0) this.#schedule()
    this.#answer(group, outcomes)
    if (this.#waiting.length === 0 && this.#groupsInFlight === 0) this.#onIdle?.()
  }

  async #outcomes(group: readonly WaitingWrite[]): Promise<readonly MemberOutcome[]> {
    try {
      return await this.#options.writer.commit(group.map((write) => write.member))
    } catch (error) {
      return group.map(() => ({ ok: false, error }))
    }
  }

  #answer(group: readonly WaitingWrite[], outcomes: readonly MemberOutcome[]): void {
    let wrote = false
    for (const [index, write] of group.entries()) {
      const outcome = outcomes[index]
      if (outcome?.ok === true) {
        write.resolve(outcome.results)
        wrote ||= outcome.wrote
      } else {
        write.reject(outcome?.error)
        wrote ||= mayHaveWritten(outcome?.error)
      }
    }
    if (wrote) this.#options.onCommit()
  }
}

/** Whoever waits for changes has to look. */
function mayHaveWritten(error: unknown): boolean {
  return isErrorCode(error, 'STORE_UNAVAILABLE') && error.retry === 'unknown-outcome'
}
