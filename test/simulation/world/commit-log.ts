/**
 * The commit log as a service at a place of its own: one order for each group, linearizable, idempotent
 * by id. Requests and answers cross the network; while its leader changes it answers nothing, or says
 * that it is away. It never answers from the past.
 */
import { MeridianError } from '../../../src/core/errors.ts'
import type {
  CommitLog,
  LogEntry,
  LogTail,
  LogTailHandlers,
} from '../../../src/core/ports/commit-log.ts'
import type { MachineSupport } from '../../../src/core/ports/machine-support.ts'
import type { LogRetention } from '../../../src/core/ports/log-retention.ts'
import type { SeededRandom } from '../../../src/core/seeded-random.ts'
import type { SimNetwork } from './network.ts'
import type { SimProcess } from './process.ts'
import type { World } from './world.ts'

/** The place of the log in the network. */
export const LOG_PLACE = 'log'

/** Breaks of the port's contract, to show that they are noticed. */
export interface LogMutants {
  /** Rule 9: the read index counts the writes of all groups. */
  readonly readIndexOfStore?: boolean
  /** Rule 9: a reader that the trim has passed is not told. */
  readonly skipTrimmed?: boolean
}

interface Group {
  readonly entries: LogEntry[]
  /** When each was appended, in virtual time. */
  readonly appendedMs: number[]
  readonly indexById: Map<string, number>
  /** The first index that is kept. */
  first: number
  /** From where each region needs the group. */
  readonly reported: Map<string, number>
  /** The machine's version that each region supports. */
  readonly supported: Map<string, number>
}

const REQUEST_TIMEOUT_MS = 3_000
const COMMIT_MS = 4
const RECONNECT_MS = 300

export class SimLog {
  /** Until then it does not answer; `refuses`: it says so. */
  awayUntilMs = 0
  refuses = false
  readonly world: World
  readonly network: SimNetwork
  readonly random: SeededRandom
  readonly mutants: LogMutants
  readonly #groups = new Map<string, Group>()
  readonly #onAppend = new Set<() => void>()
  #revision = 0

  constructor(world: World, network: SimNetwork, mutants: LogMutants = {}) {
    this.world = world
    this.network = network
    this.random = world.fork()
    this.mutants = mutants
  }

  isAway(): boolean {
    return this.world.scheduler.nowMs() < this.awayUntilMs
  }

