/** One `meridian node` or `meridian store` as a child process, which ends with this one. */
import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { MeridianError } from '../core/errors.ts'
import { lastLinesOf, quoteEnd } from './engines/engine.ts'
import type { ProcessEnd } from './engines/kept-process.ts'
import { sourceLoader } from './engines/source-loader.ts'

/** How it is started. */
export interface MeridianProcessOptions {
  /** What it is, in messages: `node eu-west`. */
  readonly name: string
  /** After `meridian`: the command and its options. */
  readonly args: readonly string[]
  /** Its standard error goes there. */
  readonly logFile: string
  /** Besides this process's own. */
  readonly environment: Readonly<Record<string, string>>
  /** Ends the start. */
  readonly signal?: AbortSignal | undefined
}

const START_TIMEOUT_MS = 180_000
const STOP_TIMEOUT_MS = 30_000
/** Bulk loads make much short-lived garbage: a larger nursery lets it die young. */
const NODE_ARGUMENTS = ['--max-semi-space-size=64']

/** Starts one and waits until it listens. @throws MeridianError `REGION_UNREACHABLE`, `CANCELLED` */
export async function startMeridian(options: MeridianProcessOptions): Promise<MeridianProcess> {
  await mkdir(dirname(options.logFile), { recursive: true })
  const process = new MeridianProcess(options)
  await process.start()
  return process
}

/** A process that listens. */
export class MeridianProcess {
  readonly name: string
  readonly logFile: string
  readonly #options: MeridianProcessOptions
  #url = ''
  #child: ChildProcess | undefined
  #ended: Promise<ProcessEnd> = Promise.resolve({ code: null, signal: null })
  #isRunning = false

  constructor(options: MeridianProcessOptions) {
    this.#options = options
    this.name = options.name
    this.logFile = options.logFile
  }

  /** Where it listens. */
  get url(): string {
    return this.#url
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  get isRunning(): boolean {
    return this.#isRunning
  }

  /** Resolves once the present process has ended. */
  get ended(): Promise<ProcessEnd> {
    return this.#ended
  }

  /** The last lines of its log. */
  lastLines(count?: number): readonly string[] {
    return lastLinesOf(this.logFile, count)
  }

  async start(): Promise<void> {
    const { args, logFile, environment } = this.#options
    const log = openSync(logFile, 'a')
    const child = spawn(
      process.execPath,
      [...NODE_ARGUMENTS, ...sourceLoader(), mainModule(), ...args, '--until-stdin-ends', '--json'],
      {
        stdio: ['pipe', 'pipe', log],
        env: { ...process.env, ...environment },
        // Ctrl-C reaches the whole group of a terminal; processes must end in order.
        detached: true,
      },
    )
    closeSync(log)
    this.#child = child
    this.#isRunning = true
    this.#ended = new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null): void => {
        if (this.#child === child) this.#isRunning = false
        resolve({ code, signal })
      }
      child.once('close', end)
      child.once('error', () => end(null, null))
    })
    // Its end may come while something is written to it.
    child.stdin?.on('error', () => undefined)
    try {
      await this.#listening(child)
    } catch (error) {
      await this.kill()
      throw error
    }
  }

  /** @throws MeridianError `REGION_UNREACHABLE` when it has ended by itself */
  requireRunning(): void {
    if (!this.#isRunning) throw this.#failed('has ended')
  }

  /** Ends it in order; by force when that takes too long. */
  async close(): Promise<void> {
    this.#child?.stdin?.end()
    // One that was stopped does not see it.
    this.#child?.kill('SIGCONT')
    const force = setTimeout(() => this.#child?.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await this.#ended
    clearTimeout(force)
  }

  /** Ends it at once, as a crash does. */
  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL')
    await this.#ended
  }

  /** Starts it again; ends it in order before, if it runs. */
  async restart(): Promise<void> {
    await this.close()
    await this.start()
  }

  /** Resolves once it has told its address. */
  #listening(child: ChildProcess): Promise<void> {
    const { stdout } = child
    const { signal } = this.#options
    return new Promise((resolve, reject) => {
      const settle = (error?: MeridianError): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
        if (error === undefined) resolve()
        else reject(error)
      }
      const onAbort = (): void =>
        settle(new MeridianError('CANCELLED', `The start of ${this.name} was given up.`))
      const timer = setTimeout(() => settle(this.#failed('does not listen')), START_TIMEOUT_MS)
      signal?.addEventListener('abort', onAbort, { once: true })
      if (signal?.aborted === true) onAbort()
      void this.#ended.then(() => settle(this.#failed('has ended')))
      if (stdout === null) return
      createInterface({ input: stdout }).on('line', (line) => {
        const said = parseLine(line)
        if (said?.event !== 'listening' || said.url === undefined) return
        this.#url = said.url
        settle()
      })
    })
  }

  #failed(what: string): MeridianError {
    const { name, logFile } = this
    return new MeridianError('REGION_UNREACHABLE', `The ${name} ${what}.${quoteEnd(logFile)}`, {
      fix: `See ${logFile}.`,
    })
  }
}

/** The program that this process runs, too. */
function mainModule(): string {
  const isSource = import.meta.url.endsWith('.ts')
  return join(import.meta.dirname, '..', 'cli', isSource ? 'main.ts' : 'main.js')
}

function parseLine(line: string): { event?: string; url?: string } | undefined {
  try {
    return JSON.parse(line) as { event?: string; url?: string }
  } catch {
    return undefined
  }
}
