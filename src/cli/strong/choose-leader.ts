/** From where the log is led best, for the strong writes that there are. */
import { strongLatencyMs, type LogSites } from './latency-model.ts'

/** How many strong writes come from each region; what is not there is 0. */
export type WriteMix = ReadonlyMap<string, number>

/** What writes would wait for with one leader. */
export interface LeaderCost {
  readonly leader: string
  /** By the region of the caller; null: a distance is not known. */
  readonly latencyMs: Readonly<Record<string, number | null>>
  /** The mean over the mix; null: not known for a region that writes. */
  readonly meanMs: number | null
  /** Of the region that waits longest; null: not known for one. */
  readonly worstMs: number | null
}

/** The costs of every region that has a member, in the order of the members. */
export function leaderCosts(
  sites: LogSites,
  origins: readonly string[],
  mix: WriteMix,
): readonly LeaderCost[] {
  const weights = weightsOf(origins, mix)
  return Array.from(sites.members.keys(), (leader): LeaderCost => {
    const all = origins.map((origin) => ({
      origin,
      ms: strongLatencyMs(sites, leader, origin) ?? null,
      weight: weights.get(origin) ?? 0,
    }))
    return {
      leader,
      latencyMs: Object.fromEntries(all.map(({ origin, ms }) => [origin, ms])),
      meanMs: meanOf(all.filter(({ weight }) => weight > 0)),
      worstMs: worstOf(all.map(({ ms }) => ms)),
    }
  })
}

/** The mix, or every region alike where nothing was written. */
function weightsOf(origins: readonly string[], mix: WriteMix): WriteMix {
  const isEmpty = origins.every((origin) => (mix.get(origin) ?? 0) === 0)
  return isEmpty ? new Map(origins.map((origin) => [origin, 1])) : mix
}

function meanOf(
  all: readonly { readonly ms: number | null; readonly weight: number }[],
): number | null {
  let [sum, total] = [0, 0]
  for (const { ms, weight } of all) {
    if (ms === null) return null
    sum += ms * weight
    total += weight
  }
  return total === 0 ? null : sum / total
}

function worstOf(all: readonly (number | null)[]): number | null {
  let worst = 0
  for (const ms of all) {
    if (ms === null) return null
    worst = Math.max(worst, ms)
  }
  return worst
}

/**
 * Less than this, or than this share of the mean, is no reason to move a leader: writes stand still
 * while it moves, and what was measured is no more exact.
 */
export const LEAST_GAIN_MS = 1
export const LEAST_GAIN_SHARE = 0.05

/**
 * The leader with the least mean; among those that are as good, the one with the least worst. The one
 * that leads stays unless another is better by the least gain. `undefined`: no mean is known.
 */
export function chooseLeader(
  costs: readonly LeaderCost[],
  present: string | undefined,
): LeaderCost | undefined {
  const known = costs.filter(
    (cost): cost is LeaderCost & { meanMs: number } =>
      cost.meanMs !== null && Number.isFinite(cost.meanMs),
  )
  const [best] = known.toSorted(
    (a, b) => a.meanMs - b.meanMs || (a.worstMs ?? Infinity) - (b.worstMs ?? Infinity),
  )
  const now = known.find(({ leader }) => leader === present)
  if (best === undefined || now === undefined) return best
  const leastGainMs = Math.max(LEAST_GAIN_MS, LEAST_GAIN_SHARE * now.meanMs)
  return now.meanMs - best.meanMs < leastGainMs ? now : best
}
