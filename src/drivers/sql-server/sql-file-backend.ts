/**
 * A libSQL file that any number of sessions read and write by SQL, as sqld serves one: durable
 * (WAL, `synchronous=FULL`), one writer at a time, no wait that blocks the event loop.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MeridianError } from '../../core/errors.ts'
import type { SqlBackend, SqlSession } from '../../core/ports/sql-session.ts'
import type { Runtime } from '../../core/ports/runtime.ts'
import { storeError } from '../store/engine-errors.ts'
import { lockStore } from '../store/process-lock.ts'
import { FileConnection } from './file-connection.ts'
import { FileSession, type ConnectionSource } from './file-session.ts'
import { SessionSlots } from './session-slots.ts'
import { WriteLock } from './write-lock.ts'

export interface SqlFileBackendOptions {
  /** The file; made when it is absent. Left out: a temporary one, gone with the backend. */
  readonly path?: string | undefined
  readonly runtime: Runtime
  /** Sessions open at once. Default 128, as sqld. */
  readonly maxSessions?: number
  /** How long `open` waits for a session to end before it gives up. Default 1 s, as sqld. */
  readonly sessionWaitMs?: number
  /** A write transaction older than this is rolled back when another waits. Default 5 s, as sqld. */
  readonly maxTransactionMs?: number
  /** The file grows no further: `SQLITE_FULL`. Default: as far as the disk. */
  readonly maxBytes?: number | undefined
}

/** An open file. */
export interface SqlFileBackend extends SqlBackend {
  /** Rolls back what is open, closes every session and the file. */
  close(): Promise<void>
}

const DEFAULT_MAX_SESSIONS = 128
const DEFAULT_SESSION_WAIT_MS = 1_000
const DEFAULT_MAX_TRANSACTION_MS = 5_000
const PAGE_BYTES = 4_096
/** Each has caches of its own, about a megabyte. */
const MAX_IDLE_CONNECTIONS = 32

/**
 * Opens the file, for this process alone.
 *
 * @throws MeridianError `STORE_LOCKED`, `STORE_UNAVAILABLE`, `STORE_CORRUPT`, `STORE_FULL`
 */
export async function openSqlFileBackend(options: SqlFileBackendOptions): Promise<SqlFileBackend> {
  const { path } = options
  if (path !== undefined) return new FileBackend(path, options, async () => undefined)
  const directory = await mkdtemp(join(tmpdir(), 'meridian-store-'))
  return new FileBackend(join(directory, 'store.db'), options, () =>
    rm(directory, { recursive: true, force: true }),
  )
}

class FileBackend implements SqlFileBackend, ConnectionSource {
  readonly #path: string
  readonly #maxPages: number | undefined
  readonly #lock: WriteLock
  readonly #slots: SessionSlots
  readonly #sessions = new Set<FileSession>()
  readonly #idle: FileConnection[] = []
  readonly #unlockFile: () => void
  readonly #removeFile: () => Promise<void>
  #isClosed = false

  constructor(path: string, options: SqlFileBackendOptions, removeFile: () => Promise<void>) {
    const { runtime, maxBytes } = options
    this.#path = path
    this.#removeFile = removeFile
    this.#maxPages =
      maxBytes === undefined ? undefined : Math.max(1, Math.floor(maxBytes / PAGE_BYTES))
    this.#lock = new WriteLock(runtime, options.maxTransactionMs ?? DEFAULT_MAX_TRANSACTION_MS)
    this.#slots = new SessionSlots({
      timers: runtime.timers,
      slots: options.maxSessions ?? DEFAULT_MAX_SESSIONS,
      waitMs: options.sessionWaitMs ?? DEFAULT_SESSION_WAIT_MS,
    })
    this.#unlockFile = lockStore(path)
    try {
      const first = new FileConnection(path, this.#maxPages)
      first.pragma('journal_mode = wal')
      this.#idle.push(first)
    } catch (error) {
      this.#unlockFile()
      throw storeError(error, path) ?? error
    }
  }

  async open(): Promise<SqlSession> {
    await this.#slots.take()
    try {
      this.#checkOpen()
      const session = new FileSession({
        connections: this,
        lock: this.#lock,
        onClosed: (closed) => {
          this.#sessions.delete(closed)
          this.#slots.free()
        },
      })
      this.#sessions.add(session)
      return session
    } catch (error) {
      this.#slots.free()
      throw storeError(error, this.#path) ?? error
    }
  }

  take(): FileConnection {
    // The one that was used last has the most in its cache.
    return this.#idle.pop() ?? new FileConnection(this.#path, this.#maxPages)
  }

  giveBack(connection: FileConnection, reusable: boolean): void {
    const isKept = reusable && !this.#isClosed && this.#idle.length < MAX_IDLE_CONNECTIONS
    if (isKept) this.#idle.push(connection)
    else connection.close()
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await Promise.allSettled([...this.#sessions].map((session) => session.close()))
    for (const connection of this.#idle.splice(0)) connection.close()
    this.#unlockFile()
    await this.#removeFile()
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new MeridianError('CLOSED', 'The store server is closed.')
  }
}
