/**
 * Puts the distances of a deployment in front of a commit log, as one region feels them when a
 * leader replicates to a majority: append and read index take the way to the leader, the leader's
 * round trip to the nearest majority, and the way back; entries reach a region one way after their
 * commit. The leader is fixed: where it is cut off from a majority the log stands still.
 */
import { MeridianError } from '../../core/errors.ts'
import type { CommitLog, LogEntry, LogTail, LogTailHandlers } from '../../core/ports/commit-log.ts'
import type { Timers } from '../../core/ports/runtime.ts'

/** Where the log's members are and how far apart. */
export interface LogTopology {
  readonly leader: string
  /** Regions with a member, the leader's among them. */
  readonly members: readonly string[]
  readonly oneWayDelayMs: (from: string, to: string) => number
  /** Whether messages pass between two regions now. Default: always. */
  readonly reachable?: (a: string, b: string) => boolean
}

/** One region's place in the topology. */
export interface DelayedLogOptions extends LogTopology {
  readonly region: string
  readonly timers: Timers
  /** Told of the payloads that leave one region for another: to the leader, and from it to all. */
  readonly onBytes?: (from: string, to: string, bytes: number) => void
}

const RECONNECT_POLL_MS = 5
/** Batches under way beyond which the log is not read further: bounds memory, not speed. */
const MAX_UNDER_WAY = 1024

/** The log as `options.region` sees it. Closing it closes `log`. */
export function delayCommitLog(log: CommitLog, options: DelayedLogOptions): CommitLog {
  return new DelayedCommitLog(log, options)
}

/**
 * The round trip from the leader to its nearest majority, itself included; `undefined` when it
 * reaches none.
 */
export function majorityRoundTripMs(topology: LogTopology): number | undefined {
  const { leader, members, oneWayDelayMs } = topology
  const others = members.filter((member) => member !== leader)
  const needed = Math.floor(members.length / 2) + 1 - (members.length - others.length)
  if (needed <= 0) return 0
  const roundTrips = others
    .filter((member) => topology.reachable?.(leader, member) ?? true)
    .map((member) => oneWayDelayMs(leader, member) + oneWayDelayMs(member, leader))
    .sort((a, b) => a - b)
  return roundTrips[needed - 1]
}

class DelayedCommitLog implements CommitLog {
  readonly #log: CommitLog
  readonly #options: DelayedLogOptions
  readonly #tails = new Set<DelayedTail>()

  constructor(log: CommitLog, options: DelayedLogOptions) {
    this.#log = log
    this.#options = options
  }

