/** Links between places: each message has its own delay, may be lost, come twice, or meet a cut. */
import type { SeededRandom } from '../../../src/core/seeded-random.ts'
import type { World } from './world.ts'

/** How often a link fails; shares of messages. */
export interface LinkRates {
  readonly loss: number
  readonly duplicate: number
  /** Of messages that take up to `slowMs` longer, and so overtake and are overtaken. */
  readonly slow: number
  readonly slowMs: number
}

const MAX_REPEAT_MS = 4_000

export const RELIABLE: LinkRates = { loss: 0, duplicate: 0, slow: 0, slowMs: 0 }

export class SimNetwork {
  rates: LinkRates = RELIABLE
  readonly #world: World
  readonly #random: SeededRandom
  readonly #delayMs: (from: string, to: string) => number
  /** How many cuts a direction is under. */
  readonly #cuts = new Map<string, number>()

  constructor(world: World, delayMs: (from: string, to: string) => number) {
    this.#world = world
    this.#random = world.fork()
    this.#delayMs = delayMs
  }

  /** Sends a message; `deliver` runs when it arrives: once or never. Returns whether it will. */
  send(from: string, to: string, deliver: () => void): boolean {
    if (this.isCut(from, to)) {
      this.#world.count('message.cut')
      return false
    }
    if (this.#happens(this.rates.loss)) {
      this.#world.count('message.lost')
      return false
    }
    this.#world.scheduler.after(this.#draw(from, to), deliver)
    return true
  }

  /** The same for what may also come a second time, much later. */
  sendRepeatable(from: string, to: string, deliver: () => void): boolean {
    if (this.#happens(this.rates.duplicate)) {
      this.#world.count('message.twice')
      const delayMs = this.#draw(from, to) + this.#random.fraction() * MAX_REPEAT_MS
      this.#world.scheduler.after(delayMs, deliver)
    }
    return this.send(from, to, deliver)
  }

  /** Cuts one direction until `mend`. */
  cut(from: string, to: string): void {
    const link = `${from}>${to}`
    this.#cuts.set(link, (this.#cuts.get(link) ?? 0) + 1)
  }

  mend(from: string, to: string): void {
    const link = `${from}>${to}`
    this.#cuts.set(link, Math.max(0, (this.#cuts.get(link) ?? 0) - 1))
  }

  isCut(from: string, to: string): boolean {
    return (this.#cuts.get(`${from}>${to}`) ?? 0) > 0
  }

  #draw(from: string, to: string): number {
    const usualMs = this.#delayMs(from, to) * (0.8 + 0.6 * this.#random.fraction())
    if (!this.#happens(this.rates.slow)) return usualMs
    this.#world.count('message.slow')
    return usualMs + this.#random.fraction() * this.rates.slowMs
  }

  #happens(share: number): boolean {
    return share > 0 && this.#random.fraction() < share
  }
}
