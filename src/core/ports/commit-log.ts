/**
 * Port: the total order of strong transactions across regions. Entries are opaque bytes; a group
 * is an independent order with a dense index from 1.
 */

/** One entry of a group. */
export interface LogEntry {
  readonly index: number
  readonly id: string
  readonly payload: Uint8Array
}

/** A running tail. */
export interface LogTail {
  /** Stops delivery; no callback runs after it resolves. */
  stop(): Promise<void>
}

/** What a tail tells its reader. */
export interface LogTailHandlers {
  /** Entries in index order, without gap or repetition. The next call waits for this one. */
  readonly onEntries: (entries: readonly LogEntry[]) => Promise<void>
  /** The tail cannot go on (`LOG_COMPACTED`, `LOG_FOREIGN`, `POSITION_LOST`, `CLOSED`); it has stopped. */
  readonly onFailure: (error: unknown) => void
}

/** A linearizable log, as one region sees it. */
export interface CommitLog {
  /**
   * Appends an entry and resolves with its index once it is durable on a majority.
   * Idempotent by `id`: a repeated append answers with the first one's index.
   *
   * @throws MeridianError `LOG_UNAVAILABLE`, `LOG_FULL` (retry: unknown-outcome where it may be there
   * all the same); `TRANSACTION_TOO_LARGE`, `LOG_MISCONFIGURED`, `LOG_FOREIGN`, `CLOSED`
   */
  append(group: string, id: string, payload: Uint8Array): Promise<number>

  /** Delivers every entry from `fromIndex` on, those that exist and those to come. */
  tail(group: string, fromIndex: number, handlers: LogTailHandlers): LogTail

  /**
   * The index of the last entry that was appended before this call: once a reader has applied
   * it, its read is linearizable. Not cached: every call asks the log.
   */
  readIndex(group: string): Promise<number>

  /** Entries below `beforeIndex` may be dropped; readers that go on ask for their last one again. */
  trim(group: string, beforeIndex: number): Promise<void>

  /** Ends this region's handle and its tails. */
  close(): Promise<void>
}
