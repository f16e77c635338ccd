/** The thread of an emulated network as this thread sees it: calls and their answers. */
import type { Worker } from 'node:worker_threads'
import { fromWireError, MeridianError } from '../../core/errors.ts'
import { startThread } from './start-thread.ts'
import type { WanCall, WanReply, WanRequest, WanThreadData } from './wan-messages.ts'

interface Pending {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

export class WanWorker {
  readonly #worker: Worker
  readonly #pending = new Map<number, Pending>()
  readonly #ended: Promise<void>
  #nextId = 1
  #failure: MeridianError | undefined
  #closing: Promise<void> | undefined

  constructor(data: WanThreadData) {
    const worker = startThread('wan-thread', data)
    this.#worker = worker
    worker.on('message', (reply: WanReply) => this.#settle(reply))
    worker.on('error', (error) => this.#fail(error))
    this.#ended = new Promise((resolve) => {
      worker.once('exit', () => {
        this.#fail(undefined)
        resolve()
      })
    })
  }

  /** @throws MeridianError `INTERNAL` where the thread has ended, and what the call is refused for */
  call(call: WanCall): Promise<unknown> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      const id = this.#nextId++
      this.#pending.set(id, { resolve, reject })
      this.#worker.postMessage({ id, call } satisfies WanRequest)
    })
  }

  /** Resolves once the thread has ended; again and again. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    if (this.#failure === undefined) await this.call({ kind: 'close' })
    await this.#ended
  }

  #settle(reply: WanReply): void {
    const pending = this.#pending.get(reply.id)
    this.#pending.delete(reply.id)
    if (pending === undefined) return
    if ('error' in reply) pending.reject(fromWireError(reply.error))
    else pending.resolve(reply.value)
  }

  #fail(cause: unknown): void {
    this.#failure ??= new MeridianError('INTERNAL', 'The emulated network has ended.', {
      fix: 'Open another one.',
      cause,
    })
    for (const { reject } of this.#pending.values()) reject(this.#failure)
    this.#pending.clear()
  }
}
