import { describe, expect, it } from 'vitest'
import { commitLogMs } from '../../../../benchmarks/measure/network-time.ts'
import { readTopology } from '../../../../benchmarks/topologies/index.ts'
import { sitesOf } from '../../../../src/cli/strong/cost-model.ts'
import {
  entryOf,
  majorityMs,
  strongLatencyMs,
  type LogSites,
} from '../../../../src/cli/strong/latency-model.ts'
import { simulateWrite } from '../../../../src/cli/strong/simulate-write.ts'
import { oneWayMs } from '../../../../src/config/topology.ts'
import { seededRandom } from '../../../../src/core/seeded-random.ts'

const triangle = await readTopology('triangle')
const nine = await readTopology('nine-regions')

describe('the latency of a strong write', () => {
  it('is what three emulated regions were measured to be bound by', () => {
    const sites = sitesOf(triangle, triangle.regions)
    const from = (region: string): number | undefined => strongLatencyMs(sites, 'eu-west', region)
    expect(['us-east', 'eu-west', 'ap-south'].map(from)).toEqual([160, 80, 200])
  })

  it.each([3, 5, 9])('is the limit that benchmarks hold %i members against', (count) => {
    const regions = nine.regions.slice(0, count)
    const topology = { ...nine, regions }
    for (const leader of regions) {
      for (const origin of regions) {
        expect(strongLatencyMs(sitesOf(topology, regions), leader, origin)).toBeCloseTo(
          commitLogMs(topology, leader, origin),
        )
      }
    }
  })

  it('is what its messages take, one by one, wherever members are', () => {
    const random = seededRandom(7)
    for (let i = 0; i < 300; i++) {
      const members = random.shuffle([...nine.regions]).slice(0, 1 + random.below(7))
      const [leader, origin] = [random.pick(members), random.pick(nine.regions)]
      const sites = sitesOf(nine, members)
      const write = {
        origin,
        entry: entryOf(sites, origin) ?? '',
        leader,
        followers: members.filter((member) => member !== leader),
        oneWayMs: (from: string, to: string) => oneWayMs(nine, from, to),
        jitter: 0,
      }
      expect(strongLatencyMs(sites, leader, origin)).toBeCloseTo(simulateWrite(write, random))
    }
  })

  it('is longer where messages take longer than their distance', () => {
    const write = {
      origin: 'us-east',
      entry: 'us-east',
      leader: 'eu-west',
      followers: ['us-east', 'ap-south'],
      oneWayMs: (from: string, to: string) => oneWayMs(triangle, from, to),
      jitter: 0.2,
    }
    const random = seededRandom(1)
    const took = Array.from({ length: 500 }, () => simulateWrite(write, random))
    expect(Math.min(...took)).toBeGreaterThan(160)
    // Four messages on the way, of which two are waited for only where the third member is slower.
    const mean = took.reduce((a, b) => a + b, 0) / took.length
    expect(mean).toBeGreaterThan(170)
    expect(mean).toBeLessThan(200)
  })
})

describe('members that are elsewhere', () => {
  const trips: Readonly<Record<string, number>> = {
    'a/a': 1,
    'a/b': 20,
    'b/c': 40,
    'a/c': 70,
    'd/a': 30,
  }
  const roundTripMs = (from: string, to: string): number | undefined =>
    trips[`${from}/${to}`] ?? trips[`${to}/${from}`]
  const sites: LogSites = {
    voters: 3,
    members: new Map([
      ['a', 1],
      ['b', 1],
      ['c', 1],
    ]),
    roundTripMs,
  }

  it('a region without a member goes through the first that is configured', () => {
    expect(strongLatencyMs(sites, 'b', 'd')).toBe(30 + 20 + 20)
    expect(entryOf(sites, 'd')).toBe('a')
    expect(entryOf({ ...sites, members: new Map() }, 'd')).toBeUndefined()
  })

  it('what is not known is not made up', () => {
    expect(strongLatencyMs(sites, 'a', 'e')).toBeUndefined()
    const lacking = {
      ...sites,
      roundTripMs: (from: string, to: string) => (from === to ? 0 : undefined),
    }
    expect(majorityMs(lacking, 'a')).toBeUndefined()
    expect(majorityMs({ ...lacking, voters: 1, members: new Map([['a', 1]]) }, 'a')).toBe(0)
  })

  it('one that does not answer is not counted on, and without a majority it is never', () => {
    const two = {
      ...sites,
      members: new Map([
        ['a', 1],
        ['c', 1],
      ]),
    }
    expect(majorityMs(two, 'a')).toBe(70)
    expect(majorityMs({ ...sites, members: new Map([['a', 1]]) }, 'a')).toBe(Infinity)
  })

  it('two members of a region make a majority near the leader', () => {
    const near = {
      ...sites,
      members: new Map([
        ['a', 2],
        ['c', 1],
      ]),
    }
    expect(majorityMs(near, 'a')).toBe(1)
    expect(majorityMs(near, 'c')).toBe(70)
  })
})
