/**
 * Port: the changes of one store, in order, durable and replayable. Positions are the store's
 * `localSeq`, dense from 1 under one store incarnation.
 */

/** One change as bytes at its position. */
export interface ChangeLogRecord {
  readonly position: number
  readonly payload: Uint8Array
}

/** A durable, ordered log with one writer (the relay) and any number of readers. */
export interface ChangeLog {
  /**
   * Appends records whose positions follow the end without a gap. Idempotent: records at or
   * below the end are dropped. Durable when it resolves.
   *
   * @throws MeridianError `LOG_GAP` when a position is missing; nothing is appended
   */
  append(records: readonly ChangeLogRecord[]): Promise<void>

  /** The last durable position, 0 when empty. */
  end(): Promise<number>

  /** Up to `maxRecords` (at least one when there is one) records after `position`, in order. */
  read(position: number, maxRecords: number): Promise<readonly ChangeLogRecord[]>

  /** Registers a listener that runs after every append. Returns its removal. */
  onAppend(listener: () => void): () => void

  /** Records at or below `position` may be dropped; reading them fails with `LOG_COMPACTED`. */
  trim(position: number): Promise<void>

  /** Releases the log. */
  close(): Promise<void>
}
