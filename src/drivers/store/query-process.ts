/** One query process as its parent sees it: it starts it, asks it, bounds its time, and ends it. */
import { fork, type ChildProcess } from 'node:child_process'
import type { Socket } from 'node:net'
import type { Timers } from '../../core/ports/runtime.ts'
import { StatementFailed, type DescribedResult } from '../../core/ports/store.ts'
import type { QueryReply, QueryRequest } from './query-program.ts'
import { fromThreadError } from './thread-error.ts'

/** The process ended by itself: the engine crashed, or someone ended it. */
export class ProcessEnded extends Error {
  override readonly name = 'ProcessEnded'

  constructor(cause?: unknown) {
    super('A query process has ended.', { cause })
  }
}

interface Pending {
  readonly resolve: (result: DescribedResult | null) => void
  readonly reject: (error: unknown) => void
}

/** Only what a process needs to start: secrets stay where they are. */
const PASSED_ENVIRONMENT = ['PATH', 'TMPDIR', 'TEMP', 'TMP', 'SystemRoot']
const MAX_HEAP_MB = 256
const START_TIMEOUT_MS = 60_000

export class QueryProcess {
  /** Resolves once the process is gone. */
  readonly ended: Promise<void>
  readonly #child: ChildProcess
  readonly #timers: Timers
  #pending: Pending | undefined
  #failure: Error | undefined

  private constructor(child: ChildProcess, timers: Timers) {
    this.#child = child
    this.#timers = timers
    // Errors of the pipes tell of the process's end, which is told anyway.
    child.stdin?.on('error', () => undefined)
    this.ended = new Promise((resolve) => {
      const gone = (): void => {
        this.#fail(new ProcessEnded())
        resolve()
      }
      child.once('exit', gone)
      child.once('error', gone)
    })
    child.on('message', (reply: QueryReply) => this.#settle(reply))
  }

  /**
   * Starts a process on a store's file.
   *
   * @throws ProcessEnded, or MeridianError `STORE_…` when it cannot open the file
   */
  static async start(path: string, timers: Timers): Promise<QueryProcess> {
    const started = new QueryProcess(forkProgram(path), timers)
    const cancel = timers.after(START_TIMEOUT_MS, () => started.end())
    try {
      await started.#reply()
      return started
    } catch (error) {
      started.end()
      throw error
    } finally {
      cancel()
    }
  }

  /** Whether it can be asked. */
  get isAlive(): boolean {
    return this.#failure === undefined
  }

  /**
   * Asks; one request at a time.
   *
   * @throws StatementFailed (after `timeoutMs` the process is ended), ProcessEnded, MeridianError
   */
  async ask(request: QueryRequest, timeoutMs: number): Promise<DescribedResult | null> {
    if (this.#failure !== undefined) throw this.#failure
    const reply = this.#reply()
    this.#child.send(request, (error) => {
      if (error !== null) this.#fail(new ProcessEnded(error))
    })
    const cancel = this.#timers.after(timeoutMs, () => {
      this.#fail(new StatementFailed(0, 'other', `it ran longer than ${timeoutMs} ms`))
      this.end()
    })
    try {
      return await reply
    } finally {
      cancel()
    }
  }

  /** Ends the process at once. It only reads: nothing is lost. */
  end(): void {
    this.#fail(new ProcessEnded())
    this.#child.kill('SIGKILL')
    // Whoever waits for the end sees it.
    this.#child.ref()
  }

  #reply(): Promise<DescribedResult | null> {
    // A process at rest does not keep this one alive; one that works does.
    hold(this.#child)
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject }
    })
  }

  #settle(reply: QueryReply): void {
    const pending = this.#pending
    this.#pending = undefined
    release(this.#child)
    if ('error' in reply) pending?.reject(fromThreadError(reply.error))
    else pending?.resolve(reply.result)
  }

  #fail(error: Error): void {
    this.#failure ??= error
    const pending = this.#pending
    this.#pending = undefined
    release(this.#child)
    pending?.reject(error)
  }
}

function hold(child: ChildProcess): void {
  child.ref()
  child.channel?.ref()
}

function release(child: ChildProcess): void {
  child.unref()
  child.channel?.unref()
  ;(child.stdin as Socket | null)?.unref()
}

/** Beside this file lies the program, in the form in which this file runs. */
function forkProgram(path: string): ChildProcess {
  const isSource = import.meta.url.endsWith('.ts')
  const program = new URL(`./query-program.${isSource ? 'ts' : 'js'}`, import.meta.url)
  const readsTypeScript = Boolean(Reflect.get(process.features, 'typescript'))
  const loader = isSource && !readsTypeScript ? ['--import', import.meta.resolve('tsx')] : []
  const passed = PASSED_ENVIRONMENT.flatMap((name) => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  return fork(program, [path], {
    execArgv: [`--max-old-space-size=${MAX_HEAP_MB}`, ...loader],
    env: Object.fromEntries(passed),
    serialization: 'advanced',
    stdio: ['pipe', 'ignore', 'ignore', 'ipc'],
  })
}
