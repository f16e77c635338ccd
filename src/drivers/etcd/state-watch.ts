/**
 * Keeps reading what is under a prefix, afresh at every change there: nothing depends on which
 * changes were seen, so a watch that breaks, or that etcd compacts, only reads once more.
 */
import type { EtcdConnection } from './etcd-connection.ts'
import { prefixRange } from './etcd-keys.ts'
import { openWatch, type Watch } from './etcd-watch.ts'

const FIRST_PAUSE_MS = 50
const LAST_PAUSE_MS = 2000
/** In case a watch died without a word. */
const POLL_MS = 5000

export class StateWatch {
  readonly #connection: EtcdConnection
  readonly #prefix: string
  readonly #read: () => Promise<void>
  readonly #ending = new AbortController()
  #watch: Watch | undefined
  #isStale = false
  #isReading = false

  /** `read` is called once at a time; what it fails with is tried again. */
  constructor(connection: EtcdConnection, prefix: string, read: () => Promise<void>) {
    this.#connection = connection
    this.#prefix = prefix
    this.#read = read
    void this.#follow()
    void this.#poll()
  }

  stop(): void {
    this.#ending.abort()
    this.#watch?.cancel()
  }

  get #isOver(): boolean {
    return this.#ending.signal.aborted || this.#connection.closed.aborted
  }

  async #follow(): Promise<void> {
    for (let pauseMs = FIRST_PAUSE_MS; !this.#isOver;) {
      const stood = await this.#watchOnce()
      pauseMs = stood ? FIRST_PAUSE_MS : Math.min(2 * pauseMs, LAST_PAUSE_MS)
      const jitter = 0.5 + this.#connection.runtime.random.fraction() / 2
      await this.#connection.pause(pauseMs * jitter, this.#ending.signal)
    }
  }

  /** Resolves when the watch has ended, with whether it stood. */
  #watchOnce(): Promise<boolean> {
    return new Promise((resolve) => {
      let stood = false
      this.#watch = openWatch(this.#connection, prefixRange(this.#prefix), {
        onCreated: () => {
          stood = true
          this.#refresh()
        },
        onEvents: () => this.#refresh(),
        onEnd: () => resolve(stood),
      })
      this.#ending.signal.addEventListener('abort', () => resolve(stood), { once: true })
    })
  }

  async #poll(): Promise<void> {
    while (!this.#isOver) {
      this.#refresh()
      await this.#connection.pause(POLL_MS, this.#ending.signal)
    }
  }

  #refresh(): void {
    this.#isStale = true
    if (!this.#isReading) void this.#readAll()
  }

  async #readAll(): Promise<void> {
    this.#isReading = true
    while (this.#isStale && !this.#isOver) {
      this.#isStale = false
      try {
        await this.#read()
      } catch {
        this.#isStale = true
        await this.#connection.pause(LAST_PAUSE_MS / 4, this.#ending.signal)
      }
    }
    this.#isReading = false
  }
}
