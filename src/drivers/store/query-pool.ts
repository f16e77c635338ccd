/**
 * SQL of users in processes of their own: a query that never ends, or that brings the engine down,
 * takes one of them along and neither blocks nor ends the process that serves others. Processes
 * start when they are needed and end when they have nothing to do.
 */
import { MeridianError } from '../../core/errors.ts'
import type { CancelTimer, Timers } from '../../core/ports/runtime.ts'
import { StatementFailed, type DescribedResult } from '../../core/ports/store.ts'
import type { BoundStatement } from './bind.ts'
import { ProcessEnded, QueryProcess } from './query-process.ts'

/** How queries run in processes. */
export interface QueryPoolOptions {
  /** The store's file; its writer has it open. */
  readonly path: string
  readonly timers: Timers
  /** How long one query may run, and how long one waits for a process that is free. */
  readonly timeoutMs: number
  /** Processes at most, each for one query or one snapshot at a time. Default 4. */
  readonly maxProcesses?: number
  /** How long a process stays that has nothing to do. Default 60,000. */
  readonly idleMs?: number
}

/** A snapshot that holds a process of the pool. */
export interface PoolSnapshot {
  query(statement: BoundStatement): Promise<DescribedResult>
  end(): void
}

interface Waiting {
  readonly isSnapshot: boolean
  readonly resolve: (process: QueryProcess) => void
  readonly reject: (error: unknown) => void
}

interface Idle {
  readonly process: QueryProcess
  /** Ends it in time. */
  readonly cancel: CancelTimer
}

const DEFAULT_MAX_PROCESSES = 4
const DEFAULT_IDLE_MS = 60_000
const MAX_WAITING = 1000
/** How long a query waits beyond its own time: a process takes its time to start. */
const START_TIMEOUT_MS = 20_000

export class QueryPool {
  readonly #options: QueryPoolOptions
  readonly #maxProcesses: number
  readonly #maxSnapshots: number
  /** Those at rest; the one used last is used next. */
  readonly #idle: Idle[] = []
  readonly #processes = new Set<QueryProcess>()
  readonly #ending = new Set<Promise<void>>()
  #waiting: Waiting[] = []
  #starting = 0
  #snapshots = 0
  #closed = false

  constructor(options: QueryPoolOptions) {
    this.#options = options
    this.#maxProcesses = options.maxProcesses ?? DEFAULT_MAX_PROCESSES
    // One process stays for queries, however many snapshots are held.
    this.#maxSnapshots = Math.max(1, this.#maxProcesses - 1)
  }

