/** A tail over a log that can be read by index: one batch at a time, in order, without a gap. */
import { MeridianError } from '../../core/errors.ts'
import type { LogEntry, LogTail, LogTailHandlers } from '../../core/ports/commit-log.ts'

/** The next entries from an index on; none when there is none yet. */
export type ReadEntries = (fromIndex: number) => Promise<readonly LogEntry[]>

/** What a tail reads and whom it tells. */
export interface LogReaderOptions {
  readonly fromIndex: number
  readonly handlers: LogTailHandlers
  readonly read: ReadEntries
  /** Registers a listener for "there may be more"; returns its removal. */
  readonly onWake: (wake: () => void) => () => void
  /** Runs when the tail has ended, for whatever reason. */
  readonly onEnd: () => void
}

export class LogReader implements LogTail {
  readonly #options: LogReaderOptions
  readonly #stopWaking: () => void
  readonly #running: Promise<void>
  #nextIndex: number
  #isStopped = false
  #failure: unknown
  /** Whether something may have been added since the last read began. */
  #mayHaveMore = true
  #wakeUp: (() => void) | undefined

  constructor(options: LogReaderOptions) {
    this.#options = options
    this.#nextIndex = options.fromIndex
    this.#stopWaking = options.onWake(() => this.#wake())
    this.#running = this.#run()
  }

  /** Not to be awaited inside `onEntries`, whose end it waits for. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#wake()
    await this.#running
  }

  /** Ends the tail and tells its reader why. */
  async fail(error: unknown): Promise<void> {
    this.#failure ??= error
    this.#wake()
    await this.#running
  }

  #wake(): void {
    this.#mayHaveMore = true
    this.#wakeUp?.()
  }

  async #run(): Promise<void> {
    try {
      // The caller has its tail in hand before the first callback.
      await Promise.resolve()
      while (!this.#isOver()) await this.#step()
    } catch (error) {
      this.#failure ??= error
    }
    this.#stopWaking()
    this.#options.onEnd()
    if (!this.#isStopped) this.#options.handlers.onFailure(this.#failure)
  }

  #isOver(): boolean {
    return this.#isStopped || this.#failure !== undefined
  }

  async #step(): Promise<void> {
    this.#mayHaveMore = false
    const entries = await this.#options.read(this.#nextIndex)
    const [first] = entries
    if (first === undefined) {
      await this.#waitForMore()
      return
    }
    if (first.index !== this.#nextIndex) throw compactedError(this.#nextIndex, first.index)
    if (this.#isOver()) return
    await this.#options.handlers.onEntries(entries)
    this.#nextIndex += entries.length
  }

  #waitForMore(): Promise<void> {
    if (this.#mayHaveMore || this.#isOver()) return Promise.resolve()
    return new Promise((resolve) => {
      this.#wakeUp = resolve
    })
  }
}

function compactedError(wanted: number, firstKept: number): MeridianError {
  return new MeridianError(
    'LOG_COMPACTED',
    `Entry ${wanted} of the commit log was trimmed; the first kept is ${firstKept}.`,
    { fix: 'Seed this region again from a peer.', details: { wanted, firstKept } },
  )
}
