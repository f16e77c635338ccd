/** The commit log: a leader, a majority, and notices that reach each region in order. */
import type { SeededRandom } from '../../../src/core/seeded-random.ts'
import type { EventQueue } from './event-queue.ts'
import { between, LEADER, type SimNetwork } from './sim-network.ts'
import type { LogEntry } from './sim-store.ts'

export class SimLog {
  readonly entries: LogEntry[] = []
  readonly #queue: EventQueue
  readonly #random: SeededRandom
  readonly #network: SimNetwork
  readonly #lateShare: number
  readonly #onVisible: (region: number, index: number) => void
  readonly #visibleMs = [0, 0, 0]
  #committed = 0
  #lastCommitMs = 0

  /** `lateShare`: of the appends, how many are late, and how many come twice. */
  constructor(
    queue: EventQueue,
    random: SeededRandom,
    network: SimNetwork,
    lateShare: number,
    onVisible: (region: number, index: number) => void,
  ) {
    this.#queue = queue
    this.#random = random
    this.#network = network
    this.#lateShare = lateShare
    this.#onVisible = onVisible
  }

  /** The last index that a majority has. */
  get committed(): number {
    return this.#committed
  }

  /** May be lost with its writer, come late, or twice. */
  append(region: number, entry: LogEntry, lateMs = 0): void {
    const random = this.#random
    let delayMs = lateMs
    const arrive = (): void => this.#arrive(entry)
    const { nowMs } = this.#queue
    if (this.#network.isFaulty) {
      if (random.fraction() < 0.03) return
      if (random.fraction() < this.#lateShare) delayMs += between(random, 200, 2500)
      if (random.fraction() < this.#lateShare) {
        this.#queue.at(
          this.#network.arrival(region, LEADER, nowMs + between(random, 5, 2500)),
          arrive,
        )
      }
    }
    this.#queue.at(this.#network.arrival(region, LEADER, nowMs + delayMs), arrive)
  }

  /** Calls back with an index at or above all that was committed when it was asked. */
  readIndex(region: number, done: (index: number) => void): void {
    this.#queue.at(this.#network.arrival(region, LEADER, this.#queue.nowMs), () => {
      const index = this.#committed
      const answeredMs = this.#network.quorum(this.#queue.nowMs)
      this.#queue.at(this.#network.arrival(LEADER, region, answeredMs), () => done(index))
    })
  }

  #arrive(entry: LogEntry): void {
    const index = this.entries.push(entry)
    this.#lastCommitMs = Math.max(
      this.#lastCommitMs + 0.001,
      this.#network.quorum(this.#queue.nowMs),
    )
    this.#queue.at(this.#lastCommitMs, () => {
      this.#committed = index
      for (const region of [0, 1, 2]) {
        const arrivalMs = this.#network.arrival(LEADER, region, this.#queue.nowMs)
        const visibleMs = Math.max((this.#visibleMs[region] ?? 0) + 0.001, arrivalMs)
        this.#visibleMs[region] = visibleMs
        this.#queue.at(visibleMs, () => this.#onVisible(region, index))
      }
    })
  }
}
