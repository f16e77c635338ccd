/** One direction between two regions: how long bytes take on it. */
import type { Clock, Random } from '../../core/ports/runtime.ts'
import { MeridianError } from '../../core/errors.ts'

/** What a way does to bytes besides taking its time. */
export interface Impairment {
  /** Each chunk takes up to so much longer, at random. Chunks of a connection keep their order. */
  readonly jitterMs?: number
  /** What it carries, of all connections together. */
  readonly bytesPerSecond?: number
  /** Again and again nothing passes for a while; what was under way comes out at its end. */
  readonly stalls?: { readonly everyMs: number; readonly forMs: number }
}

/** What a way takes its time from. */
export interface WayOptions {
  readonly oneWayMs: number
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly random: Pick<Random, 'fraction'>
}

export class Way {
  readonly #options: WayOptions
  #impairment: Impairment = {}
  #impairedAtMs = 0
  /** When the last byte so far has left, where bandwidth is limited. */
  #freeAtMs = 0

  constructor(options: WayOptions) {
    this.#options = options
  }

  /** From now on, in place of what was before. `{}`: nothing. @throws MeridianError `INVALID_ARGUMENT` */
  impair(impairment: Impairment): void {
    requireSound(impairment)
    this.#impairment = impairment
    this.#impairedAtMs = this.#options.clock.monotonicMs()
    this.#freeAtMs = 0
  }

  /** How long the next `bytes` take, which enter now. */
  takeMs(bytes: number): number {
    const { oneWayMs, clock, random } = this.#options
    const { jitterMs = 0 } = this.#impairment
    const nowMs = clock.monotonicMs()
    const leftAtMs = this.#leaveAtMs(nowMs, bytes)
    const jitter = jitterMs === 0 ? 0 : jitterMs * random.fraction()
    return this.#afterStall(leftAtMs + oneWayMs + jitter) - nowMs
  }

  /** Bytes leave one after the other. */
  #leaveAtMs(nowMs: number, bytes: number): number {
    const { bytesPerSecond } = this.#impairment
    if (bytesPerSecond === undefined) return nowMs
    this.#freeAtMs = Math.max(nowMs, this.#freeAtMs) + (bytes * 1000) / bytesPerSecond
    return this.#freeAtMs
  }

  #afterStall(arrivesAtMs: number): number {
    const { stalls } = this.#impairment
    if (stalls === undefined) return arrivesAtMs
    const { everyMs, forMs } = stalls
    const intoPeriodMs = (arrivesAtMs - this.#impairedAtMs) % everyMs
    return intoPeriodMs < forMs ? arrivesAtMs + forMs - intoPeriodMs : arrivesAtMs
  }
}

function requireSound({ jitterMs = 0, bytesPerSecond = 1, stalls }: Impairment): void {
  const fix = 'Give jitter of 0 ms or more, more than 0 bytes a second, and stalls with pauses.'
  const areSound =
    jitterMs >= 0 &&
    bytesPerSecond > 0 &&
    (stalls === undefined || (stalls.forMs >= 0 && stalls.everyMs > stalls.forMs))
  if (areSound) return
  throw new MeridianError('INVALID_ARGUMENT', 'A network cannot be impaired like this.', { fix })
}
