import { describe, expect, it } from 'vitest'
import { readTopology } from '../../../../benchmarks/topologies/index.ts'
import {
  chooseLeader,
  LEAST_GAIN_MS,
  LEAST_GAIN_SHARE,
  leaderCosts,
  type LeaderCost,
  type WriteMix,
} from '../../../../src/cli/strong/choose-leader.ts'
import { sitesOf } from '../../../../src/cli/strong/cost-model.ts'
import { entryOf } from '../../../../src/cli/strong/latency-model.ts'
import { simulateWrite } from '../../../../src/cli/strong/simulate-write.ts'
import { oneWayMs, type Topology } from '../../../../src/config/topology.ts'
import { seededRandom } from '../../../../src/core/seeded-random.ts'

const triangle = await readTopology('triangle')
const nine = await readTopology('nine-regions')

type Choose = (costs: readonly LeaderCost[]) => string | undefined
const best: Choose = (costs) => chooseLeader(costs, undefined)?.leader

/** What a write of the mix waits for in the mean with this leader, message by message. */
function playedMeanMs(
  topology: Topology,
  members: readonly string[],
  leader: string,
  mix: WriteMix,
) {
  const random = seededRandom(1)
  let [sum, total] = [0, 0]
  for (const [origin, weight] of mix) {
    const entry = entryOf(sitesOf(topology, members), origin) ?? origin
    const followers = members.filter((member) => member !== leader)
    const oneWay = (from: string, to: string): number => oneWayMs(topology, from, to)
    sum +=
      weight *
      simulateWrite({ origin, entry, leader, followers, oneWayMs: oneWay, jitter: 0 }, random)
    total += weight
  }
  return sum / total
}

/** Mixes for which another leader would have been better than the one that was chosen. */
function wrongChoices(
  choose: (costs: readonly LeaderCost[], mix: WriteMix) => string | undefined,
): number {
  const random = seededRandom(11)
  let wrong = 0
  for (let i = 0; i < 200; i++) {
    const regions = random.shuffle([...nine.regions]).slice(0, 3 + random.below(5))
    const members = regions.slice(0, 3 + 2 * random.below((regions.length - 1) / 2))
    const mix = new Map(regions.map((region) => [region, random.below(100) + 1]))
    const costs = leaderCosts(sitesOf(nine, members), regions, mix)
    const chosen = choose(costs, mix) ?? ''
    const means = members.map((leader) => playedMeanMs(nine, members, leader, mix))
    const least = Math.min(...means)
    if (playedMeanMs(nine, members, chosen, mix) > least + 1e-6) wrong++
  }
  return wrong
}

describe('the leader that a write mix wants', () => {
  it('is the one for which the writes wait least, message by message', () => {
    expect(wrongChoices(best)).toBe(0)
  })

  it('a choice by the worst region, or by where most writes are, is seen to be wrong', () => {
    const byWorst: Choose = (costs) =>
      costs.toSorted((a, b) => (a.worstMs ?? 0) - (b.worstMs ?? 0))[0]?.leader
    expect(wrongChoices(byWorst)).toBeGreaterThan(20)
    const byWriter = (costs: readonly LeaderCost[], mix: WriteMix): string | undefined =>
      costs.toSorted((a, b) => (mix.get(b.leader) ?? 0) - (mix.get(a.leader) ?? 0))[0]?.leader
    expect(wrongChoices(byWriter)).toBeGreaterThan(20)
  })

  it.each([
    [{ 'us-east': 1 }, 'us-east', 80],
    [{ 'ap-south': 1 }, 'ap-south', 120],
    // Half of the writes are near, and the other half must go far with either.
    [{ 'us-east': 1, 'ap-south': 1 }, 'us-east', 175],
    [{ 'us-east': 1, 'eu-west': 1, 'ap-south': 1 }, 'eu-west', 440 / 3],
    [{}, 'eu-west', 440 / 3],
  ])('%j is %s', (mix, leader, meanMs) => {
    const sites = sitesOf(triangle, triangle.regions)
    const costs = leaderCosts(sites, triangle.regions, new Map(Object.entries(mix)))
    const chosen = chooseLeader(costs, undefined)
    expect(chosen?.leader).toBe(leader)
    expect(chosen?.meanMs).toBeCloseTo(meanMs)
  })
})

describe('the leader that there is', () => {
  const cost = (leader: string, meanMs: number | null, worstMs = 100): LeaderCost => ({
    leader,
    meanMs,
    worstMs,
    latencyMs: {},
  })

  it('stays unless another is better by more than its move is worth', () => {
    const near = [cost('a', 5), cost('b', 5 - LEAST_GAIN_MS / 2)]
    expect(chooseLeader(near, 'a')?.leader).toBe('a')
    expect(chooseLeader(near, undefined)?.leader).toBe('b')
    expect(chooseLeader([cost('a', 5), cost('b', 5 - LEAST_GAIN_MS)], 'a')?.leader).toBe('b')
    const far = 200 * (1 - LEAST_GAIN_SHARE)
    expect(chooseLeader([cost('a', 200), cost('b', far + 1)], 'a')?.leader).toBe('a')
    expect(chooseLeader([cost('a', 200), cost('b', far)], 'a')?.leader).toBe('b')
  })

  it('of two with one mean the one is chosen whose worst is less', () => {
    expect(best([cost('a', 50, 120), cost('b', 50, 110)])).toBe('b')
  })

  it('is not chosen by distances that nobody measured', () => {
    expect(chooseLeader([cost('a', null), cost('b', Infinity)], 'a')).toBeUndefined()
    expect(chooseLeader([cost('a', null), cost('b', 90)], 'a')?.leader).toBe('b')
    const sites = { ...sitesOf(triangle, triangle.regions), roundTripMs: () => undefined }
    const costs = leaderCosts(sites, triangle.regions, new Map())
    expect(costs.map(({ meanMs, worstMs }) => [meanMs, worstMs])).toEqual(
      triangle.regions.map(() => [null, null]),
    )
  })

  it('a region that does not write may be unknown', () => {
    const { regions } = triangle
    const known = sitesOf(triangle, ['us-east', 'eu-west', 'ap-south'])
    const sites = {
      ...known,
      roundTripMs: (from: string, to: string) =>
        from === 'mars' ? undefined : known.roundTripMs(from, to),
    }
    const mix = new Map([['us-east', 2]])
    const [first] = leaderCosts(sites, [...regions, 'mars'], mix)
    expect(first).toMatchObject({ leader: 'us-east', meanMs: 80, worstMs: null })
    expect(first?.latencyMs['mars']).toBeNull()
  })
})
