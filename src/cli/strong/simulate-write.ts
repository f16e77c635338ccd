/**
 * One strong write, message by message, over distances that vary: what the formula of
 * `latency-model.ts` leaves out. The quantiles of many are a simulation of the log's latency.
 */
import type { SeededRandom } from '../../core/seeded-random.ts'

/** Where the write begins, enters the log, is ordered and is kept. */
export interface SimulatedWrite {
  readonly origin: string
  readonly entry: string
  readonly leader: string
  /** The members besides the leader. */
  readonly followers: readonly string[]
  /** Milliseconds one way. */
  oneWayMs(from: string, to: string): number
  /** How much longer than its distance a message takes, in the mean: 0.1 is a tenth. */
  readonly jitter: number
}

/** Milliseconds until the origin knows that its write is committed. */
export function simulateWrite(write: SimulatedWrite, random: SeededRandom): number {
  const { origin, entry, leader, followers, jitter } = write
  const message = (from: string, to: string): number =>
    write.oneWayMs(from, to) * (1 - jitter * Math.log(1 - random.fraction()))
  const orderedMs = message(origin, entry) + message(entry, leader)
  // Every follower is sent the record at once; the leader commits once it is one of a majority.
  const keptMs = followers
    .map((follower) => message(leader, follower) + message(follower, leader))
    .sort((a, b) => a - b)
  const needed = Math.floor((followers.length + 1) / 2)
  const committedMs = orderedMs + (needed === 0 ? 0 : (keptMs[needed - 1] ?? Infinity))
  // The commit goes to each follower one way; the origin's node hears it from its member.
  return committedMs + message(leader, entry) + message(entry, origin)
}
