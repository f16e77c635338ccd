/**
 * Who may write to the file: one session at a time, in the order in which they asked. Waiting
 * happens here, on the event loop, and never inside the engine, which would stop the whole process.
 *
 * A transaction that has held the lock for too long loses it as soon as another session waits; as
 * long as nobody waits it may go on (sqld does the same).
 */
import { SqlError } from '../../core/ports/sql-session.ts'
import type { CancelTimer, Runtime } from '../../core/ports/runtime.ts'

/** Whoever holds the lock. */
export interface LockHolder {
  /** Undoes the open transaction. The lock is taken away right after. */
  evict(): void
}

interface Waiter {
  readonly holder: LockHolder
  grant(): void
  reject(error: SqlError): void
}

export class WriteLock {
  readonly #runtime: Runtime
  readonly #maxHoldMs: number
  readonly #waiters: Waiter[] = []
  #holder: LockHolder | undefined
  #heldSinceMs = 0
  #commits = 0
  #cancelTimer: CancelTimer | undefined

  constructor(runtime: Runtime, maxHoldMs: number) {
    this.#runtime = runtime
    this.#maxHoldMs = maxHoldMs
  }

  /** How many write transactions have been committed: what a snapshot is measured by. */
  get commits(): number {
    return this.#commits
  }

  /** The holder has committed. */
  noteCommit(): void {
    this.#commits++
  }

  isHeldBy(holder: LockHolder): boolean {
    return this.#holder === holder
  }

  /** Resolves once `holder` has the lock; at once when it has it already. @throws SqlError `leave` */
  acquire(holder: LockHolder): Promise<void> {
    if (this.#holder === holder) return Promise.resolve()
    if (this.#holder === undefined) {
      this.#hold(holder)
      return Promise.resolve()
    }
    return new Promise((resolve, reject) => {
      this.#waiters.push({ holder, grant: resolve, reject })
      this.#watch()
    })
  }

  /** Gives the lock up, or the place in the queue; harmless for whoever has neither. */
  leave(holder: LockHolder): void {
    const place = this.#waiters.findIndex((waiter) => waiter.holder === holder)
    if (place >= 0) {
      const [waiter] = this.#waiters.splice(place, 1)
      waiter?.reject(new SqlError('SQLITE_INTERRUPT', 'SQLite error: interrupted'))
    }
    if (this.#holder !== holder) return
    this.#holder = undefined
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    const next = this.#waiters.shift()
    if (next === undefined) return
    this.#hold(next.holder)
    next.grant()
    this.#watch()
  }

  #hold(holder: LockHolder): void {
    this.#holder = holder
    this.#heldSinceMs = this.#runtime.clock.monotonicMs()
  }

  /** Looks after the holder as long as anybody waits. */
  #watch(): void {
    if (this.#waiters.length === 0 || this.#cancelTimer !== undefined) return
    const leftMs = this.#heldSinceMs + this.#maxHoldMs - this.#runtime.clock.monotonicMs()
    this.#cancelTimer = this.#runtime.timers.after(Math.max(0, leftMs), () => {
      this.#cancelTimer = undefined
      this.#evictOverdue()
    })
  }

  #evictOverdue(): void {
    const holder = this.#holder
    if (holder === undefined || this.#waiters.length === 0) return
    // A timer may come early by the clock's grain, or for an earlier holder.
    if (this.#runtime.clock.monotonicMs() - this.#heldSinceMs < this.#maxHoldMs) {
      this.#watch()
      return
    }
    holder.evict()
    this.leave(holder)
  }
}
