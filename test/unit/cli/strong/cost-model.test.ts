import { describe, expect, it } from 'vitest'
import { bestLeader, readTopology } from '../../../../benchmarks/topologies/index.ts'
import { oneWayMs } from '../../../../src/config/topology.ts'
import { seededRandom } from '../../../../src/core/seeded-random.ts'
import { simulateWrite } from '../../../../src/cli/strong/simulate-write.ts'
import { memberCount, strongCost, type StrongCost } from '../../../../src/cli/strong/cost-model.ts'

const nine = await readTopology('nine-regions')
const five = await readTopology('five-regions')
const triangle = await readTopology('triangle')

function costs(topology: typeof nine, jitter = 0.1, mostMembers = 5): readonly StrongCost[] {
  return topology.regions.map((_, i) =>
    strongCost(i + 1, { topology, mostMembers, jitter, seed: 1 }),
  )
}

const nineCosts = costs(nine)

describe('the cost of strong tables', () => {
  it('is counted for one region to nine', () => {
    const all = nineCosts
    expect(all.map(({ regions }) => regions.length)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(all.map(({ members }) => members.length)).toEqual([1, 1, 3, 3, 5, 5, 5, 5, 5])
    expect(all.map(({ survives }) => survives)).toEqual([0, 0, 1, 1, 2, 2, 2, 2, 2])
    for (const { regions, members, leader, latencyMs, copies } of all) {
      expect(members).toContain(leader)
      expect(Object.keys(latencyMs)).toEqual(regions)
      // Every region must have each record.
      expect(copies).toBeGreaterThanOrEqual(regions.length - 1)
    }
  })

  it('is nothing with one region', () => {
    expect(nineCosts[0]).toMatchObject({ meanMs: 0, worstMs: 0, p50Ms: 0, p95Ms: 0, copies: 0 })
  })

  it('of three is that of the budget, led from the middle', () => {
    const three = costs(triangle)[2]
    expect(three?.leader).toBe(bestLeader(triangle))
    expect(three?.latencyMs).toEqual({ 'us-east': 160, 'eu-west': 80, 'ap-south': 200 })
  })

  it('has no better members and leader than those that were chosen', () => {
    const regions = nine.regions.slice(0, 4)
    const means = regions.flatMap((left) => {
      const members = regions.filter((region) => region !== left)
      return members.map((leader) => playedMeanMs(regions, members, leader))
    })
    expect(means).toHaveLength(12)
    expect(nineCosts[3]?.meanMs).toBeCloseTo(Math.min(...means))
    expect(Math.max(...means)).toBeGreaterThan(Math.min(...means) + 20)
  })

  it('is the formula where messages take what their distance is, and more where they take longer', () => {
    for (const cost of costs(five, 0)) {
      const latencies = Object.values(cost.latencyMs).sort((a, b) => a - b)
      expect(latencies).toContainEqual(expect.closeTo(cost.p50Ms))
      expect(cost.p95Ms).toBeCloseTo(cost.worstMs)
    }
    for (const cost of costs(five, 0.5).slice(2)) expect(cost.p95Ms).toBeGreaterThan(cost.worstMs)
    expect(costs(triangle, 0.5)).toEqual(costs(triangle, 0.5))
  })

  it.each([
    [1, 5, 1],
    [2, 5, 1],
    [4, 5, 3],
    [9, 5, 5],
    [9, 9, 9],
    [9, 4, 3],
    [9, 2, 1],
  ])('%i regions and at most %i members: %i', (regions, most, members) => {
    expect(memberCount(regions, most)).toBe(members)
  })
})

/** The mean over all regions, message by message. */
function playedMeanMs(
  regions: readonly string[],
  members: readonly string[],
  leader: string,
): number {
  const followers = members.filter((member) => member !== leader)
  const oneWay = (from: string, to: string): number => oneWayMs(nine, from, to)
  const took = regions.map((origin) => {
    const entry = members.includes(origin) ? origin : (members[0] ?? '')
    const write = { origin, entry, leader, followers, oneWayMs: oneWay, jitter: 0 }
    return simulateWrite(write, seededRandom(1))
  })
  return took.reduce((sum, ms) => sum + ms, 0) / took.length
}
