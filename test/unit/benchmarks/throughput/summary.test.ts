import { expect, test } from 'vitest'
import { cpuEach, CpuKinds, kindOf } from '../../../../benchmarks/throughput/cpu-by-kind.ts'
import type { ThroughputOptions } from '../../../../benchmarks/throughput/options.ts'
import { LoadTally, runLoad } from '../../../../benchmarks/throughput/run-load.ts'
import { formatSummary, summarize } from '../../../../benchmarks/throughput/summary.ts'

const OPTIONS: ThroughputOptions = {
  works: ['rows'],
  engines: 'lean',
  network: 'none',
  seconds: 2,
  inFlight: 4,
  profiles: undefined,
  json: false,
}

function tally(): LoadTally {
  const counted = new LoadTally()
  for (let i = 0; i < 40; i++) counted.add({ ok: true, index: 109 - (i % 10) }, 1 + i)
  for (const code of ['CONFLICT', 'OVERLOADED', 'CONFLICT']) counted.add({ ok: false, code }, 500)
  return counted
}

test('a tally counts commits, refusals by code, and the records in between', () => {
  const { committed, refused, firstIndex, lastIndex, latencies } = tally().result()
  expect({ committed, firstIndex, lastIndex }).toEqual({
    committed: 40,
    firstIndex: 100,
    lastIndex: 109,
  })
  expect([...refused]).toEqual([
    ['CONFLICT', 2],
    ['OVERLOADED', 1],
  ])
  expect(latencies.totalCount).toBe(40)
})

test('a summary gives rates, and the CPU that two cores would need', () => {
  const cpu = cpuEach(
    new Map([
      ['node', 1000],
      ['etcd', 100],
    ]),
    new Map([
      ['node', 1016],
      ['etcd', 104],
    ]),
    40,
  )
  const raw = { perSecond: 700, payloadBytes: 1000 }
  const summary = summarize('rows', OPTIONS, { ...tally().result(), seconds: 2 }, cpu, raw)
  expect(summary).toMatchObject({
    perSecond: 20,
    targetPerSecond: 2000,
    aborts: { CONFLICT: 2, OVERLOADED: 1 },
    recordsPerSecond: 5,
    commandsPerRecord: 4,
    cpuMs: { node: 0.4, etcd: 0.1 },
    cpuMsTogether: 0.5,
    perSecondOfTwoCores: 4000,
    rawPuts: raw,
  })
  expect(summary.p50Ms).toBeCloseTo(20, 0)
  expect(summary.p95Ms).toBeCloseTo(38, 0)
  const text = formatSummary(summary)
  for (const part of ['20 (target 2,000)', '2 CONFLICT, 1 OVERLOADED', '0.400 ms', '4,000/s']) {
    expect(text).toContain(part)
  }
})

test('nothing committed is no record', () => {
  const load = { ...new LoadTally().result(), seconds: 1 }
  const summary = summarize('counter', OPTIONS, load, new Map(), null)
  expect(summary).toMatchObject({ perSecond: 0, recordsPerSecond: 0, commandsPerRecord: 0 })
  expect(formatSummary(summary)).toMatch(/aborts +none/)
})

test('a load keeps so many of each region under way, and waits for the last', async () => {
  const underWay: [number, number] = [0, 0]
  const most: [number, number] = [0, 0]
  const run = (region: 0 | 1) => async () => {
    underWay[region] += 1
    most[region] = Math.max(most[region], underWay[region])
    await new Promise((resolve) => setImmediate(resolve))
    underWay[region] -= 1
    return { ok: true, index: 1 } as const
  }
  const { committed, seconds } = await runLoad([run(0), run(1)], 3, 0.05)
  expect(most).toEqual([3, 3])
  expect(underWay).toEqual([0, 0])
  expect(committed).toBeGreaterThanOrEqual(6)
  expect(seconds).toBeGreaterThanOrEqual(0.05)
})

test('processes are counted by kind, this one apart', () => {
  expect(kindOf('node us-east')).toBe('node')
  const own = { name: 'this process', region: 'all', pid: process.pid }
  expect([...new CpuKinds(() => [own]).read().keys()]).toEqual(['process'])
  const other = { name: 'etcd us-east', region: 'us-east', pid: 1 }
  expect([...new CpuKinds(() => [other]).read().keys()]).toEqual(['etcd', 'client', 'network'])
})
