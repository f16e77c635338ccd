/** One `meridian node` as a child process, which ends with this one. */
import { spawn, type ChildProcess } from 'node:child_process'
import { createWriteStream, type WriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { MeridianError } from '../../core/errors.ts'

/** How it is started. */
export interface NodeProcessOptions {
  readonly region: string
  readonly configFile: string
  readonly directory: string
  /** Its standard error goes there. */
  readonly logFile: string
  readonly environment: Readonly<Record<string, string>>
}

/** A process that listens. */
export interface NodeProcess {
  readonly url: string
  /** @throws MeridianError `REGION_UNREACHABLE` when it has ended by itself */
  requireRunning(): void
  /** Ends it in order; by force when that takes too long. */
  close(): Promise<void>
}

const START_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 20_000

/** Starts a node and waits until it listens. @throws MeridianError `REGION_UNREACHABLE` */
export async function startNodeProcess(options: NodeProcessOptions): Promise<NodeProcess> {
  await mkdir(dirname(options.logFile), { recursive: true })
  const log = createWriteStream(options.logFile, { flags: 'a' })
  const { region, configFile, directory, environment } = options
  const args = ['node', '--config', configFile, '--region', region, '--directory', directory]
  const lock = ['--lock', join(directory, 'meridian.lock.json')]
  const child = spawn(
    process.execPath,
    [...process.execArgv, mainModule(), ...args, ...lock, '--until-stdin-ends', '--json'],
    { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...environment } },
  )
  child.stderr.pipe(log)
  const running = new Running(options, child, log)
  try {
    await running.listening()
    return running
  } catch (error) {
    await running.close()
    throw error
  }
}

/** The program that this process runs, too. */
function mainModule(): string {
  const isSource = import.meta.url.endsWith('.ts')
  return join(import.meta.dirname, '..', isSource ? 'main.ts' : 'main.js')
}

class Running implements NodeProcess {
  url = ''
  readonly #options: NodeProcessOptions
  readonly #child: ChildProcess
  readonly #log: WriteStream
  readonly #ended: Promise<void>
  #hasEnded = false

  constructor(options: NodeProcessOptions, child: ChildProcess, log: WriteStream) {
    this.#options = options
    this.#child = child
    this.#log = log
    this.#ended = new Promise((resolve) => {
      const end = (): void => {
        this.#hasEnded = true
        resolve()
      }
      child.once('close', end)
      child.once('error', end)
    })
    // Its end may come while something is written to it.
    child.stdin?.on('error', () => undefined)
  }

  /** Resolves once it has told its address. */
  listening(): Promise<void> {
    const { stdout } = this.#child
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(this.#failed('does not listen')), START_TIMEOUT_MS)
      const settle = (done: () => void): void => {
        clearTimeout(timer)
        done()
      }
      void this.#ended.then(() => settle(() => reject(this.#failed('has ended'))))
      if (stdout === null) return
      createInterface({ input: stdout }).on('line', (line) => {
        const said = parseLine(line)
        if (said?.event !== 'listening' || said.url === undefined) return
        this.url = said.url
        settle(resolve)
      })
    })
  }

  requireRunning(): void {
    if (this.#hasEnded) throw this.#failed('has ended')
  }

  async close(): Promise<void> {
    this.#child.stdin?.end()
    const force = setTimeout(() => this.#child.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await this.#ended
    clearTimeout(force)
    this.#log.end()
  }

  #failed(what: string): MeridianError {
    const { region, logFile } = this.#options
    return new MeridianError('REGION_UNREACHABLE', `The node of ${region} ${what}.`, {
      fix: `See ${logFile}.`,
    })
  }
}

function parseLine(line: string): { event?: string; url?: string } | undefined {
  try {
    return JSON.parse(line) as { event?: string; url?: string }
  } catch {
    return undefined
  }
}
