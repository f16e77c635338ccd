import { expect, test } from 'vitest'
import { commitLogMs, roundTripMs } from '../../../../benchmarks/measure/network-time.ts'
import { defaultConfig } from '../../../../src/config/parse-config.ts'
import { scaleTopology } from '../../../../src/config/topology.ts'

const { topology } = defaultConfig()

test('a pinned call takes one round trip to its home, and none at home', () => {
  expect(roundTripMs(topology, 'us-east', 'ap-south')).toBe(190)
  expect(roundTripMs(topology, 'us-east', 'us-east')).toBe(0)
})

test('a strong call takes the way to the leader and its round trip to the nearest majority', () => {
  const limits = topology.regions.map((origin) => commitLogMs(topology, 'eu-west', origin))
  expect(limits).toEqual([160, 80, 200])
})

test('a lone region needs nobody', () => {
  expect(commitLogMs({ regions: ['here'], oneWayMs: {} }, 'here', 'here')).toBe(0)
})

test('it shrinks with the distances', () => {
  expect(commitLogMs(scaleTopology(topology, 0.1), 'eu-west', 'us-east')).toBeCloseTo(16)
})
