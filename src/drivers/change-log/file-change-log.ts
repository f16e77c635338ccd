/**
 * Driver: a change log in one libSQL file. Records that wait at the same time are stored as one
 * row and one commit.
 */
import { MeridianError } from '../../core/errors.ts'
import type { ChangeLog, ChangeLogRecord } from '../../core/ports/change-log.ts'
import type { Statement, Store } from '../../core/ports/store.ts'
import { openFileStore, type FileStoreOptions } from '../store/file-store.ts'
import { decodeChunk, encodeChunk } from './chunk-codec.ts'
import { takeNew } from './take-new.ts'

/** How the log's file is opened. */
export type FileChangeLogOptions = Pick<
  FileStoreOptions,
  'path' | 'timers' | 'writer' | 'maxFileBytes' | 'busyTimeoutMs'
>

/** `PRAGMA application_id` of a change log: 'MRCH'. */
const APPLICATION_ID = 0x4d524348
const FORMAT = 1
const MAX_CHUNK_RECORDS = 1024
const MAX_CHUNK_BYTES = 1024 * 1024
/** Chunks that one query reads at most: it bounds the memory of a read. */
const MAX_READ_CHUNKS = 32

const CREATE = [
  `CREATE TABLE IF NOT EXISTS chunks (
    first INTEGER PRIMARY KEY, last INTEGER NOT NULL, data BLOB NOT NULL
  ) STRICT`,
  `CREATE TABLE IF NOT EXISTS trimmed (
    one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER NOT NULL
  ) STRICT`,
  'INSERT OR IGNORE INTO trimmed VALUES (1, 0)',
]
const BOUNDS = `SELECT (SELECT position FROM trimmed), coalesce((SELECT max(last) FROM
  (SELECT last FROM chunks ORDER BY first DESC LIMIT 1)), 0)`
const APPEND = 'INSERT INTO chunks VALUES (?, ?, ?)'
const READ = `SELECT first, last, data FROM chunks
  WHERE first >= coalesce((SELECT max(first) FROM chunks WHERE first <= ?), 0)
  ORDER BY first LIMIT ?`
const SET_TRIMMED = 'UPDATE trimmed SET position = ?'
const TRIM = 'DELETE FROM chunks WHERE last <= ?'

interface WaitingAppend {
  readonly records: readonly ChangeLogRecord[]
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/**
 * Opens the change log of a file, alone.
 *
 * @throws MeridianError `STORE_…` as `openFileStore`
 */
export async function openFileChangeLog(options: FileChangeLogOptions): Promise<ChangeLog> {
  const store = await openFileStore({ ...options, applicationId: APPLICATION_ID, format: FORMAT })
  try {
    await store.write(CREATE.map((sql) => ({ sql, args: [] })))
    const [bounds] = await store.read([{ sql: BOUNDS, args: [] }])
    const trimmed = Number(bounds?.rows[0]?.[0])
    return new FileChangeLog(store, trimmed, Math.max(trimmed, Number(bounds?.rows[0]?.[1])))
  } catch (error) {
    await store.close()
    throw error
  }
}

class FileChangeLog implements ChangeLog {
  readonly #store: Store
  readonly #listeners = new Set<() => void>()
  #trimmed: number
  /** Last durable position. */
  #end: number
  #waiting: WaitingAppend[] = []
  #appending: Promise<void> | undefined
  #isClosed = false

  constructor(store: Store, trimmed: number, end: number) {
    this.#store = store
    this.#trimmed = trimmed
    this.#end = end
  }

