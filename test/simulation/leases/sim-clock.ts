/** The clocks of one machine: wrong in rate, set by hand, and standing still while it is suspended. */
import type { ClockReading } from '../../../replication/strong/leases/lease-clock.ts'

export class SimClock {
  readonly #rate: number
  readonly #offsetMs: number
  readonly #nowMs: () => number
  #suspendedMs = 0
  #suspension: { readonly fromMs: number; readonly toMs: number } | undefined
  #wallShiftMs = 0

  constructor(nowMs: () => number, rate: number, offsetMs: number) {
    this.#nowMs = nowMs
    this.#rate = rate
    this.#offsetMs = offsetMs
  }

  /** The machine is suspended for a while from now on. */
  suspend(durationMs: number): void {
    this.#endSuspension()
    if (this.#suspension !== undefined) return
    const fromMs = this.#nowMs()
    this.#suspension = { fromMs, toMs: fromMs + durationMs }
  }

  /** Somebody sets the wall clock. */
  setWall(shiftMs: number): void {
    this.#wallShiftMs = shiftMs
  }

  read(): ClockReading {
    this.#endSuspension()
    const nowMs = this.#nowMs()
    const sinceMs = this.#suspension === undefined ? 0 : nowMs - this.#suspension.fromMs
    const ranMs = this.#rate * nowMs
    return {
      monotonicMs: this.#offsetMs + ranMs - this.#rate * (this.#suspendedMs + sinceMs),
      // Steps of ten milliseconds, as /proc/uptime has them.
      bootMs: Math.floor((this.#offsetMs + ranMs) / 10) * 10,
      wallMs: 1_700_000_000_000 + ranMs + this.#wallShiftMs,
    }
  }

  #endSuspension(): void {
    const suspension = this.#suspension
    if (suspension === undefined || this.#nowMs() < suspension.toMs) return
    this.#suspendedMs += suspension.toMs - suspension.fromMs
    this.#suspension = undefined
  }
}
