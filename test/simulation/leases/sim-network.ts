/** Three regions, the path to the log, and the mesh between nodes. */
import type { SeededRandom } from '../../../src/core/seeded-random.ts'
import type { EventQueue } from './event-queue.ts'

export const REGIONS = ['us', 'eu', 'ap'] as const
/** The region of the log's leader. */
export const LEADER = 1

const ONE_WAY_MS: readonly (readonly number[])[] = [
  [0.5, 40, 95],
  [40, 0.5, 60],
  [95, 60, 0.5],
]

interface Cut {
  /** The region that nothing reaches; or the link's ends, from and to. */
  readonly regions: readonly number[]
  readonly fromMs: number
  readonly toMs: number
}

export class SimNetwork {
  readonly #queue: EventQueue
  readonly #random: SeededRandom
  /** Regions that nothing reaches. */
  readonly #partitions: Cut[] = []
  /** Mesh links that are down, in one direction. */
  readonly #linkCuts: Cut[] = []
  /** Whether messages are lost, late or doubled. */
  isFaulty: boolean

  constructor(queue: EventQueue, random: SeededRandom, isFaulty: boolean) {
    this.#queue = queue
    this.#random = random
    this.isFaulty = isFaulty
  }

  /** Draws partitions and link failures until `endMs`. */
  drawCuts(endMs: number): void {
    const random = this.#random
    for (let at = between(random, 100, 900); at < endMs; at += between(random, 300, 1500)) {
      if (random.fraction() < 0.5) {
        const toMs = Math.min(endMs, at + between(random, 50, 1200))
        this.#partitions.push({ regions: [random.below(3)], fromMs: at, toMs })
      }
      if (random.fraction() < 0.4) {
        const [a = 0, b = 1] = random.shuffle([0, 1, 2])
        const toMs = Math.min(endMs, at + between(random, 50, 900))
        this.#linkCuts.push({ regions: [a, b], fromMs: at, toMs })
        if (random.fraction() < 0.5) this.#linkCuts.push({ regions: [b, a], fromMs: at, toMs })
      }
    }
  }

  /** When what is sent at `atMs` on a path that retries (log client, etcd members) arrives. */
  arrival(from: number, to: number, atMs: number): number {
    const oneWayMs = ONE_WAY_MS[from]?.[to] ?? 0
    let delayMs = oneWayMs * between(this.#random, 1, 1.2)
    if (this.isFaulty && this.#random.fraction() < 0.05) delayMs += between(this.#random, 0, 150)
    if (from === to) return atMs + delayMs
    return Math.max(this.#healed(from, atMs), this.#healed(to, atMs)) + delayMs
  }

  /** When a majority has what the leader has at `atMs`: the nearer follower's answer. */
  quorum(atMs: number): number {
    const answers = [0, 2].map((follower) =>
      this.arrival(follower, LEADER, this.arrival(LEADER, follower, atMs)),
    )
    return Math.min(...answers)
  }

  /** Node to node: may be lost, very late, or come twice. */
  mesh(from: number, to: number, deliver: () => void): void {
    const { nowMs } = this.#queue
    if (this.#isCut(from, to, nowMs)) return
    if (this.isFaulty) {
      if (this.#random.fraction() < 0.06) return
      if (this.#random.fraction() < 0.03) {
        this.#queue.after(between(this.#random, 200, 2500), deliver)
      }
    }
    this.#queue.at(this.arrival(from, to, nowMs), deliver)
  }

  #isCut(from: number, to: number, atMs: number): boolean {
    return this.#linkCuts.some(
      ({ regions: [a, b], fromMs, toMs }) =>
        a === from && b === to && fromMs <= atMs && atMs < toMs,
    )
  }

  #healed(region: number, atMs: number): number {
    let healedMs = atMs
    for (const { regions, fromMs, toMs } of this.#partitions) {
      if (regions[0] === region && fromMs <= atMs && atMs < toMs) {
        healedMs = Math.max(healedMs, toMs)
      }
    }
    return healedMs
  }
}

/** A number from `low` to below `high`. */
export function between(random: SeededRandom, low: number, high: number): number {
  return low + random.fraction() * (high - low)
}
