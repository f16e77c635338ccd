/**
 * How long a lease surely runs. It is counted from before its renewal was sent, by a clock that
 * goes on while the machine sleeps, and ends a little early: the server counts from when the
 * renewal came, by its own clock. Source: Gray and Cheriton, "Leases" (SOSP 1989).
 */
import { setMaxListeners } from 'node:events'
import type { CancelTimer, Runtime } from '../../core/ports/runtime.ts'
import type { EtcdFaults } from './etcd-faults.ts'

/** A lease and how it is renewed. */
export interface LeaseHoldOptions {
  readonly runtime: Runtime
  readonly ttlMs: number
  /** By the boot clock, from before the lease was asked for. */
  readonly sentMs: number
  /** Resolves with the milliseconds from now on; 0 when the lease is gone. Rejects when unreachable. */
  readonly renew: () => Promise<number>
  readonly faults?: EtcdFaults
}

/** How far apart the rates of two clocks may be. */
const MAX_DRIFT = 0.02
const RENEWALS_PER_TTL = 3
const RETRIES_PER_TTL = 20

export class LeaseHold {
  readonly #options: LeaseHoldOptions
  readonly #lost = new AbortController()
  #untilMs = 0
  #cancelRenewal: CancelTimer | undefined
  #cancelExpiry: CancelTimer | undefined

  constructor(options: LeaseHoldOptions) {
    this.#options = options
    setMaxListeners(0, this.lost)
    this.#extend(options.sentMs, options.ttlMs)
    this.#renewAfter(options.ttlMs / RENEWALS_PER_TTL)
  }

  /** Aborted once the lease may have run out. */
  get lost(): AbortSignal {
    return this.#lost.signal
  }

  isHeld(): boolean {
    return !this.lost.aborted && this.#leftMs() > 0
  }

  /** Ends it at once: nothing is renewed any more. */
  lose(): void {
    this.#cancelRenewal?.()
    this.#cancelExpiry?.()
    this.#lost.abort()
  }

  #leftMs(): number {
    return this.#untilMs - this.#options.runtime.clock.bootMs()
  }

  #extend(sentMs: number, ttlMs: number): void {
    this.#untilMs = Math.max(this.#untilMs, sentMs + ttlMs * (1 - MAX_DRIFT))
    this.#cancelExpiry?.()
    this.#expireAfter(this.#leftMs())
  }

  #expireAfter(delayMs: number): void {
    this.#cancelExpiry = this.#options.runtime.timers.after(Math.max(0, delayMs), () => {
      const leftMs = this.#leftMs()
      if (leftMs <= 0) this.lose()
      else this.#expireAfter(leftMs)
    })
  }

  #renewAfter(delayMs: number): void {
    this.#cancelRenewal = this.#options.runtime.timers.after(delayMs, () => void this.#renew())
  }

  async #renew(): Promise<void> {
    const { runtime, ttlMs, renew, faults } = this.#options
    const sentMs = runtime.clock.bootMs()
    try {
      const grantedMs = await renew()
      if (this.lost.aborted) return
      // Who once saw that it was not held must not see it held again.
      if (grantedMs <= 0 || this.#leftMs() <= 0) {
        this.lose()
        return
      }
      this.#extend(faults?.leaseFromAnswer === true ? runtime.clock.bootMs() : sentMs, grantedMs)
      this.#renewAfter(ttlMs / RENEWALS_PER_TTL)
    } catch {
      if (!this.lost.aborted) this.#renewAfter(ttlMs / RETRIES_PER_TTL)
    }
  }
}
