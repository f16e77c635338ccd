/**
 * Driver: a store in one libSQL file, in this process.
 *
 * Where the writer works: inline is the default, since it is the faster one on a fast disk and
 * opens at once; a worker thread keeps the event loop free of the disk and is right for a process
 * that serves others. Measured by `npx tsx benchmarks/micro/store-writer.ts`, two cores, transactions of
 * three statements at 1 / 32 / 128 callers, as a ratio to the engine alone in the same run:
 * inline 0.86 / 0.92 / 0.91, worker 0.52 / 0.67 / 0.71; rows in bulk 0.95 and 0.77. The event loop
 * stood still (p99, ms) inline 0.6 / 2.0 / 4.9, worker 0.8 / 0.9 / 1.0; on a disk whose sync took
 * 5 ms inline 15 / 28 / 37, worker 8 / 6 / 11. A point read takes 1.8 times the engine's prepared
 * statement and a sixth of `@libsql/client`'s.
 */
import { MeridianError } from '../../core/errors.ts'
import { MAX_QUEUED_WRITES } from '../../core/limits.ts'
import type { Timers } from '../../core/ports/runtime.ts'
import type {
  DescribedResult,
  QuerySnapshot,
  Statement,
  StatementResult,
  Store,
} from '../../core/ports/store.ts'
import { bindStatement, type BoundStatement } from './bind.ts'
import type { Connection } from './connection.ts'
import { storeError } from './engine-errors.ts'
import { inspectFile, markFile } from './file-identity.ts'
import { createInlineWriter, type GroupWriter } from './group-writer.ts'
import { InlineQueries } from './inline-queries.ts'
import { lockStore } from './process-lock.ts'
import { QueryPool } from './query-pool.ts'
import { openReader, openWriter, type WriterSettings } from './store-connections.ts'
import { createWorkerWriter } from './worker-writer.ts'
import { WriteQueue } from './write-queue.ts'

const DEFAULT_MAX_GROUP_SIZE = 128
const DEFAULT_BUSY_TIMEOUT_MS = 5000

/** How a file is opened. */
export interface FileStoreOptions {
  /** The database file; made when absent. Its folder must exist. */
  readonly path: string
  readonly timers: Timers
  /** Where commits wait for the disk: the calling thread (default), or a thread of their own. */
  readonly writer?: 'inline' | 'worker'
  /**
   * Where SQL of users runs: in the calling thread (default), or in processes of their own, which
   * end a query that takes longer than `timeoutMs` and go alone when the engine crashes. A point
   * query (p50) takes 11 µs in the thread and 85 µs in a process: `benchmarks/micro/query-process.ts`.
   */
  readonly queries?: 'inline' | { readonly timeoutMs: number; readonly maxProcesses?: number }
  /** `PRAGMA application_id` that the file must have, and gets when it is fresh. Default 0. */
  readonly applicationId?: number
  /** `PRAGMA user_version`: the newest format that is understood; a fresh file gets it. Default 0. */
  readonly format?: number
  /** Waiting writes beyond which new ones are refused with `OVERLOADED`. */
  readonly maxQueuedWrites?: number
  /** Transactions that share one commit, at most. Default 128. */
  readonly maxGroupSize?: number
  /** How long a write waits for another program's lock on the file. Default 5,000. */
  readonly busyTimeoutMs?: number
  /** Size limit of the file in bytes; beyond it writes fail with `STORE_FULL`. */
  readonly maxFileBytes?: number
}

/**
 * Opens the store of a file, alone: no other process, nor this one, has it open.
 *
 * @throws MeridianError `STORE_LOCKED`, `STORE_CORRUPT`, `STORE_FOREIGN`, `STORE_NEWER`,
 * `STORE_UNAVAILABLE`; the file is then as it was
 */
