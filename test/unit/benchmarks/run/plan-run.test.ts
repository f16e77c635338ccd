import { expect, test } from 'vitest'
import { bestLeader, readTopology } from '../../../../benchmarks/topologies/index.ts'
import { PROFILES } from '../../../../benchmarks/profiles/index.ts'
import type { BenchRunOptions } from '../../../../benchmarks/run/options.ts'
import { PARTS } from '../../../../benchmarks/run/parts.ts'
import { planRun, planSteps } from '../../../../benchmarks/run/plan-run.ts'
import { readThresholds } from '../../../../benchmarks/run/thresholds.ts'

const topology = await readTopology('triangle')

function optionsOf(name: string, changes: Partial<BenchRunOptions> = {}): BenchRunOptions {
  const profile = PROFILES[name]
  if (profile === undefined) throw new RangeError(name)
  return {
    ...{ profile, topology, topologyName: 'triangle', engines: 'real', leader: 'eu-west' },
    ...{ seed: 1, directory: '/nowhere', command: '', signal: new AbortController().signal },
    onEvent: () => undefined,
    ...changes,
  }
}

/** As planned: steps reckon with three repetitions. */
function plannedMs(options: BenchRunOptions): number {
  const { steps, timeScale, repetitions } = planRun(options)
  const sum = steps.reduce((total, { durationMs }) => total + durationMs, 0)
  return (sum * timeScale * repetitions) / 3
}

test('every profile names parts that there are, and fits its time', () => {
  for (const [name, profile] of Object.entries(PROFILES)) {
    expect(profile.name).toBe(name)
    expect(profile.parts.filter((part) => !Object.hasOwn(PARTS, part))).toEqual([])
    expect(plannedMs(optionsOf(name))).toBeLessThanOrEqual(profile.measuringMs * 1.001)
    expect(profile.measuringMs).toBeLessThan(profile.limitMs)
    expect(planRun(optionsOf(name)).steps.length).toBeGreaterThan(0)
  }
})

test('the latency cells are not shortened in the profiles that are published', () => {
  const quick = planRun(optionsOf('quick', { engines: 'embedded' }))
  expect(quick.timeScale).toBe(1)
  expect(planRun(optionsOf('standard')).timeScale).toBe(1)
})

test('a time that is asked for is filled, longer or shorter', () => {
  for (const measuringMs of [5_000, 3_600_000]) {
    expect(plannedMs(optionsOf('standard', { measuringMs }))).toBeCloseTo(measuringMs, 0)
  }
  expect(planRun(optionsOf('standard', { measuringMs: 3_600_000 })).limitMs).toBeGreaterThan(
    3_600_000,
  )
})

test('fewer repetitions of one time are longer', () => {
  const measuringMs = 60_000
  const once = planRun(optionsOf('standard', { measuringMs, repetitions: 1 }))
  const thrice = planRun(optionsOf('standard', { measuringMs, repetitions: 3 }))
  expect(once.timeScale).toBeCloseTo(3 * thrice.timeScale, 6)
})

test('limits of strong calls are those of the region that leads', () => {
  const options = optionsOf('standard')
  const asked = planSteps(options, options.leader)
  expect(planRun(options).steps.map(({ name }) => name)).toEqual(asked.map(({ name }) => name))
  const other = planSteps(options, 'us-east')
  // Steps of the same lengths: the time of a run is shared out before it is known who leads.
  expect(other.map(({ durationMs }) => durationMs)).toEqual(
    asked.map(({ durationMs }) => durationMs),
  )
})

test('the gate judges what the quick profile measures, where it is meant to be', () => {
  const { topology: name, engines, bounds } = readThresholds()
  expect([name, engines]).toEqual(['triangle', 'embedded'])
  const leader = bestLeader(topology)
  for (const { origin, home } of bounds) {
    expect(topology.regions).toContain(origin)
    if (home !== null) expect(topology.regions).toContain(home)
  }
  const strong = bounds.filter(({ mode, op }) => mode === 'strong' && op === 'write')
  expect(strong.map(({ home }) => home)).toEqual([leader, leader, leader])
})
