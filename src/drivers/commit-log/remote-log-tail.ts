/**
 * A tail over a link that breaks: goes on where it was, hands every entry over once, and holds no
 * more entries than a window while its reader is slow.
 */
import { MeridianError } from '../../core/errors.ts'
import type { LogEntry, LogTail, LogTailHandlers } from '../../core/ports/commit-log.ts'
import { entryCostBytes, type ToLog, type WireEntry } from './remote-log-codec.ts'

/** Bytes of a tail that are on their way or wait for its reader. */
export const TAIL_WINDOW_BYTES: number = 4 * 1024 * 1024

/** Where a tail is and whom it tells. */
export interface RemoteTailOptions {
  /** Its number on the link. */
  readonly tail: number
  readonly group: string
  readonly fromIndex: number
  readonly handlers: LogTailHandlers
  readonly send: (message: ToLog) => void
  /** Runs when the tail has ended, for whatever reason. */
  readonly onEnd: () => void
}

interface Batch {
  readonly entries: readonly LogEntry[]
  readonly costBytes: number
}

export class RemoteTail implements LogTail {
  readonly #options: RemoteTailOptions
  readonly #waiting: Batch[] = []
  /** Bytes that were received and whose reader is not done with them. */
  #heldBytes = 0
  /** The index that must come next. */
  #nextIndex: number
  /** The id of the entry before it, once there was one. */
  #lastId: string | undefined
  /** Whether a new link is to send the entry before it again, first of all. */
  #isRejoining = false
  #isStopped = false
  #hasEnded = false
  #failure: { readonly error: unknown } | undefined
  #delivering: Promise<void> | undefined

  constructor(options: RemoteTailOptions) {
    this.#options = options
    this.#nextIndex = options.fromIndex
  }

  /**
   * Asks a new link for what is still missing, and for the last entry again: a log that was
   * restored from an older copy meanwhile has another one there.
   */
  begin(): void {
    const { tail, group, send } = this.#options
    this.#isRejoining = this.#lastId !== undefined
    const fromIndex = this.#nextIndex - Number(this.#isRejoining)
    const creditBytes = Math.max(0, TAIL_WINDOW_BYTES - this.#heldBytes)
    send({ kind: 'tail', tail, group, fromIndex, creditBytes })
  }

  receive(firstIndex: number, entries: readonly WireEntry[]): void {
    if (this.#isOver()) return
    if (this.#isRejoining && firstIndex === this.#nextIndex - 1) {
      this.#rejoin(firstIndex, entries)
      return
    }
    if (firstIndex !== this.#nextIndex) {
      void this.fail(gapError(this.#options.group, this.#nextIndex, firstIndex))
      return
    }
    const costBytes = entries.reduce((sum, entry) => sum + entryCostBytes(entry), 0)
    this.#nextIndex += entries.length
    this.#lastId = entries.at(-1)?.id
    this.#heldBytes += costBytes
    this.#waiting.push({
      entries: entries.map(({ id, payload }, at) => ({ index: firstIndex + at, id, payload })),
      costBytes,
    })
    this.#deliver()
  }

  #rejoin(firstIndex: number, [again, ...others]: readonly WireEntry[]): void {
    const { tail, group, send } = this.#options
    if (again === undefined) return
    this.#isRejoining = false
    if (again.id !== this.#lastId) {
      void this.fail(replacedError(group, firstIndex))
      return
    }
    send({ kind: 'credit', tail, creditBytes: entryCostBytes(again) })
    if (others.length > 0) this.receive(firstIndex + 1, others)
  }

  /** Not to be awaited inside `onEntries`, whose end it waits for. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#end()
    await this.#delivering
  }

  /** Ends the tail at once and tells its reader why. */
  async fail(error: unknown): Promise<void> {
    this.#failure ??= { error }
    this.#waiting.length = 0
    this.#deliver()
    await this.#delivering
  }

  /** Ends the tail once its reader has all that came before the failure. */
  failAfterAll(error: unknown): void {
    this.#failure ??= { error }
    this.#deliver()
  }

  #isOver(): boolean {
    return this.#isStopped || this.#failure !== undefined
  }

  #deliver(): void {
    this.#delivering ??= this.#deliverWaiting()
  }

  async #deliverWaiting(): Promise<void> {
    // The caller has its tail in hand before the first callback.
    await Promise.resolve()
    try {
      await this.#deliverAll()
    } catch (error) {
      this.#waiting.length = 0
      this.#failure ??= { error }
    }
    // In the same turn as the last look at what waits: what comes later begins anew.
    this.#delivering = undefined
    if (this.#failure === undefined || this.#isStopped) return
    this.#isStopped = true
    this.#end()
    this.#options.handlers.onFailure(this.#failure.error)
  }

  async #deliverAll(): Promise<void> {
    const { tail, handlers, send } = this.#options
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      await handlers.onEntries(next.entries)
      this.#heldBytes -= next.costBytes
      if (!this.#isOver()) send({ kind: 'credit', tail, creditBytes: next.costBytes })
    }
  }

  #end(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#waiting.length = 0
    this.#options.send({ kind: 'stop-tail', tail: this.#options.tail })
    this.#options.onEnd()
  }
}

function replacedError(group: string, index: number): MeridianError {
  return new MeridianError(
    'POSITION_LOST',
    `Entry ${index} of group ${group} of the commit log is not the one that was there before.`,
    {
      fix: 'The log was restored or replaced: restore the log that the regions followed, or seed this region again from one that follows this log.',
      details: { group, index },
    },
  )
}

function gapError(group: string, wanted: number, got: number): MeridianError {
  return new MeridianError(
    'LOG_GAP',
    `Group ${group} of the commit log continued at ${got} instead of ${wanted}.`,
    { fix: 'Look at the log of the node that keeps it.', details: { group, wanted, got } },
  )
}
