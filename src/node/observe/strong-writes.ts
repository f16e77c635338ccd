/**
 * How many strong writes come from which region: what decides where the log is best led from. Counted
 * since the start for Prometheus; as a rate for the choice, in which what was long ago counts less,
 * so that it follows the day around the world.
 */
import { Counter, type Registry } from 'prom-client'
import type { Clock } from '../../core/ports/runtime.ts'

/** The strong writes of callers in one region that this process committed. */
export interface StrongWriteRate {
  /** The caller's region, or `elsewhere`. */
  readonly origin: string
  /** Since the start. */
  readonly total: number
  /** Mean over the last minutes: a write counts for 1/e of a new one after `MEMORY_MS`. */
  readonly perSecond: number
}

/** The origin of callers who name no region of the configuration. */
export const ELSEWHERE = 'elsewhere'

/** After this long a write counts for 1/e of a new one. */
export const MEMORY_MS: number = 10 * 60_000

interface Tally {
  total: number
  /** Writes, each by what is left of it at `atMs`. */
  weight: number
  atMs: number
}

export class StrongWrites {
  readonly #clock: Clock
  readonly #startedMs: number
  readonly #byOrigin = new Map<string, Tally>()
  readonly #counter: Counter<'region' | 'origin'>

  constructor(clock: Clock, registry: Registry) {
    this.#clock = clock
    this.#startedMs = clock.monotonicMs()
    this.#counter = new Counter({
      name: 'meridian_strong_writes_total',
      help: 'Transactions of strong tables that were committed, by the region of the caller.',
      labelNames: ['region', 'origin'],
      registers: [registry],
    })
  }

  /** A transaction that `region` committed for a caller in `origin`. */
  record(region: string, origin: string): void {
    this.#counter.inc({ region, origin })
    const nowMs = this.#clock.monotonicMs()
    const tally = this.#byOrigin.get(origin) ?? { total: 0, weight: 0, atMs: nowMs }
    this.#byOrigin.set(origin, {
      total: tally.total + 1,
      weight: left(tally, nowMs) + 1,
      atMs: nowMs,
    })
  }

  /** Of every origin that there was. */
  rates(): readonly StrongWriteRate[] {
    const nowMs = this.#clock.monotonicMs()
    // What a steady write a second weighs by now: a process that is young has not seen as many.
    const steady = (MEMORY_MS / 1000) * (1 - Math.exp(-(nowMs - this.#startedMs) / MEMORY_MS))
    return Array.from(this.#byOrigin, ([origin, tally]) => ({
      origin,
      total: tally.total,
      perSecond: steady === 0 ? 0 : left(tally, nowMs) / steady,
    }))
  }
}

function left({ weight, atMs }: Tally, nowMs: number): number {
  return weight * Math.exp(-(nowMs - atMs) / MEMORY_MS)
}
