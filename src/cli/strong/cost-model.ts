/**
 * What strong tables cost as regions are added, from a table of distances: for each number of regions
 * the members and the leader with the least mean latency, and that latency by formula and simulated.
 */
import { quantile } from '../../../benchmarks/measure/quantiles.ts'
import { oneWayMs, type Topology } from '../../config/topology.ts'
import { seededRandom } from '../../core/seeded-random.ts'
import { leaderCosts, type LeaderCost } from './choose-leader.ts'
import { entryOf, type LogSites } from './latency-model.ts'
import { simulateWrite } from './simulate-write.ts'

/** What is asked of the model. */
export interface CostOptions {
  /** Regions in the order in which they are added, and their distances. */
  readonly topology: Topology
  /** The log is kept by no more members than this, however many regions there are. */
  readonly mostMembers: number
  /** See `SimulatedWrite`. */
  readonly jitter: number
  readonly seed: number
}

/** Latencies over all regions, in milliseconds. Reads by read index have those of writes. */
export interface StrongCost {
  readonly regions: readonly string[]
  /** The regions with a member of the log: an odd number of them, so that each one counts. */
  readonly members: readonly string[]
  /** Members that may be lost while writes go on. */
  readonly survives: number
  readonly leader: string
  /** By the formula: each region, their mean and the worst. */
  readonly latencyMs: Readonly<Record<string, number>>
  readonly meanMs: number
  readonly worstMs: number
  /** Simulated, over writes from all regions alike. */
  readonly p50Ms: number
  readonly p95Ms: number
  /** How often a record crosses from one region to another, in the mean. */
  readonly copies: number
}

const WRITES_PER_REGION = 2_000

/** The cost of the first `count` regions of the topology. */
export function strongCost(count: number, options: CostOptions): StrongCost {
  const { topology, mostMembers } = options
  const regions = topology.regions.slice(0, count)
  const size = memberCount(regions.length, mostMembers)
  const candidates = subsets(regions, size).flatMap((members) =>
    leaderCosts(sitesOf(topology, members), regions, new Map()).map((cost) => ({ members, cost })),
  )
  const [best] = candidates.toSorted(
    (a, b) =>
      numberOf(a.cost.meanMs) - numberOf(b.cost.meanMs) ||
      numberOf(a.cost.worstMs) - numberOf(b.cost.worstMs),
  )
  // There is a region, so there is a set of members and one that leads it.
  const { members, cost } = best as { members: readonly string[]; cost: LeaderCost }
  return {
    regions,
    members,
    survives: Math.floor((size - 1) / 2),
    leader: cost.leader,
    latencyMs: Object.fromEntries(
      Object.entries(cost.latencyMs).map(([region, ms]) => [region, numberOf(ms)]),
    ),
    meanMs: numberOf(cost.meanMs),
    worstMs: numberOf(cost.worstMs),
    ...simulated(regions, members, cost.leader, options),
    copies: copiesOf(regions, members, cost.leader, topology),
  }
}

/** One more member than an odd number makes a majority larger and survives no more losses. */
export function memberCount(regions: number, most: number): number {
  const least = Math.min(regions, most)
  return least % 2 === 0 ? Math.max(1, least - 1) : least
}

/** The members of the log with one in each of these regions, over the topology's distances. */
export function sitesOf(topology: Topology, members: readonly string[]): LogSites {
  return {
    voters: members.length,
    members: new Map(members.map((region) => [region, 1])),
    roundTripMs: (from, to) => 2 * oneWayMs(topology, from, to),
  }
}

function simulated(
  regions: readonly string[],
  members: readonly string[],
  leader: string,
  { topology, jitter, seed }: CostOptions,
): { readonly p50Ms: number; readonly p95Ms: number } {
  const sites = sitesOf(topology, members)
  const random = seededRandom(seed)
  const followers = members.filter((member) => member !== leader)
  const tookMs = regions.flatMap((origin) => {
    const write = {
      origin,
      entry: entryOf(sites, origin) ?? origin,
      leader,
      followers,
      oneWayMs: (from: string, to: string) => oneWayMs(topology, from, to),
      jitter,
    }
    return Array.from({ length: WRITES_PER_REGION }, () => simulateWrite(write, random))
  })
  const sorted = tookMs.sort((a, b) => a - b)
  return { p50Ms: numberOf(quantile(sorted, 0.5)), p95Ms: numberOf(quantile(sorted, 0.95)) }
}

/** To the leader, from it to the other members, and from one of them to each region without. */
function copiesOf(
  regions: readonly string[],
  members: readonly string[],
  leader: string,
  topology: Topology,
): number {
  const sites = sitesOf(topology, members)
  const sent = regions.map((origin) => {
    const entry = entryOf(sites, origin)
    return Number(origin !== entry) + Number(entry !== leader)
  })
  const mean = sent.reduce((a, b) => a + b, 0) / regions.length
  return mean + regions.length - 1
}

/** Every set of `size` items, in their order. */
function subsets<T>(items: readonly T[], size: number): readonly (readonly T[])[] {
  if (size === 0) return [[]]
  return items.flatMap((item, i) =>
    subsets(items.slice(i + 1), size - 1).map((rest) => [item, ...rest]),
  )
}

function numberOf(ms: number | null): number {
  return ms ?? Infinity
}
