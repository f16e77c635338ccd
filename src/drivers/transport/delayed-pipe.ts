/** Carries messages one way, in order, none before its delay has passed. */
import type { Carrier } from './carrier.ts'

interface UnderWay {
  readonly deliver: () => void
  hasArrived: boolean
}

export class DelayedPipe {
  readonly #carrier: Carrier
  readonly #delayMs: () => number
  readonly #underWay: UnderWay[] = []

  /** `delayMs`: asked anew for every message. */
  constructor(carrier: Carrier, delayMs: () => number) {
    this.#carrier = carrier
    this.#delayMs = delayMs
  }

  /** `deliver` runs once its delay has passed and all before it were delivered. */
  send(deliver: () => void, delayMs: number = this.#delayMs()): void {
    const message: UnderWay = { deliver, hasArrived: false }
    this.#underWay.push(message)
    this.#carrier.carry(delayMs, () => {
      message.hasArrived = true
      this.#deliverArrived()
    })
  }

  /** Forgets what is under way. */
  drop(): void {
    this.#underWay.length = 0
  }

  #deliverArrived(): void {
    while (this.#underWay[0]?.hasArrived === true) this.#underWay.shift()?.deliver()
  }
}
