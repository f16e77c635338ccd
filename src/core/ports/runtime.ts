/**
 * Everything that is not deterministic, as ports: an engine that needs time, randomness or a
 * timer takes these, so that the same engine runs under the operating system and a simulator.
 */

/** Time. Wall time crosses machines and may jump; monotonic time measures what elapsed here. */
export interface Clock {
  /** Wall-clock milliseconds since the Unix epoch. May jump either way. */
  nowMs(): number
  /** Milliseconds that never go back; stops counting while the machine is suspended. */
  monotonicMs(): number
  /** Milliseconds since boot, counting suspension: what leases are measured with. */
  bootMs(): number
}

/** Randomness that is fit for keys and ids. */
export interface Random {
  /** `length` random bytes. */
  bytes(length: number): Uint8Array
  /** A number in [0, 1), for jitter and sampling. */
  fraction(): number
}

/** Ends a timer; calling it twice is harmless. */
export type CancelTimer = () => void

/** Timers. They never keep a process alive on their own. */
export interface Timers {
  /** Calls `callback` once, after `delayMs`. */
  after(delayMs: number, callback: () => void): CancelTimer
  /** Calls `callback` once the current turn of the event loop is over. */
  defer(callback: () => void): void
}

/** The three together: what most engines take. */
export interface Runtime {
  readonly clock: Clock
  readonly random: Random
  readonly timers: Timers
}
