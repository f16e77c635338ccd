/** The time that a call must spend between regions, from the topology alone. */
import { oneWayMs, type Topology } from '../../src/config/topology.ts'

/** One round trip between a caller and a home. */
export function roundTripMs(topology: Topology, origin: string, home: string): number {
  return 2 * oneWayMs(topology, origin, home)
}

/** To the leader, its round trip to the nearest majority, and back to the caller. */
export function commitLogMs(topology: Topology, leader: string, origin: string): number {
  const others = topology.regions
    .filter((region) => region !== leader)
    .map((region) => roundTripMs(topology, leader, region))
    .sort((a, b) => a - b)
  const needed = Math.floor(topology.regions.length / 2)
  const majorityMs = needed === 0 ? 0 : (others[needed - 1] ?? 0)
  return roundTripMs(topology, origin, leader) + majorityMs
}
