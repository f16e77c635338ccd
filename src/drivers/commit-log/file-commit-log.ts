/**
 * Driver: a commit log in one libSQL file. All regions of one process share the open log, each
 * through a handle of its own. Appends that wait at the same time share one commit.
 */
import { isErrorCode, MeridianError } from '../../core/errors.ts'
import type { CommitLog, LogEntry, LogTail, LogTailHandlers } from '../../core/ports/commit-log.ts'
import type { Store } from '../../core/ports/store.ts'
import type { SqlRow } from '../../core/values.ts'
import { openFileStore, type FileStoreOptions } from '../store/file-store.ts'
import { LogReader, type ReadEntries } from './log-reader.ts'

/** How the log's file is opened. */
export type FileCommitLogOptions = Pick<
  FileStoreOptions,
  'path' | 'timers' | 'writer' | 'maxFileBytes' | 'busyTimeoutMs'
>

/** A commit log that several regions of one process share. Closing it closes every handle. */
export interface SharedCommitLog extends CommitLog {
  /** The log as one more region sees it; its `close` ends this handle's tails alone. */
  handle(): CommitLog
}

/** `PRAGMA application_id` of a commit log: 'MRCL'. */
const APPLICATION_ID = 0x4d52434c
const FORMAT = 1
const TAIL_BATCH = 256

const CREATE = `CREATE TABLE IF NOT EXISTS entries (
  log_group TEXT NOT NULL, log_index INTEGER NOT NULL, id TEXT NOT NULL, payload BLOB NOT NULL,
  PRIMARY KEY (log_group, log_index), UNIQUE (log_group, id)
) STRICT`
const APPEND = `INSERT INTO entries
  SELECT ?, coalesce((SELECT max(log_index) FROM entries WHERE log_group = ?), 0) + 1, ?, ?
  WHERE NOT EXISTS (SELECT 1 FROM entries WHERE log_group = ? AND id = ?)`
const INDEX_OF = 'SELECT log_index FROM entries WHERE log_group = ? AND id = ?'
const LAST_INDEX = 'SELECT coalesce(max(log_index), 0) FROM entries WHERE log_group = ?'
const READ = `SELECT log_index, id, payload FROM entries WHERE log_group = ? AND log_index >= ?
  ORDER BY log_index LIMIT ${TAIL_BATCH}`
// The last entry stays: it carries the group's index.
const TRIM = `DELETE FROM entries WHERE log_group = ? AND log_index < ?
  AND log_index < (SELECT max(log_index) FROM entries WHERE log_group = ?)`

/**
 * Opens the log of a file, alone. Appends are idempotent among the entries that are not trimmed.
 *
 * @throws MeridianError `STORE_…` as `openFileStore`
 */
export async function openFileCommitLog(options: FileCommitLogOptions): Promise<SharedCommitLog> {
  const store = await openFileStore({ ...options, applicationId: APPLICATION_ID, format: FORMAT })
  try {
    await store.write([{ sql: CREATE, args: [] }])
  } catch (error) {
    await store.close()
    throw error
  }
  return new FileCommitLog(store)
}

class FileCommitLog implements SharedCommitLog {
  readonly #store: Store
  readonly #handles = new Set<CommitLogHandle>()
  readonly #own: CommitLogHandle

  constructor(store: Store) {
    this.#store = store
    this.#own = this.#newHandle()
  }

  append(group: string, id: string, payload: Uint8Array): Promise<number> {
    return this.#own.append(group, id, payload)
  }

  tail(group: string, fromIndex: number, handlers: LogTailHandlers): LogTail {
    return this.#own.tail(group, fromIndex, handlers)
  }

  readIndex(group: string): Promise<number> {
    return this.#own.readIndex(group)
  }

  trim(group: string, beforeIndex: number): Promise<void> {
    return this.#own.trim(group, beforeIndex)
  }

  handle(): CommitLog {
    return this.#newHandle()
  }

  async close(): Promise<void> {
    await Promise.all(Array.from(this.#handles, (handle) => handle.close()))
    await this.#store.close()
  }

  #newHandle(): CommitLogHandle {
    const handle: CommitLogHandle = new CommitLogHandle(this.#store, () =>
      this.#handles.delete(handle),
    )
    this.#handles.add(handle)
    return handle
  }
}

/** One region's view of the shared log. */
class CommitLogHandle implements CommitLog {
  readonly #store: Store
  readonly #tails = new Set<LogReader>()
  readonly #onClose: () => void
  #isClosed = false

  constructor(store: Store, onClose: () => void) {
    this.#store = store
    this.#onClose = onClose
  }

  async append(group: string, id: string, payload: Uint8Array): Promise<number> {
    this.#checkOpen()
    const results = await this.#guard(
      this.#store.write([
        { sql: APPEND, args: [group, group, id, payload, group, id] },
        { sql: INDEX_OF, args: [group, id] },
      ]),
    )
    return Number(results[1]?.rows[0]?.[0])
  }

  tail(group: string, fromIndex: number, handlers: LogTailHandlers): LogTail {
    this.#checkOpen()
    const tail = new LogReader({
      fromIndex,
      handlers,
      read: this.#reader(group),
      onWake: (wake) => this.#store.onCommit(wake),
      onEnd: () => this.#tails.delete(tail),
    })
    this.#tails.add(tail)
    return tail
  }

  async readIndex(group: string): Promise<number> {
    this.#checkOpen()
    const results = await this.#guard(this.#store.read([{ sql: LAST_INDEX, args: [group] }]))
    return Number(results[0]?.rows[0]?.[0])
  }

  async trim(group: string, beforeIndex: number): Promise<void> {
    this.#checkOpen()
    await this.#guard(this.#store.write([{ sql: TRIM, args: [group, beforeIndex, group] }]))
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#onClose()
    await Promise.all(Array.from(this.#tails, (tail) => tail.fail(closedError())))
  }

  #reader(group: string): ReadEntries {
    return async (fromIndex) => {
      const results = await this.#guard(this.#store.read([{ sql: READ, args: [group, fromIndex] }]))
      return (results[0]?.rows ?? []).map(toEntry)
    }
  }

  #checkOpen(): void {
    if (this.#isClosed) throw closedError()
  }

  /** Failures of the file are failures of the log. */
  async #guard<T>(work: Promise<T>): Promise<T> {
    try {
      return await work
    } catch (error) {
      if (!isErrorCode(error, 'STORE_UNAVAILABLE', 'STORE_FULL', 'STORE_CORRUPT')) throw error
      throw new MeridianError('LOG_UNAVAILABLE', `The commit log failed: ${error.message}`, {
        retry: error.retry,
        cause: error,
      })
    }
  }
}

function toEntry(row: SqlRow): LogEntry {
  return { index: Number(row[0]), id: String(row[1]), payload: row[2] as Uint8Array }
}

function closedError(): MeridianError {
  return new MeridianError('CLOSED', 'The commit log is closed.')
}