export async function openFileStore(options: FileStoreOptions): Promise<Store> {
  const { path } = options
  const unlock = lockStore(path)
  try {
    const identity = { applicationId: options.applicationId ?? 0, format: options.format ?? 0 }
    const { isFresh } = inspectFile(path, identity)
    const settings = {
      path,
      ...(options.maxFileBytes === undefined ? {} : { maxFileBytes: options.maxFileBytes }),
    }
    if (isFresh) {
      const connection = openWriter(settings)
      markFile(connection, identity)
      connection.close()
    }
    const reader = openReader(path)
    const writer = await createWriter(options, settings)
    return new FileStore(options, writer, reader, unlock)
  } catch (error) {
    unlock()
    throw error
  }
}

function createWriter(options: FileStoreOptions, settings: WriterSettings): Promise<GroupWriter> {
  const busyTimeoutMs = options.busyTimeoutMs ?? DEFAULT_BUSY_TIMEOUT_MS
  if (options.writer === 'worker') return createWorkerWriter(settings, busyTimeoutMs)
  return Promise.resolve(createInlineWriter(settings, options.timers, busyTimeoutMs))
}

class FileStore implements Store {
  readonly #path: string
  readonly #queue: WriteQueue
  readonly #writer: GroupWriter
  readonly #reader: Connection
  readonly #queries: QueryPool | InlineQueries
  readonly #unlock: () => void
  readonly #listeners = new Set<() => void>()
  #closing: Promise<void> | undefined

  constructor(
    options: FileStoreOptions,
    writer: GroupWriter,
    reader: Connection,
    unlock: () => void,
  ) {
    this.#path = options.path
    this.#writer = writer
    this.#reader = reader
    this.#unlock = unlock
    const { path, timers, queries = 'inline' } = options
    this.#queries =
      queries === 'inline'
        ? new InlineQueries(path, reader)
        : new QueryPool({ path, timers, ...queries })
    this.#queue = new WriteQueue({
      path: options.path,
      writer,
      timers: options.timers,
      maxQueuedWrites: options.maxQueuedWrites ?? MAX_QUEUED_WRITES,
      maxGroupSize: options.maxGroupSize ?? DEFAULT_MAX_GROUP_SIZE,
      onCommit: () => {
        for (const listener of this.#listeners) listener()
      },
    })
  }

  async write(statements: readonly Statement[]): Promise<readonly StatementResult[]> {
    this.#checkOpen()
    return this.#queue.write(statements.map(bindStatement))
  }

  async read(statements: readonly Statement[]): Promise<readonly StatementResult[]> {
    this.#checkOpen()
    const bound = statements.map(bindStatement)
    // One statement is a snapshot by itself.
    if (bound.length === 1) return bound.map((statement) => this.#run(statement, 0))
    try {
      this.#reader.control('BEGIN')
      const results = bound.map((statement, index) => this.#run(statement, index))
      this.#reader.control('COMMIT')
      return results
    } catch (error) {
      if (this.#reader.inTransaction) this.#reader.control('ROLLBACK')
      throw storeError(error, this.#path) ?? error
    }
  }

  async query(statement: Statement): Promise<DescribedResult> {
    this.#checkOpen()
    return this.#queries.query(bindStatement(statement))
  }

  async snapshot(): Promise<QuerySnapshot> {
    this.#checkOpen()
    const snapshot = await this.#queries.snapshot()
    return {
      query: async (statement) => snapshot.query(bindStatement(statement)),
      end: () => snapshot.end(),
    }
  }

  onCommit(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  #run(statement: BoundStatement, index: number): StatementResult {
    const { rows, rowsAffected } = this.#reader.execute(statement, index)
    return { rows, rowsAffected }
  }

  #checkOpen(): void {
    if (this.#closing === undefined) return
    throw new MeridianError('CLOSED', `Store ${this.#path} is closed.`)
  }

  async #close(): Promise<void> {
    try {
      await this.#queries.close()
      await this.#queue.idle()
      await this.#writer.close()
    } finally {
      this.#reader.close()
      this.#unlock()
    }
  }
}
