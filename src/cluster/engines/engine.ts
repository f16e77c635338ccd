/** An engine that runs as a process of its own: started until it serves, ended in order or at once. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { MeridianError, type ErrorCode } from '../../core/errors.ts'
import { startKept, type KeptProcess, type ProcessEnd } from './kept-process.ts'
import type { ProcessSpec } from './keeper.ts'

/** What all engines take. */
export interface EngineOptions {
  /** Where its data and its log are. Default: a temporary folder, gone once it is closed. */
  readonly directory?: string | undefined
  /** Its output goes there. Default: a file in the folder. */
  readonly logFile?: string | undefined
  /** Ends the start. */
  readonly signal?: AbortSignal | undefined
}

/** A running engine. */
export interface Engine {
  /** What it is, in messages: `etcd a`. */
  readonly name: string
  /** `host:port` for clients; the same after a restart. */
  readonly address: string
  readonly version: string
  readonly directory: string
  readonly logFile: string
  /** The process; another after a restart. */
  readonly pid: number
  readonly isRunning: boolean
  /** Resolves once the present process has ended. */
  readonly ended: Promise<ProcessEnd>
  /** The last lines of its log. */
  lastLines(count?: number): readonly string[]
  /** `SIGSTOP` makes it silent, `SIGCONT` lets it go on. */
  signal(name: NodeJS.Signals): void
  /** Ends it in order, by force when that takes too long; a temporary folder goes with it. */
  close(): Promise<void>
  /** Ends it at once, as a crash does; the data stay. */
  kill(): Promise<void>
  /** Starts it again, on its data and its address; ends it in order before, if it runs. */
  restart(): Promise<void>
}

/** How a kind of engine is run. */
export interface EnginePlan {
  readonly name: string
  readonly address: string
  readonly version: string
  readonly folder: EngineFolder
  readonly logFile: string
  readonly process: Omit<ProcessSpec, 'logFile' | 'temporaryFolder'>
  /** The code of the error when it does not start. */
  readonly failure: ErrorCode
  /** Resolves when this process, not another on its port, serves; rejects while it does not. */
  probe(pid: number): Promise<void>
}

/** The folder of an engine. */
export interface EngineFolder {
  readonly path: string
  readonly isTemporary: boolean
}

const START_TIMEOUT_MS = 180_000
const STOP_TIMEOUT_MS = 30_000
const PROBE_PERIOD_MS = 50
const SHOWN_LINES = 8

/** The folder that was asked for, or a temporary one. */
export async function openFolder(
  kind: string,
  directory: string | undefined,
): Promise<EngineFolder> {
  if (directory === undefined) {
    return { path: mkdtempSync(join(tmpdir(), `meridian-${kind}-`)), isTemporary: true }
  }
  await mkdir(directory, { recursive: true })
  return { path: directory, isTemporary: false }
}

/** The last lines of a log; none where there is no log. */
export function lastLinesOf(logFile: string, count: number = SHOWN_LINES): readonly string[] {
  try {
    return readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-count)
  } catch {
    return []
  }
}

/** The same for a message, which may outlive the log. */
export function quoteEnd(logFile: string): string {
  const said = lastLinesOf(logFile)
  return said.length === 0 ? '' : ` It said:\n${said.join('\n')}\n`
}

/** The engine of a plan. Subclasses add what clients of their kind need. */
export class RunningEngine implements Engine {
  readonly name: string
  readonly address: string
  readonly version: string
  readonly logFile: string
  readonly #plan: EnginePlan
  #process: KeptProcess | undefined
  #isRunning = false

  constructor(plan: EnginePlan) {
    this.#plan = plan
    this.name = plan.name
    this.address = plan.address
    this.version = plan.version
    this.logFile = plan.logFile
  }

  get directory(): string {
    return this.#plan.folder.path
  }

  get isRunning(): boolean {
    return this.#isRunning
  }

  get pid(): number {
    return this.#require().pid
  }

  get ended(): Promise<ProcessEnd> {
    return this.#require().ended
  }

  /** @throws MeridianError with the plan's code; `CANCELLED` */
  async start(signal?: AbortSignal): Promise<void> {
    const { folder, logFile, process } = this.#plan
    const temporaryFolder = folder.isTemporary ? folder.path : undefined
    let started: KeptProcess
    try {
      started = await startKept({ ...process, logFile, temporaryFolder })
    } catch (error) {
      throw this.#failed(`cannot be started: ${(error as Error).message}`, error)
    }
    this.#process = started
    this.#isRunning = true
    void started.ended.then(() => {
      if (this.#process === started) this.#isRunning = false
    })
    try {
      await this.#serving(signal)
    } catch (error) {
      await this.kill()
      throw error
    }
  }

  lastLines(count = SHOWN_LINES): readonly string[] {
    return lastLinesOf(this.logFile, count)
  }

  signal(name: NodeJS.Signals): void {
    if (this.#isRunning) this.#process?.signal(name)
  }

  async close(): Promise<void> {
    await this.#stop()
    const { path, isTemporary } = this.#plan.folder
    if (isTemporary) rmSync(path, { recursive: true, force: true, maxRetries: 5 })
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL')
    await this.#gone()
  }

  async restart(): Promise<void> {
    await this.#stop()
    await this.start()
  }

  async #stop(): Promise<void> {
    if (!this.#isRunning) return
    this.signal('SIGTERM')
    this.signal('SIGCONT')
    const force = setTimeout(() => this.signal('SIGKILL'), STOP_TIMEOUT_MS)
    await this.#gone()
    clearTimeout(force)
  }

  /** The processes of a keeper keep nothing alive: a timer must, while their end is awaited. */
  async #gone(): Promise<void> {
    const hold = setInterval(() => undefined, STOP_TIMEOUT_MS)
    await this.#process?.ended
    clearInterval(hold)
    this.#isRunning = false
  }

  async #serving(signal: AbortSignal | undefined): Promise<void> {
    const deadlineMs = performance.now() + START_TIMEOUT_MS
    let last: unknown
    for (;;) {
      if (signal?.aborted === true) {
        throw new MeridianError('CANCELLED', `The start of ${this.name} was given up.`)
      }
      if (!this.#isRunning) throw this.#failed('has ended while it started', last)
      if (performance.now() > deadlineMs) throw this.#failed('does not answer', last)
      try {
        await this.#plan.probe(this.pid)
        if (this.#isRunning) return
      } catch (error) {
        last = error
      }
      await pause(PROBE_PERIOD_MS)
    }
  }

  #require(): KeptProcess {
    if (this.#process !== undefined) return this.#process
    throw this.#failed('was never started')
  }

  #failed(what: string, cause?: unknown): MeridianError {
    const end = quoteEnd(this.logFile)
    return new MeridianError(this.#plan.failure, `${this.name} at ${this.address} ${what}.${end}`, {
      fix: `See ${this.logFile}.`,
      cause,
      details: { engine: this.name, address: this.address },
    })
  }
}

const MAX_ATTEMPTS = 4

/**
 * Starts what `plan` says. Where nobody asked for a certain port, another program may take a free one
 * before the engine does: then others are tried.
 */
export async function startWithPorts<T extends RunningEngine>(
  hasOwnPorts: boolean,
  make: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const engine = await make()
    try {
      await engine.start(signal)
      return engine
    } catch (error) {
      const isTaken = engine.lastLines(40).some((line) => /address already in use/i.test(line))
      await engine.close()
      if (!isTaken || hasOwnPorts || attempt === MAX_ATTEMPTS) throw error
    }
  }
}