  /**
   * Runs a query; one whose process crashed runs once more.
   *
   * @throws StatementFailed, MeridianError `OVERLOADED`, `RESULT_TOO_LARGE`, `CLOSED`, `STORE_…`
   */
  async query(statement: BoundStatement): Promise<DescribedResult> {
    try {
      return await this.#once(statement)
    } catch (error) {
      if (!(error instanceof ProcessEnded) || this.#closed) throw this.#typed(error)
      return this.#once(statement).catch((again: unknown) => {
        throw this.#typed(again)
      })
    }
  }

  /** @throws MeridianError `OVERLOADED`, `CLOSED`, `STORE_…` */
  async snapshot(): Promise<PoolSnapshot> {
    try {
      const process = await this.#acquire(true)
      try {
        await process.ask({ kind: 'begin' }, this.#options.timeoutMs)
      } catch (error) {
        process.end()
        this.#giveBack(process, true)
        throw error
      }
      return this.#snapshotOn(process)
    } catch (error) {
      throw this.#typed(error)
    }
  }

  #snapshotOn(process: QueryProcess): PoolSnapshot {
    const { timeoutMs } = this.#options
    let isRunning = false
    let isEnded = false
    return {
      query: async (statement) => {
        if (isEnded) throw this.#typed(new ProcessEnded())
        isRunning = true
        try {
          return (await process.ask({ kind: 'query', statement }, timeoutMs)) as DescribedResult
        } catch (error) {
          throw this.#typed(error)
        } finally {
          isRunning = false
          if (isEnded) this.#giveBack(process, true)
        }
      },
      end: () => {
        if (isEnded) return
        isEnded = true
        // Inside a query it listens to nothing.
        if (isRunning) return process.end()
        void process
          .ask({ kind: 'end' }, timeoutMs)
          .catch(() => process.end())
          .finally(() => this.#giveBack(process, true))
      },
    }
  }

  /** Ends all processes, and what runs in them with `CLOSED`. */
  async close(): Promise<void> {
    this.#closed = true
    for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#closedError())
    for (const { cancel } of this.#idle.splice(0)) cancel()
    for (const process of this.#processes) this.#end(process)
    await Promise.all(this.#ending)
  }

  async #once(statement: BoundStatement): Promise<DescribedResult> {
    const process = await this.#acquire(false)
    try {
      const request = { kind: 'query', statement } as const
      return (await process.ask(request, this.#options.timeoutMs)) as DescribedResult
    } finally {
      this.#giveBack(process, false)
    }
  }

  /** A process for one query or one snapshot, which `#giveBack` returns. */
  #acquire(isSnapshot: boolean): Promise<QueryProcess> {
    if (this.#closed) return Promise.reject(this.#closedError())
    if (this.#waiting.length >= MAX_WAITING) return Promise.reject(overloaded())
    const process = this.#mayTake(isSnapshot) ? this.#takeIdle() : undefined
    if (process === undefined) return this.#wait(isSnapshot)
    if (isSnapshot) this.#snapshots += 1
    return Promise.resolve(process)
  }

  #mayTake(isSnapshot: boolean): boolean {
    return !isSnapshot || this.#snapshots < this.#maxSnapshots
  }

  #takeIdle(): QueryProcess | undefined {
    for (let last = this.#idle.pop(); last !== undefined; last = this.#idle.pop()) {
      last.cancel()
      if (last.process.isAlive) return last.process
      this.#end(last.process)
    }
    return undefined
  }

  #wait(isSnapshot: boolean): Promise<QueryProcess> {
    const { timeoutMs, timers } = this.#options
    return new Promise((resolve, reject) => {
      const cancel = timers.after(timeoutMs + START_TIMEOUT_MS, () => {
        this.#waiting = this.#waiting.filter((other) => other !== waiting)
        reject(overloaded())
      })
      const waiting: Waiting = {
        isSnapshot,
        resolve: (process) => {
          cancel()
          resolve(process)
        },
        reject: (error) => {
          cancel()
          reject(error)
        },
      }
      this.#waiting.push(waiting)
      this.#startOne()
    })
  }

  /** Starts a process for those that wait, where there may be one more. */
  #startOne(): void {
    if (this.#processes.size + this.#starting >= this.#maxProcesses) return
    if (!this.#waiting.some(({ isSnapshot }) => this.#mayTake(isSnapshot))) return
    this.#starting += 1
    const { path, timers } = this.#options
    void QueryProcess.start(path, timers).then(
      (process) => {
        this.#starting -= 1
        this.#processes.add(process)
        this.#offer(process)
      },
      (error: unknown) => {
        this.#starting -= 1
        this.#waiting.shift()?.reject(error)
        this.#startOne()
      },
    )
  }

  #giveBack(process: QueryProcess, isSnapshot: boolean): void {
    if (isSnapshot) this.#snapshots -= 1
    this.#offer(process)
  }

  /** Gives a process that is free to the first that waits and may have it. */
  #offer(process: QueryProcess): void {
    if (!process.isAlive || this.#closed) {
      this.#end(process)
      return this.#startOne()
    }
    const next = this.#waiting.find(({ isSnapshot }) => this.#mayTake(isSnapshot))
    if (next === undefined) return this.#rest(process)
    this.#waiting = this.#waiting.filter((other) => other !== next)
    if (next.isSnapshot) this.#snapshots += 1
    next.resolve(process)
  }

  #rest(process: QueryProcess): void {
    const { timers, idleMs = DEFAULT_IDLE_MS } = this.#options
    const cancel = timers.after(idleMs, () => {
      const at = this.#idle.findIndex((idle) => idle.process === process)
      if (at < 0) return
      this.#idle.splice(at, 1)
      this.#end(process)
    })
    this.#idle.push({ process, cancel })
  }

  #end(process: QueryProcess): void {
    this.#processes.delete(process)
    process.end()
    const ending = process.ended.finally(() => this.#ending.delete(ending))
    this.#ending.add(ending)
  }

  #closedError(): MeridianError {
    return new MeridianError('CLOSED', `Store ${this.#options.path} is closed.`)
  }

  /** A process that ended under a query says nothing about why. */
  #typed(error: unknown): unknown {
    if (!(error instanceof ProcessEnded)) return error
    if (this.#closed) return this.#closedError()
    return new StatementFailed(0, 'other', 'the process that ran it ended')
  }
}

function overloaded(): MeridianError {
  return new MeridianError('OVERLOADED', 'All processes for queries are busy.', {
    fix: 'Try again, with pauses that grow.',
  })
}
