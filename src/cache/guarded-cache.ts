/**
 * A cache for readers, who have the store behind it: what fails is a miss. After a few failures in a
 * row nobody asks any more, so that a cache that hangs costs a read nothing; a probe in the
 * background finds out when it answers again.
 */
import { isErrorCode } from '../core/errors.ts'
import type { Cache, CacheEntry, CacheRead } from '../core/ports/cache.ts'
import type { CancelTimer, Random, Timers } from '../core/ports/runtime.ts'

/** How a guarded cache stands. */
export interface GuardStatus {
  /** False: readers go straight to the store. */
  readonly inUse: boolean
  /** Calls that failed. */
  readonly failures: number
}

/** Failures in a row after which nobody asks. */
const MAX_FAILURES = 3
const FIRST_PROBE_MS = 100
const MAX_PROBE_MS = 2_000

export class GuardedCache {
  readonly #cache: Cache
  readonly #timers: Timers
  readonly #random: Random
  #failures = 0
  #inARow = 0
  #inUse = true
  #probeMs = FIRST_PROBE_MS
  #cancelProbe: CancelTimer | undefined
  #isClosed = false

  constructor(cache: Cache, { timers, random }: { timers: Timers; random: Random }) {
    this.#cache = cache
    this.#timers = timers
    this.#random = random
  }

  status(): GuardStatus {
    return { inUse: this.#inUse, failures: this.#failures }
  }

  /** `undefined`: the cache cannot be asked. */
  async read(keys: readonly string[]): Promise<CacheRead | undefined> {
    return this.#try(() => this.#cache.read(keys))
  }

  async acquireLease(key: string, ttlMs: number): Promise<string | undefined> {
    return this.#try(() => this.#cache.acquireLease(key, ttlMs))
  }

  async fill(key: string, lease: string, entry: CacheEntry, ttlMs: number): Promise<boolean> {
    return (await this.#try(() => this.#cache.fill(key, lease, entry, ttlMs))) ?? false
  }

  /** Drops everything, should a reader have found it wrong. */
  async clear(): Promise<void> {
    await this.#try(() => this.#cache.clear())
  }

  /** Ends the probes; the cache itself is its owner's. */
  close(): void {
    this.#isClosed = true
    this.#cancelProbe?.()
  }

  async #try<T>(call: () => Promise<T>): Promise<T | undefined> {
    if (!this.#inUse || this.#isClosed) return undefined
    try {
      const result = await call()
      this.#inARow = 0
      return result
    } catch (error) {
      if (!isErrorCode(error, 'CLOSED')) this.#failed()
      return undefined
    }
  }

  #failed(): void {
    this.#failures++
    this.#inARow++
    if (this.#inARow < MAX_FAILURES || !this.#inUse) return
    this.#inUse = false
    this.#probeMs = FIRST_PROBE_MS
    this.#scheduleProbe()
  }

  #scheduleProbe(): void {
    if (this.#isClosed) return
    const delayMs = this.#probeMs * (0.5 + this.#random.fraction() / 2)
    this.#probeMs = Math.min(MAX_PROBE_MS, 2 * this.#probeMs)
    this.#cancelProbe = this.#timers.after(delayMs, () => void this.#probe())
  }

  async #probe(): Promise<void> {
    try {
      await this.#cache.read([])
      this.#inUse = true
      this.#inARow = 0
    } catch {
      this.#scheduleProbe()
    }
  }
}
