/**
 * How lease time is counted. No two clocks are compared: a holder counts from before it sent its
 * lease, a waiter from when it first saw that lease, later in real time; only the rates must agree
 * within `driftRate`.
 */
import type { Clock } from '../../../src/core/ports/runtime.ts'

/** All clocks of a machine at one moment, ms. */
export interface ClockReading {
  readonly monotonicMs: number
  /** Counts while the machine is suspended, too. */
  readonly bootMs: number
  readonly wallMs: number
}

/** Steps of the clock that counts from boot: on Linux `/proc/uptime` has hundredths of a second. */
const BOOT_CLOCK_STEP_MS = 10

/** Reads all clocks; call it at the edge, the core is given what it returns. */
export function readClocks(clock: Clock): ClockReading {
  return { monotonicMs: clock.monotonicMs(), bootMs: clock.bootMs(), wallMs: clock.nowMs() }
}

/**
 * At least the time that passed, for whoever must stop in time. The monotonic clock stands still
 * while the machine is suspended and the boot clock has steps; a wall clock that is set forward
 * only ends a lease early.
 */
export function holderElapsedMs(from: ClockReading, to: ClockReading): number {
  return Math.max(
    to.monotonicMs - from.monotonicMs,
    to.bootMs - from.bootMs + BOOT_CLOCK_STEP_MS,
    to.wallMs - from.wallMs,
  )
}

/** At most the time that passed, for whoever must not go on too early. Wall clocks can be set. */
export function waiterElapsedMs(from: ClockReading, to: ClockReading): number {
  return Math.min(to.monotonicMs - from.monotonicMs, to.bootMs - from.bootMs)
}

/**
 * How long a waiter counts until a lease of `durationMs` is over on its holder's clock, ms. The
 * holder may be slow and the waiter fast, each by `driftRate`.
 */
export function leaseOverAfterMs(durationMs: number, driftRate: number): number {
  return (durationMs * (1 + driftRate)) / (1 - driftRate)
}