  append(group: string, id: string, payload: Uint8Array): Promise<number> {
    const { region, leader, onBytes } = this.#options
    return this.#ask(() => {
      onBytes?.(region, leader, payload.length)
      return this.#log.append(group, id, payload)
    })
  }

  readIndex(group: string): Promise<number> {
    return this.#ask(() => this.#log.readIndex(group))
  }

  tail(group: string, fromIndex: number, handlers: LogTailHandlers): LogTail {
    const tail = new DelayedTail(this.#log, group, fromIndex, handlers, this.#options)
    this.#tails.add(tail)
    return {
      stop: () => {
        this.#tails.delete(tail)
        return tail.stop()
      },
    }
  }

  trim(group: string, beforeIndex: number): Promise<void> {
    return this.#log.trim(group, beforeIndex)
  }

  close(): Promise<void> {
    for (const tail of this.#tails) tail.makeRoom()
    return this.#log.close()
  }

  /** To the leader, to a majority and back, and home. */
  async #ask(work: () => Promise<number>): Promise<number> {
    const { region, leader, oneWayDelayMs, timers } = this.#options
    if (!isReachable(this.#options)) throw unavailable(this.#options, 'safe')
    await wait(timers, oneWayDelayMs(region, leader))
    if (!isReachable(this.#options)) throw unavailable(this.#options, 'unknown-outcome')
    const roundTripMs = majorityRoundTripMs(this.#options)
    if (roundTripMs === undefined) throw unavailable(this.#options, 'unknown-outcome')
    const index = await work()
    // One wait: two would each round up to the timer's grain.
    await wait(timers, roundTripMs + oneWayDelayMs(leader, region))
    if (!isReachable(this.#options)) throw unavailable(this.#options, 'unknown-outcome')
    return index
  }
}

/** Entries on their way to the region, in order; many may be under way at once. */
class DelayedTail implements LogTail {
  readonly #handlers: LogTailHandlers
  readonly #options: DelayedLogOptions
  readonly #tail: LogTail
  readonly #underWay: { readonly entries: readonly LogEntry[]; hasArrived: boolean }[] = []
  #isStopped = false
  #failure: { readonly error: unknown } | undefined
  #delivering: Promise<void> | undefined
  #onRoom: (() => void) | undefined

  constructor(
    log: CommitLog,
    group: string,
    fromIndex: number,
    handlers: LogTailHandlers,
    options: DelayedLogOptions,
  ) {
    this.#handlers = handlers
    this.#options = options
    this.#tail = log.tail(group, fromIndex, {
      onEntries: (entries) => this.#send(entries),
      onFailure: (error) => {
        this.#failure = { error }
        this.#deliver()
      },
    })
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.makeRoom()
    await this.#tail.stop()
    await this.#delivering
  }

  /** Lets the log go on; before it ends, since it waits for what it has handed over. */
  makeRoom(): void {
    this.#onRoom?.()
  }

  /** Resolves when there is room for more. */
  #send(entries: readonly LogEntry[]): Promise<void> {
    const { leader, region, oneWayDelayMs, timers, onBytes } = this.#options
    for (const { payload } of entries) onBytes?.(leader, region, payload.length)
    const message = { entries, hasArrived: false }
    this.#underWay.push(message)
    const arrive = (): void => {
      // A broken link loses what was under way; the watch asks for it again once it is whole.
      if (!isReachable(this.#options)) timers.after(RECONNECT_POLL_MS, resend)
      else {
        message.hasArrived = true
        this.#deliver()
      }
    }
    const resend = (): void => {
      if (this.#isStopped) return
      const isWhole = isReachable(this.#options)
      timers.after(
        isWhole ? oneWayDelayMs(leader, region) : RECONNECT_POLL_MS,
        isWhole ? arrive : resend,
      )
    }
    const delayMs = (majorityRoundTripMs(this.#options) ?? 0) + oneWayDelayMs(leader, region)
    timers.after(delayMs, arrive)
    if (this.#underWay.length < MAX_UNDER_WAY) return Promise.resolve()
    return new Promise((resolve) => {
      this.#onRoom = resolve
    })
  }

  #deliver(): void {
    this.#delivering ??= this.#deliverArrived().finally(() => {
      this.#delivering = undefined
    })
  }

  async #deliverArrived(): Promise<void> {
    try {
      for (let next = this.#underWay[0]; next?.hasArrived === true; next = this.#underWay[0]) {
        if (this.#isStopped) return
        this.#underWay.shift()
        this.makeRoom()
        await this.#handlers.onEntries(next.entries)
      }
    } catch (error) {
      this.#failure ??= { error }
      void this.#tail.stop()
    }
    if (this.#failure === undefined || this.#isStopped) return
    this.#isStopped = true
    this.#handlers.onFailure(this.#failure.error)
  }
}

function isReachable(options: DelayedLogOptions): boolean {
  const { region, leader, reachable } = options
  return region === leader || (reachable?.(region, leader) ?? true)
}

function unavailable(options: DelayedLogOptions, retry: 'safe' | 'unknown-outcome'): MeridianError {
  const { region, leader } = options
  return new MeridianError(
    'LOG_UNAVAILABLE',
    `The commit log's leader in ${leader} cannot answer ${region}.`,
    { fix: 'Repeat once the link is whole.', retry, details: { region, leader } },
  )
}

function wait(timers: Timers, delayMs: number): Promise<void> {
  if (delayMs <= 0) return Promise.resolve()
  return new Promise((resolve) => {
    timers.after(delayMs, resolve)
  })
}
