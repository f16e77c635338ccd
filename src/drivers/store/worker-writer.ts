/** The writer on a thread of its own: the event loop never waits for the disk. */
import { Worker } from 'node:worker_threads'
import { MeridianError } from '../../core/errors.ts'
import type { GroupMember, MemberOutcome } from './group-commit.ts'
import type { GroupWriter } from './group-writer.ts'
import type { WriterSettings } from './store-connections.ts'
import { fromThreadError, type ThreadError } from './thread-error.ts'

/** What the thread is started with. */
export interface WriterThreadData {
  readonly settings: WriterSettings
  readonly busyTimeoutMs: number
}

/** To the thread: a group to commit, or the order to end. */
export type WriterRequest = readonly GroupMember[] | 'close'

/** An outcome in a form that crosses threads. */
export type ThreadOutcome =
  | Extract<MemberOutcome, { ok: true }>
  | { readonly ok: false; readonly error: ThreadError }

/** From the thread, in the order of the requests; the first message says that it has started. */
export type WriterReply =
  | { readonly outcomes: readonly ThreadOutcome[] }
  | { readonly error: ThreadError }
  | 'ready'
  | 'closed'

interface Pending {
  readonly resolve: (outcomes: readonly MemberOutcome[]) => void
  readonly reject: (error: unknown) => void
}

/** Starts the thread. @throws MeridianError `STORE_UNAVAILABLE` when the file cannot be opened */
export async function createWorkerWriter(
  settings: WriterSettings,
  busyTimeoutMs: number,
): Promise<GroupWriter> {
  const worker = startThread({ settings, busyTimeoutMs })
  const writer = new WorkerWriter(worker, settings.path)
  await writer.started
  return writer
}

class WorkerWriter implements GroupWriter {
  /** One group is written while the next is on its way. */
  readonly maxGroupsInFlight = 2
  readonly started: Promise<void>
  readonly #worker: Worker
  readonly #path: string
  readonly #pending: Pending[] = []
  readonly #ended: Promise<void>
  #failure: MeridianError | undefined

  constructor(worker: Worker, path: string) {
    this.#worker = worker
    this.#path = path
    this.started = new Promise((resolve, reject) => {
      this.#pending.push({ resolve: () => resolve(), reject })
    })
    this.#ended = new Promise((resolve) => {
      worker.once('exit', () => {
        this.#fail(undefined)
        resolve()
      })
    })
    worker.on('message', (reply: WriterReply) => this.#settle(reply))
    worker.on('error', (error) => this.#fail(error))
  }

  commit(members: readonly GroupMember[]): Promise<readonly MemberOutcome[]> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      this.#worker.postMessage(members satisfies WriterRequest)
      this.#pending.push({ resolve, reject })
      // A thread at rest does not keep the process alive; one that writes does.
      this.#worker.ref()
    })
  }

  async close(): Promise<void> {
    this.#worker.ref()
    if (this.#failure === undefined) this.#worker.postMessage('close' satisfies WriterRequest)
    await this.#ended
  }

  #settle(reply: WriterReply): void {
    if (reply === 'closed') return
    const pending = this.#pending.shift()
    if (this.#pending.length === 0) this.#worker.unref()
    if (pending === undefined) return
    if (reply === 'ready') pending.resolve([])
    else if ('error' in reply) pending.reject(fromThreadError(reply.error))
    else pending.resolve(reply.outcomes.map(fromThreadOutcome))
  }

  /** What was handed over may have been written or not. */
  #fail(cause: unknown): void {
    this.#failure ??= new MeridianError(
      'STORE_UNAVAILABLE',
      `The writer thread of store ${this.#path} has ended.`,
      {
        fix: 'Open the store again and repeat with the same idempotency key.',
        retry: 'unknown-outcome',
        details: { path: this.#path },
        cause,
      },
    )
    for (const pending of this.#pending.splice(0)) pending.reject(this.#failure)
  }
}

function fromThreadOutcome(outcome: ThreadOutcome): MemberOutcome {
  return outcome.ok ? outcome : { ok: false, error: fromThreadError(outcome.error) }
}

/** Beside this file lies the thread's program, in the form in which this file runs. */
function startThread(workerData: WriterThreadData): Worker {
  const isSource = import.meta.url.endsWith('.ts')
  const program = new URL(`./writer-thread.${isSource ? 'ts' : 'js'}`, import.meta.url)
  const readsTypeScript = Boolean(Reflect.get(process.features, 'typescript'))
  if (!isSource || readsTypeScript) return new Worker(program, { workerData })
  // Run from source on a Node that does not read TypeScript: the thread loads a loader first.
  const loader = import.meta.resolve('tsx/esm/api')
  const text = `import('${loader}').then((tsx) => { tsx.register(); return import('${program.href}') })`
  return new Worker(text, { eval: true, workerData })
}
