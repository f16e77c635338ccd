/** Engines as children of a keeper (`keeper.ts`), of which a process has one while it needs it. */
import { fork, type ChildProcess } from 'node:child_process'
import type { KeeperReply, KeeperRequest, ProcessSpec } from './keeper.ts'
import { sourceLoader } from './source-loader.ts'

/** How a process has ended. */
export interface ProcessEnd {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A process that a keeper watches. It does not keep this process alive. */
export interface KeptProcess {
  readonly pid: number
  readonly ended: Promise<ProcessEnd>
  signal(name: NodeJS.Signals): void
}

/** Only what programs need to run: secrets stay where they are. */
const PASSED_ENVIRONMENT = ['PATH', 'HOME', 'LANG', 'TMPDIR', 'JAVA_HOME']
const START_TIMEOUT_MS = 60_000
const MAX_HEAP_MB = 64

/** What of this process's environment an engine gets. */
export function passedEnvironment(): Readonly<Record<string, string>> {
  const passed = PASSED_ENVIRONMENT.flatMap((name) => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  return Object.fromEntries(passed)
}

let shared: Keeper | undefined

/** Starts a process that ends with this one, whatever ends this one. @throws Error */
export async function startKept(spec: ProcessSpec): Promise<KeptProcess> {
  if (shared === undefined || !shared.isAlive) shared = new Keeper()
  return shared.start(spec)
}

interface Entry {
  pid: number | undefined
  readonly started: (pid: number) => void
  readonly failed: (error: Error) => void
  readonly ended: (end: ProcessEnd) => void
}

class Keeper {
  isAlive = true
  readonly #child: ChildProcess
  readonly #entries = new Map<number, Entry>()
  #nextId = 1

  constructor() {
    const child = forkKeeper()
    this.#child = child
    child.on('message', (reply: KeeperReply) => this.#hear(reply))
    child.once('exit', () => this.#lost())
    child.once('error', () => this.#lost())
    child.unref()
    child.channel?.unref()
  }

  async start(spec: ProcessSpec): Promise<KeptProcess> {
    const id = this.#nextId++
    let settleEnd: (end: ProcessEnd) => void = () => undefined
    const ended = new Promise<ProcessEnd>((resolve) => {
      settleEnd = resolve
    })
    const pid = await new Promise<number>((resolve, reject) => {
      // The timer also keeps this process alive while it waits.
      const timer = setTimeout(
        () => reject(new Error(`${spec.command} was not started in time.`)),
        START_TIMEOUT_MS,
      )
      const settle = (done: () => void): void => {
        clearTimeout(timer)
        done()
      }
      this.#entries.set(id, {
        pid: undefined,
        started: (started) => settle(() => resolve(started)),
        failed: (error) => settle(() => reject(error)),
        ended: settleEnd,
      })
      this.#send({ kind: 'start', id, spec })
    })
    return {
      pid,
      ended,
      signal: (name) => {
        if (this.#entries.has(id)) this.#send({ kind: 'signal', id, signal: name })
      },
    }
  }

  #send(request: KeeperRequest): void {
    this.#child.send(request, (error) => {
      if (error !== null) this.#lost()
    })
  }

  #hear(reply: KeeperReply): void {
    const entry = this.#entries.get(reply.id)
    if (entry === undefined) return
    if (reply.kind === 'started') {
      entry.pid = reply.pid
      entry.started(reply.pid)
      return
    }
    this.#entries.delete(reply.id)
    if (reply.kind === 'failed') entry.failed(new Error(reply.message))
    else entry.ended({ code: reply.code, signal: reply.signal })
  }

  /** Someone has ended the keeper: what it kept must not outlive it. */
  #lost(): void {
    if (!this.isAlive) return
    this.isAlive = false
    for (const entry of this.#entries.values()) {
      if (entry.pid !== undefined) killQuietly(entry.pid)
      entry.failed(new Error('The keeper of the engines has ended.'))
      entry.ended({ code: null, signal: 'SIGKILL' })
    }
    this.#entries.clear()
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It is gone.
  }
}

/** Beside this file lies the program, in the form in which this file runs. */
function forkKeeper(): ChildProcess {
  const isSource = import.meta.url.endsWith('.ts')
  const program = new URL(`./keeper.${isSource ? 'ts' : 'js'}`, import.meta.url)
  return fork(program, [], {
    execArgv: [`--max-old-space-size=${MAX_HEAP_MB}`, ...sourceLoader()],
    env: { ...passedEnvironment() },
    // Ctrl-C reaches the whole group of a terminal; engines must end in order, and after the nodes.
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
}