  /** Appends at once; the entry's index, or the one that it has. */
  append(group: string, id: string, payload: Uint8Array): number {
    const log = this.#group(group)
    const known = log.indexById.get(id)
    // What is trimmed is forgotten: the outcomes are in the stores.
    if (known !== undefined && known >= log.first) {
      this.world.count('log.append-again')
      return known
    }
    const index = log.entries.length + 1
    log.entries.push({ index, id, payload })
    log.appendedMs.push(this.world.scheduler.nowMs())
    log.indexById.set(id, index)
    this.#revision += 1
    this.world.note(`${group} ${index} ${id}`)
    for (const wake of this.#onAppend) wake()
    return index
  }

  entries(group: string): readonly LogEntry[] {
    return this.#group(group).entries
  }

  /** When the entries were appended, in virtual time. */
  appendedMs(group: string): readonly number[] {
    return this.#group(group).appendedMs
  }

  end(group: string): number {
    return this.#group(group).entries.length
  }

  /** What a linearizable read of the group's index says. */
  readIndex(group: string): number {
    return this.mutants.readIndexOfStore === true ? this.#revision : this.end(group)
  }

  /** The first index that is kept. */
  first(group: string): number {
    return this.#group(group).first
  }

  trim(group: string, beforeIndex: number): void {
    const log = this.#group(group)
    // The last entry stays: it carries the group's index.
    const first = Math.max(log.first, Math.min(beforeIndex, log.entries.length))
    if (first > log.first) this.world.note(`trim ${group} ${first}`)
    this.world.count('log.trimmed', first - log.first)
    log.first = first
    this.#revision += 1
  }

  /** What regions said that they need; kept beside the groups. */
  retention(place: string, process: SimProcess): LogRetention {
    return {
      report: (group, region, beforeIndex) =>
        this.ask(place, process, 'report', COMMIT_MS, () => {
          this.#revision += 1
          const reported = this.#group(group).reported
          reported.set(region, beforeIndex)
        }),
      reported: (group) =>
        this.ask(place, process, 'reported', 0, () => new Map(this.#group(group).reported)),
    }
  }

  /** What regions said of the versions that they evaluate; kept beside the groups, too. */
  support(place: string, process: SimProcess): MachineSupport {
    return {
      report: (group, region, version) =>
        this.ask(place, process, 'support', COMMIT_MS, () => {
          this.#revision += 1
          const { supported } = this.#group(group)
          supported.set(region, version)
        }),
      reported: (group) =>
        this.ask(place, process, 'supported', 0, () => new Map(this.#group(group).supported)),
    }
  }

  onAppend(wake: () => void): () => void {
    this.#onAppend.add(wake)
    return () => this.#onAppend.delete(wake)
  }

  /** The log as one process of a region sees it. */
  open(place: string, process: SimProcess): CommitLog {
    return new LogClient(this, place, process)
  }

  /**
   * A request of a process to the log's engine, and its answer. `workMs`: from the arrival to the effect,
   * which is one instant.
   */
  ask<T>(
    place: string,
    process: SimProcess,
    what: string,
    workMs: number,
    run: () => T,
  ): Promise<T> {
    const { network, world } = this
    return new Promise((resolve, reject) => {
      if (process.isKilled()) return
      const cancel = process.after(REQUEST_TIMEOUT_MS, () => {
        world.count(`log.${what}-timeout`)
        reject(unavailable('unknown-outcome'))
      })
      const answer = (settle: () => void): void => {
        network.send(LOG_PLACE, place, () =>
          process.enter(() => {
            cancel()
            settle()
          }),
        )
      }
      network.sendRepeatable(place, LOG_PLACE, () =>
        world.scheduler.after(workMs, () => {
          if (this.isAway()) {
            if (this.refuses) answer(() => reject(unavailable('safe')))
            return
          }
          const value = run()
          answer(() => resolve(value))
        }),
      )
    })
  }

  #group(name: string): Group {
    let group = this.#groups.get(name)
    if (group === undefined) {
      group = {
        ...{ entries: [], appendedMs: [], indexById: new Map(), first: 1 },
        ...{ reported: new Map(), supported: new Map() },
      }
      this.#groups.set(name, group)
    }
    return group
  }
}

class LogClient implements CommitLog {
  readonly #log: SimLog
  readonly #place: string
  readonly #process: SimProcess

  constructor(log: SimLog, place: string, process: SimProcess) {
    this.#log = log
    this.#place = place
    this.#process = process
  }

  append(group: string, id: string, payload: Uint8Array): Promise<number> {
    return this.#log.ask(this.#place, this.#process, 'append', COMMIT_MS, () =>
      this.#log.append(group, id, payload),
    )
  }

  readIndex(group: string): Promise<number> {
    return this.#log.ask(this.#place, this.#process, 'read-index', 0, () =>
      this.#log.readIndex(group),
    )
  }

  trim(group: string, beforeIndex: number): Promise<void> {
    return this.#log.ask(this.#place, this.#process, 'trim', 0, () =>
      this.#log.trim(group, beforeIndex),
    )
  }

  tail(group: string, fromIndex: number, handlers: LogTailHandlers): LogTail {
    const reader = new TailReader(this.#log, this.#place, this.#process, group, fromIndex, handlers)
    return { stop: () => reader.stop() }
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

class TailReader {
  readonly #log: SimLog
  readonly #place: string
  readonly #process: SimProcess
  readonly #group: string
  readonly #handlers: LogTailHandlers
  readonly #stopListening: () => void
  #next: number
  #isUnderWay = false
  #isStopped = false
  #delivering: Promise<void> = Promise.resolve()

  constructor(
    log: SimLog,
    place: string,
    process: SimProcess,
    group: string,
    fromIndex: number,
    handlers: LogTailHandlers,
  ) {
    this.#log = log
    this.#place = place
    this.#process = process
    this.#group = group
    this.#next = fromIndex
    this.#handlers = handlers
    this.#stopListening = log.onAppend(() => this.#send())
    this.#send()
  }

  stop(): Promise<void> {
    this.#isStopped = true
    this.#stopListening()
    return this.#delivering
  }

  /** The log sends what it has; a connection that broke is made again after a while. */
  #send(): void {
    if (this.#isUnderWay || this.#isStopped) return
    const { network, world } = this.#log
    const end = this.#log.end(this.#group)
    if (end < this.#next) return
    if (this.#process.isKilled()) {
      this.#stopListening()
      return
    }
    this.#isUnderWay = true
    let isHere = false
    const isSent =
      !this.#log.isAway() &&
      network.send(LOG_PLACE, this.#place, () => {
        if (isHere) return
        isHere = true
        this.#process.enter(() => this.#receive(end))
      })
    if (isSent) return
    world.count('log.tail-broken')
    world.scheduler.after(RECONNECT_MS * (0.5 + this.#log.random.fraction()), () => {
      this.#isUnderWay = false
      this.#send()
    })
  }

  #receive(end: number): void {
    this.#delivering = this.#deliver(end).finally(() => {
      this.#isUnderWay = false
      this.#send()
    })
  }

  /** Entries that were sent together come in pieces of any size. */
  async #deliver(end: number): Promise<void> {
    while (!this.#isStopped && this.#next <= end) {
      const first = this.#log.first(this.#group)
      if (this.#next < first && this.#log.mutants.skipTrimmed !== true) {
        this.#isStopped = true
        this.#stopListening()
        this.#log.world.count('log.compacted')
        this.#handlers.onFailure(
          new MeridianError('LOG_COMPACTED', `Entry ${this.#next} was trimmed.`),
        )
        return
      }
      const from = Math.max(this.#next, first)
      const count = 1 + this.#log.random.below(end - from + 1)
      const entries = this.#log.entries(this.#group).slice(from - 1, from - 1 + count)
      this.#next = from + entries.length
      await this.#handlers.onEntries(entries)
    }
  }
}

function unavailable(retry: 'safe' | 'unknown-outcome'): MeridianError {
  return new MeridianError('LOG_UNAVAILABLE', 'The log does not answer.', { retry })
}
