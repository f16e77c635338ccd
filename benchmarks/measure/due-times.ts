/** When the calls of an open loop are due. */
import { seededRandom } from '../../src/core/seeded-random.ts'

/** Share of the interval that a call is late by at random, so that loops of one rate do not beat. */
const JITTER_SHARE = 0.2

/**
 * The times in ms after the start, one after the other, never going back: a call each interval, each
 * at a random place in the first part of its interval, the whole shifted at random by up to one.
 */
export function dueTimes(rateOpsPerSecond: number, seed: number): () => number {
  const random = seededRandom(seed)
  const intervalMs = 1000 / rateOpsPerSecond
  const phaseMs = random.fraction() * intervalMs
  let index = 0
  return () => phaseMs + (index++ + JITTER_SHARE * random.fraction()) * intervalMs
}
