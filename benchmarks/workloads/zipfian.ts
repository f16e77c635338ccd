/**
 * The skewed choices of YCSB (Cooper et al., "Benchmarking Cloud Serving Systems with YCSB", SoCC
 * 2010, section 4.1): zipfian, scrambled zipfian and latest. Ranks are drawn in constant time by the
 * method of Gray et al., "Quickly Generating Billion-Record Synthetic Databases", SIGMOD 1994: the
 * two most frequent ranks exactly, the others by a continuous approximation of the sum.
 */
import type { SeededRandom } from '../../src/core/seeded-random.ts'
import { fnvRemainder } from './fnv-hash.ts'

/** The exponent of all of YCSB's core workloads. */
export const ZIPFIAN_CONSTANT = 0.99

/** Scrambled choices draw among as many ranks, however few keys there are (as YCSB does). */
export const SCRAMBLED_RANKS = 1e10
/** zeta(SCRAMBLED_RANKS, 0.99): to sum it would take minutes. */
export const SCRAMBLED_ZETA = 26.46902820178302

/**
 * The sum of 1 / i^theta for i from 1 to `items`. It goes on from `known`, the sum of the first
 * `from` terms, so that a key space that grows costs only what it grew by.
 */
export function zeta(items: number, theta: number, from = 0, known = 0): number {
  let sum = known
  for (let i = from; i < items; i++) sum += 1 / (i + 1) ** theta
  return sum
}

/** How a zipfian choice is made. */
export interface ZipfianOptions {
  /** Ranks to begin with; at least 1. */
  readonly items: number
  /** zeta(items, 0.99), where it is known. */
  readonly zeta?: number
}

/**
 * Draws ranks: rank i of n with a probability of 1 / ((i + 1)^0.99 x zeta(n)). `items` may rise from
 * one draw to the next, and never falls.
 */
export function zipfian(random: SeededRandom, options: ZipfianOptions): (items?: number) => number {
  const theta = ZIPFIAN_CONSTANT
  const alpha = 1 / (1 - theta)
  const zetaOfTwo = zeta(2, theta)
  let count = options.items
  let sum = options.zeta ?? zeta(count, theta)
  let eta = 0
  const prepare = (): void => {
    eta = (1 - (2 / count) ** (1 - theta)) / (1 - zetaOfTwo / sum)
  }
  prepare()
  return (items = count) => {
    if (items > count) {
      sum = zeta(items, theta, count, sum)
      count = items
      prepare()
    }
    const u = random.fraction()
    const at = u * sum
    if (at < 1) return 0
    if (at < zetaOfTwo) return 1
    // In floating point the power may come to 1.
    return Math.min(count - 1, Math.floor(count * (eta * u - eta + 1) ** alpha))
  }
}

/**
 * Chooses keys from 0 to below `countOf()`, of which a few are popular, scattered over all of them.
 * Which ones they are stays the same while keys are added, up to `capacity`; a key that is not there
 * yet is drawn again.
 */
export function scrambledZipfian(
  random: SeededRandom,
  capacity: number,
  countOf: () => number = () => capacity,
): () => number {
  const rank = zipfian(random, { items: SCRAMBLED_RANKS, zeta: SCRAMBLED_ZETA })
  return () => {
    for (;;) {
      const key = fnvRemainder(rank(), capacity)
      if (key < countOf()) return key
    }
  }
}

/** Chooses keys from 0 to below `countOf()`, the latest most often. */
export function latest(random: SeededRandom, countOf: () => number): () => number {
  const rank = zipfian(random, { items: countOf() })
  return () => {
    const count = countOf()
    return count - 1 - rank(count)
  }
}