  append(records: readonly ChangeLogRecord[]): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) {
        reject(closedError())
        return
      }
      this.#waiting.push({ records, resolve, reject })
      this.#appending ??= this.#appendWaiting()
    })
  }

  async end(): Promise<number> {
    this.#checkOpen()
    return this.#end
  }

  async read(position: number, maxRecords: number): Promise<readonly ChangeLogRecord[]> {
    this.#checkOpen()
    if (position < this.#trimmed) throw compactedError(position, this.#trimmed)
    const wanted = Math.max(1, maxRecords)
    const records: ChangeLogRecord[] = []
    let next = position + 1
    // How many records a chunk holds is not known beforehand: few are asked for, then more.
    let chunks = 1
    while (records.length < wanted && next <= this.#end) {
      const [result] = await this.#store.read([{ sql: READ, args: [next, chunks] }])
      chunks = Math.min(2 * chunks, MAX_READ_CHUNKS)
      const before = records.length
      for (const row of result?.rows ?? []) {
        next = takeChunk(row as readonly [number, number, Uint8Array], next, wanted, records)
      }
      // Trimmed since the call began.
      if (records.length === before) throw compactedError(position, this.#trimmed)
    }
    return records
  }

  onAppend(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async trim(position: number): Promise<void> {
    this.#checkOpen()
    const trimmed = Math.min(position, this.#end)
    if (trimmed <= this.#trimmed) return
    await this.#store.write([
      { sql: SET_TRIMMED, args: [trimmed] },
      { sql: TRIM, args: [trimmed] },
    ])
    this.#trimmed = Math.max(this.#trimmed, trimmed)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#appending
    await this.#store.close()
  }

  #checkOpen(): void {
    if (this.#isClosed) throw closedError()
  }

  /** One commit at a time, so that each batch is judged against an end that is durable. */
  async #appendWaiting(): Promise<void> {
    // Appends of this turn of the event loop share the first commit.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const waiting = this.#waiting
      this.#waiting = []
      await this.#appendTogether(waiting)
    }
    this.#appending = undefined
  }

  async #appendTogether(waiting: readonly WaitingAppend[]): Promise<void> {
    const accepted: WaitingAppend[] = []
    const records: ChangeLogRecord[] = []
    let end = this.#end
    for (const append of waiting) {
      const missing = takeNew(append.records, end, records)
      if (missing !== undefined) {
        append.reject(gapError(missing, end))
        continue
      }
      end = Math.max(end, append.records.at(-1)?.position ?? 0)
      accepted.push(append)
    }
    try {
      if (records.length > 0) await this.#store.write(chunkStatements(records))
      this.#end = end
      for (const append of accepted) append.resolve()
    } catch (error) {
      for (const append of accepted) append.reject(error)
      return
    }
    if (records.length > 0) for (const listener of this.#listeners) listener()
  }
}

function chunkStatements(records: readonly ChangeLogRecord[]): Statement[] {
  const statements: Statement[] = []
  let payloads: Uint8Array[] = []
  let first = records[0]?.position ?? 0
  let bytes = 0
  const flush = (): void => {
    if (payloads.length === 0) return
    const last = first + payloads.length - 1
    statements.push({ sql: APPEND, args: [first, last, encodeChunk(payloads)] })
    first = last + 1
    payloads = []
    bytes = 0
  }
  for (const { payload } of records) {
    const isFull = payloads.length >= MAX_CHUNK_RECORDS || bytes + payload.length > MAX_CHUNK_BYTES
    if (isFull) flush()
    payloads.push(payload)
    bytes += payload.length
  }
  flush()
  return statements
}

/** Adds a chunk's records from `next` on; returns the position after the last one taken. */
function takeChunk(
  [first, last, data]: readonly [number, number, Uint8Array],
  next: number,
  wanted: number,
  records: ChangeLogRecord[],
): number {
  if (next < first || next > last || records.length >= wanted) return next
  const to = Math.min(last + 1, next + wanted - records.length)
  for (const payload of decodeChunk(data, last - first + 1, next - first, to - first)) {
    records.push({ position: next, payload })
    next++
  }
  return next
}

function gapError(missing: number, end: number): MeridianError {
  return new MeridianError('LOG_GAP', `Position ${missing} is missing; the log ends at ${end}.`, {
    fix: 'Append every position in order, from the log’s end on.',
    details: { missing, end },
  })
}

function compactedError(position: number, trimmed: number): MeridianError {
  return new MeridianError(
    'LOG_COMPACTED',
    `Records after ${position} were trimmed up to ${trimmed}.`,
    { fix: 'Start again from a snapshot.', details: { position, trimmed } },
  )
}

function closedError(): MeridianError {
  return new MeridianError('CLOSED', 'The change log is closed.')
}
