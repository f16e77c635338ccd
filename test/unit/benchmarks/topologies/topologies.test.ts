import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { commitLogMs } from '../../../../benchmarks/measure/network-time.ts'
import {
  bestLeader,
  configFor,
  readTopology,
  TOPOLOGIES,
} from '../../../../benchmarks/topologies/index.ts'
import { oneWayMs, regionPairs } from '../../../../src/config/topology.ts'
import { failureOf } from '../../../conformance/support/failure.ts'

function fileOf(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'meridian-topology-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'topology.yaml')
  writeFileSync(file, text)
  return file
}

describe('the topologies that are known by name', () => {
  test.each(TOPOLOGIES)('%s names every pair', async (name) => {
    const topology = await readTopology(name)
    for (const [a, b] of regionPairs(topology.regions)) {
      expect(oneWayMs(topology, a, b), `${a}/${b}`).toBeGreaterThan(0)
    }
  })

  test('the triangle has the distances and the limits of the budget', async () => {
    const topology = await readTopology('triangle')
    expect(topology.oneWayMs).toEqual({
      'eu-west/us-east': 40,
      'ap-south/us-east': 95,
      'ap-south/eu-west': 60,
    })
    const leader = bestLeader(topology)
    expect(leader).toBe('eu-west')
    const limits = ['us-east', 'eu-west', 'ap-south'].map((at) => commitLogMs(topology, leader, at))
    expect(limits).toEqual([160, 80, 200])
  })

  test('one country is 5 to 15 ms wide', async () => {
    const delays = Object.values((await readTopology('one-country')).oneWayMs)
    expect([Math.min(...delays), Math.max(...delays)]).toEqual([5, 15])
  })
})

describe('a topology of a file', () => {
  test('is read', async () => {
    const file = fileOf('regions: [x, y]\ntopology: { x/y: 12.5 }\n')
    expect(await readTopology(file)).toEqual({ regions: ['x', 'y'], oneWayMs: { 'x/y': 12.5 } })
  })

  test.each([
    ['a pair that is missing', 'regions: [x, y, z]\ntopology: { x/y: 1, y/z: 1 }', 'x and z'],
    ['a negative delay', 'regions: [x, y]\ntopology: { x/y: -1 }', '0 or more'],
    ['a region that is unknown', 'regions: [x, y]\ntopology: { x/z: 1 }', "'z'"],
  ])('with %s is refused, with what to do', async (_what, text, said) => {
    const error = await failureOf(readTopology(fileOf(text)))
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining(said) })
    expect((error as { readonly fix?: string }).fix).not.toBe('')
  })

  test('that is not there, and a name that nobody knows, are refused, with what to do', async () => {
    for (const name of ['./nowhere.yaml', 'square']) {
      const error = await failureOf(readTopology(name))
      expect(error).toMatchObject({
        code: 'CONFIG_INVALID',
        message: expect.stringContaining(name),
        fix: expect.stringContaining('triangle'),
      })
    }
  })
})

test('the best leader spares the slowest region, not the sum of all', () => {
  // From the hub all are near, but the far one; from the middle nobody is worse off than 120.
  const topology = {
    regions: ['hub', 'middle', 'far'],
    oneWayMs: { 'hub/middle': 20, 'far/hub': 80, 'far/middle': 40 },
  }
  const worst = (leader: string): number =>
    Math.max(...topology.regions.map((origin) => commitLogMs(topology, leader, origin)))
  expect(topology.regions.map(worst)).toEqual([200, 120, 240])
  expect(bestLeader(topology)).toBe('middle')
})

test('the configuration of a topology has its delays and its leader', async () => {
  const topology = await readTopology('five-regions')
  const config = configFor(topology, 'us-west')
  expect(config.topology).toEqual(topology)
  expect(config.commitLog).toEqual({ leader: 'us-west', etcd: null, leaseDurationMs: 6000 })
  expect(() => configFor(topology, 'nowhere')).toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID' }),
  )
})
