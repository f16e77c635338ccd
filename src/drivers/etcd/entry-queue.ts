/** Entries on their way from etcd to the reader of a tail: one call at a time, bounded in bytes. */
import type { LogEntry } from '../../core/ports/commit-log.ts'

const BATCH_ENTRIES = 256
/** What one entry costs beside its payload. */
const ENTRY_BYTES = 256

export class EntryQueue {
  readonly #onEntries: (entries: readonly LogEntry[]) => Promise<void>
  /** Runs after each call of the reader, and when the reader has failed. */
  readonly #onProgress: (failure: { readonly error: unknown } | undefined) => void
  readonly #waiting: LogEntry[] = []
  #heldBytes = 0
  #isStopped = false
  #delivering: Promise<void> | undefined

  constructor(
    onEntries: (entries: readonly LogEntry[]) => Promise<void>,
    onProgress: (failure: { readonly error: unknown } | undefined) => void,
  ) {
    this.#onEntries = onEntries
    this.#onProgress = onProgress
  }

  /** Bytes that the reader is not done with. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  push(entry: LogEntry): void {
    if (this.#isStopped) return
    this.#waiting.push(entry)
    this.#heldBytes += costBytes(entry)
    this.#delivering ??= this.#deliver()
  }

  /** Drops what waits; resolves once the reader's present call is over. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#waiting.length = 0
    await this.#delivering
  }

  async #deliver(): Promise<void> {
    // What one turn brings is handed over together.
    await new Promise((resolve) => setImmediate(resolve))
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, BATCH_ENTRIES)
      try {
        await this.#onEntries(batch)
      } catch (error) {
        this.#isStopped = true
        this.#waiting.length = 0
        this.#onProgress({ error })
        break
      }
      for (const entry of batch) this.#heldBytes -= costBytes(entry)
      this.#onProgress(undefined)
    }
    // In the same turn as the last look at what waits: what comes later begins anew.
    this.#delivering = undefined
  }
}

function costBytes({ payload }: LogEntry): number {
  return payload.length + ENTRY_BYTES
}
