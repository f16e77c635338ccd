/**
 * The clock of one store: draws the HLC of every transaction, above all that the store holds. The
 * store's clock row refuses a stamp that is not above it (kind `raise`), so a second writer of the
 * same store can never issue an equal stamp; the loser calls `observe` with the row's value and
 * draws again.
 */
import { HLC_ZERO, maxHlc, nextHlc, type Hlc } from './hlc.ts'
import type { Clock } from './ports/runtime.ts'

export class StoreClock {
  readonly #clock: Clock
  #last: Hlc

  /** `last`: the clock row of the store at start. */
  constructor(clock: Clock, last: Hlc = HLC_ZERO) {
    this.#clock = clock
    this.#last = last
  }

  /** The next stamp. Draw it in the same turn in which the transaction is handed to the store. */
  next(): Hlc {
    this.#last = nextHlc(this.#last, this.#clock.nowMs())
    return this.#last
  }

  /** Stamps drawn from now on are above `hlc`. */
  observe(hlc: Hlc): void {
    this.#last = maxHlc(this.#last, hlc)
  }

  /** The last stamp drawn or observed. */
  last(): Hlc {
    return this.#last
  }
}
