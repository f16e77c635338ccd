import { expect, test } from 'vitest'
import { MeridianError } from '../../../../src/core/errors.ts'
import { GrowthLog } from '../../../../benchmarks/growth/growth-log.ts'
import { holderClasses } from '../../../../benchmarks/growth/holders.ts'
import { loadRows, rowKey } from '../../../../benchmarks/growth/load-rows.ts'
import { benchConfig } from '../../../../benchmarks/run/open-target.ts'
import { readTopology } from '../../../../benchmarks/topologies/index.ts'

const POINT = { series: 'write', x: 10, xUnit: 'rows', y: 1, yUnit: 'ms' }
const { signal } = new AbortController()
const SHAPE = { batchRows: 10, atOnce: 3, deadlineMs: Number.POSITIVE_INFINITY, signal }

test('every row is loaded once, in batches', async () => {
  const rows: number[] = []
  const insert = async (from: number, to: number): Promise<void> => {
    expect(to - from).toBeLessThanOrEqual(10)
    for (let n = from; n < to; n++) rows.push(n)
  }
  expect(await loadRows({ ...SHAPE, from: 5, to: 48, insert })).toBe(48)
  expect(rows.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 43 }, (_, i) => i + 5))
})

test('a load that runs out of time says how far it came', async () => {
  const inserted: number[] = []
  const insert = async (from: number): Promise<void> => void inserted.push(from)
  expect(await loadRows({ ...SHAPE, deadlineMs: -1, from: 7, to: 48, insert })).toBe(7)
  expect(inserted).toEqual([])
})

test('a batch that fails ends the load', async () => {
  let batches = 0
  const insert = (): Promise<void> =>
    ++batches === 2 ? Promise.reject(new Error('full')) : Promise.resolve()
  await expect(loadRows({ ...SHAPE, from: 0, to: 10_000, insert })).rejects.toThrow('full')
  expect(batches).toBeLessThan(10)
})

test('keys of rows sort as numbers do', () => {
  const keys = [2, 10, 999, 1_000_000].map(rowKey)
  expect(keys.toSorted()).toEqual(keys)
})

test('what was measured before a failure stays', async () => {
  const log = new GrowthLog()
  const result = await log.collect(async () => {
    log.add([POINT], ['one failed'])
    throw new MeridianError('DEADLINE_EXCEEDED', 'Not settled.')
  })
  expect(result.growth).toEqual([POINT])
  expect(result.notes?.[0]).toBe('one failed')
  expect(result.notes?.[1]).toContain('Not measured further: DEADLINE_EXCEEDED: Not settled.')
})

test('a failure with nothing to tell is a failure', async () => {
  const log = new GrowthLog()
  await expect(log.collect(() => Promise.reject(new Error('no way')))).rejects.toThrow('no way')
})

test('classes of tenants hold rows in fewer and fewer regions, the nearest last', async () => {
  const topology = await readTopology('triangle')
  expect(holderClasses(topology, 'eu-west')).toEqual({
    'held-by-1': ['eu-west'],
    'held-by-2': ['eu-west', 'us-east'],
  })
  expect(benchConfig(topology, 'eu-west').residency).toEqual({
    default: topology.regions,
    'held-by-1': ['eu-west'],
    'held-by-2': ['eu-west', 'us-east'],
  })
})
