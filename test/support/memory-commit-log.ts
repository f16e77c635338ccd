/** A commit log in memory that delivers when and in what pieces a test says. */
import { MeridianError } from '../../src/core/errors.ts'
import type {
  CommitLog,
  LogEntry,
  LogTail,
  LogTailHandlers,
} from '../../src/core/ports/commit-log.ts'

interface Reader {
  readonly group: string
  readonly handlers: LogTailHandlers
  next: number
  delivering: Promise<void>
}

/** What an append meets, in the order of calls; when it is used up: `ok`. */
export type AppendFault =
  | 'ok'
  /** Not stored, and the caller hears that the log is away. */
  | 'lost-request'
  /** Stored, and the caller hears that the log is away. */
  | 'lost-reply'

export class MemoryCommitLog implements CommitLog {
  readonly entries = new Map<string, LogEntry[]>()
  /** The first index that is kept, by group. */
  readonly #first = new Map<string, number>()
  readonly #readers = new Set<Reader>()
  readonly #cuts: (entries: number) => number
  faults: AppendFault[] = []
  /** While true nothing is delivered. */
  held = false
  appends = 0
  readIndexes = 0
  /** Runs after a read index was determined and before it is answered. */
  beforeReadIndexReply: () => Promise<void> = () => Promise.resolve()

  /** `cut`: how many of the entries that wait are delivered at once (at least one). */
  constructor(cut: (entries: number) => number = (entries) => entries) {
    this.#cuts = cut
  }

  async append(group: string, id: string, payload: Uint8Array): Promise<number> {
    this.appends += 1
    const fault = this.faults.shift() ?? 'ok'
    await Promise.resolve()
    if (fault === 'lost-request') throw unavailable()
    const log = this.#log(group)
    const known = log.find((entry) => entry.id === id && entry.index >= this.firstKept(group))
    if (known === undefined) log.push({ index: log.length + 1, id, payload })
    this.deliver()
    if (fault === 'lost-reply') throw unavailable()
    return known?.index ?? log.length
  }

  tail(group: string, fromIndex: number, handlers: LogTailHandlers): LogTail {
    const reader: Reader = { group, handlers, next: fromIndex, delivering: Promise.resolve() }
    this.#readers.add(reader)
    this.deliver()
    return {
      stop: () => {
        this.#readers.delete(reader)
        return reader.delivering
      },
    }
  }

  async readIndex(group: string): Promise<number> {
    this.readIndexes += 1
    const index = this.#log(group).length
    await this.beforeReadIndexReply()
    return index
  }

  /** Starts to deliver what waits. */
  deliver(): void {
    for (const reader of this.#readers) {
      reader.delivering = reader.delivering.then(() => this.#deliverTo(reader))
    }
  }

  async trim(group: string, beforeIndex: number): Promise<void> {
    await Promise.resolve()
    // The last entry stays: it carries the group's index.
    const first = Math.min(beforeIndex, this.#log(group).length)
    this.#first.set(group, Math.max(first, this.firstKept(group)))
    this.deliver()
  }

  firstKept(group: string): number {
    return this.#first.get(group) ?? 1
  }

  close(): Promise<void> {
    this.#readers.clear()
    return Promise.resolve()
  }

  async #deliverTo(reader: Reader): Promise<void> {
    for (;;) {
      if (!this.#readers.has(reader)) return
      if (reader.next < this.firstKept(reader.group)) {
        this.#readers.delete(reader)
        reader.handlers.onFailure(compacted(reader.next, this.firstKept(reader.group)))
        return
      }
      const waiting = this.#log(reader.group).slice(reader.next - 1)
      if (waiting.length === 0 || this.held) return
      const taken = waiting.slice(0, Math.max(1, this.#cuts(waiting.length)))
      reader.next += taken.length
      await reader.handlers.onEntries(taken)
    }
  }

  #log(group: string): LogEntry[] {
    let log = this.entries.get(group)
    if (log === undefined) {
      log = []
      this.entries.set(group, log)
    }
    return log
  }
}

function compacted(wanted: number, firstKept: number): MeridianError {
  return new MeridianError('LOG_COMPACTED', `Entry ${wanted} was trimmed.`, {
    details: { wanted, firstKept },
  })
}

function unavailable(): MeridianError {
  return new MeridianError('LOG_UNAVAILABLE', 'The log is away.', { retry: 'unknown-outcome' })
}
