/**
 * What a strong write and a strong read must wait for between regions, from distances and the place
 * of the log's leader alone (Raft: Ongaro and Ousterhout, USENIX ATC 2014, sections 5.3 and 8).
 *
 * `latency = R(origin, entry) + R(entry, leader) + M(leader)`, where `R` is a round trip, the entry
 * is the member that the origin's node asks (its region's, else the first that is configured), and
 * `M` the leader's round trip to the nearest of those that make a majority with it.
 *
 * A write is appended by a majority, and its commit comes back with the answer. A read by read index
 * makes the leader ask a majority whether it still leads: the same way. Disks, processors and what
 * is lost on the way come on top.
 */

/** Where members of the log are, and how far from everywhere. */
export interface LogSites {
  /** Members with a vote, those that do not answer, too. */
  readonly voters: number
  /** Those that answer, by region, in the order in which nodes without one of their own ask them. */
  readonly members: ReadonlyMap<string, number>
  /** Milliseconds there and back; `undefined`: not known. */
  roundTripMs(from: string, to: string): number | undefined
}

/**
 * The leader's round trip to the farthest of the nearest members that make a majority with it.
 * `Infinity`: too few answer. `undefined`: a distance is not known.
 */
export function majorityMs(sites: LogSites, leader: string): number | undefined {
  const needed = Math.floor(sites.voters / 2)
  const others = Array.from(sites.members, ([region, count]) => ({
    ms: sites.roundTripMs(leader, region),
    count: region === leader ? count - 1 : count,
  })).filter(({ count }) => count > 0)
  if (others.some(({ ms }) => ms === undefined) && needed > 0) return undefined
  const tripsMs = others
    .flatMap(({ ms = 0, count }) => Array.from({ length: count }, () => ms))
    .sort((a, b) => a - b)
  return needed === 0 ? 0 : (tripsMs[needed - 1] ?? Infinity)
}

/** The region of the member that nodes of a region ask; `undefined`: there is no member. */
export function entryOf(sites: LogSites, origin: string): string | undefined {
  if (sites.members.has(origin)) return origin
  const [first] = sites.members.keys()
  return first
}

/** Milliseconds of a strong write or read from `origin`; `undefined`: a distance is not known. */
export function strongLatencyMs(
  sites: LogSites,
  leader: string,
  origin: string,
): number | undefined {
  const entry = entryOf(sites, origin)
  if (entry === undefined) return undefined
  const partsMs = [
    sites.roundTripMs(origin, entry),
    entry === leader ? 0 : sites.roundTripMs(entry, leader),
    majorityMs(sites, leader),
  ]
  let sumMs = 0
  for (const ms of partsMs) {
    if (ms === undefined) return undefined
    sumMs += ms
  }
  return sumMs
}
