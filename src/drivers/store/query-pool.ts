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
  readonly resolve: (process: QueryProcess | 'start') => void
  readonly reject: (error: Error) => void
}

const DEFAULT_MAX_PROCESSES = 4
const DEFAULT_IDLE_MS = 60_000
const MAX_WAITING = 1000

export class QueryPool {
  readonly #options: QueryPoolOptions
  readonly #maxProcesses: number
  readonly #maxSnapshots: number
  /** Those at rest, and what ends them in time. The one used last is used next. */
  readonly #idle: { readonly process: QueryProcess; readonly cancel: CancelTimer }[] = []
  readonly #processes = new Set<QueryProcess>()
  readonly #ending = new Set<Promise<void>>()
  #waiting: Waiting[] = []
  /** Processes that are in use or starting. */
  #busy = 0
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
  async #acquire(isSnapshot: boolean): Promise<QueryProcess> {
    if (this.#closed) throw this.#closedError()
    const found = this.#take(isSnapshot) ?? (await this.#wait(isSnapshot))
    if (found !== 'start') return found
    try {
      const process = await QueryProcess.start(this.#options.path, this.#options.timers)
      this.#processes.add(process)
      if (!this.#closed) return process
      this.#end(process)
      throw this.#closedError()
    } catch (error) {
      this.#leave(isSnapshot)
      throw error
    }
  }

  /** Takes a place; undefined: all are taken. */
  #take(isSnapshot: boolean): QueryProcess | 'start' | undefined {
    if (this.#busy >= this.#maxProcesses) return undefined
    if (isSnapshot && this.#snapshots >= this.#maxSnapshots) return undefined
    this.#busy += 1
    if (isSnapshot) this.#snapshots += 1
    for (let last = this.#idle.pop(); last !== undefined; last = this.#idle.pop()) {
      last.cancel()
      if (last.process.isAlive) return last.process
    }
    return 'start'
  }

  #wait(isSnapshot: boolean): Promise<QueryProcess | 'start'> {
    const { timeoutMs, timers } = this.#options
    if (this.#waiting.length >= MAX_WAITING) return Promise.reject(overloaded())
    return new Promise((resolve, reject) => {
      const cancel = timers.after(timeoutMs, () => {
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
    })
  }

  #giveBack(process: QueryProcess, isSnapshot: boolean): void {
    if (process.isAlive && !this.#closed) this.#rest(process)
    else this.#end(process)
    this.#leave(isSnapshot)
  }

  #leave(isSnapshot: boolean): void {
    this.#busy -= 1
    if (isSnapshot) this.#snapshots -= 1
    for (const waiting of this.#waiting) {
      const process = this.#take(waiting.isSnapshot)
      if (process === undefined) continue
      this.#waiting = this.#waiting.filter((other) => other !== waiting)
      waiting.resolve(process)
      return
    }
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
