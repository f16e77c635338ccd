import { describe, expect, it } from 'vitest'
import { chooseWorkloads, WORKLOADS } from '../../../../benchmarks/workloads/index.ts'

const PLAN = {
  engines: 'embedded',
  topology: { regions: ['a'], oneWayMs: {} },
  leader: 'a',
  rateOpsPerSecond: 10,
} as const

describe('WORKLOADS', () => {
  it('has steps of its own under every name', () => {
    const names = Object.values(WORKLOADS).flatMap((entry) =>
      entry.steps(PLAN).map((step) => step.name),
    )
    expect(new Set(names).size).toBe(names.length)
    expect(Object.keys(WORKLOADS)).toEqual([
      'ycsb-a',
      'ycsb-b',
      'ycsb-c',
      'ycsb-d',
      'ycsb-e',
      'ycsb-f',
      'movr',
      'read-mostly',
      'view-load',
      'hot-key',
      'many-tenants',
    ])
    expect(names.filter((name) => name.startsWith('ycsb-f'))).toEqual([
      'ycsb-f strong',
      'ycsb-f pinned',
      'ycsb-f eventual',
    ])
  })

  it('says of each in a line what it does', () => {
    for (const { summary } of Object.values(WORKLOADS)) {
      expect(summary).toMatch(/^\S.{10,90}$/)
    }
  })
})

describe('chooseWorkloads', () => {
  it('gives each once, in the order in which they run', () => {
    expect(chooseWorkloads(['movr', 'ycsb-b', 'movr'])).toEqual([
      WORKLOADS['ycsb-b'],
      WORKLOADS['movr'],
    ])
  })

  it('refuses a name that there is not, and lists those that there are', () => {
    expect(() => chooseWorkloads(['ycsb-a', 'tpcc'])).toThrow(
      expect.objectContaining({
        code: 'INVALID_ARGUMENT',
        message: expect.stringMatching(/no workload 'tpcc'.*ycsb-a, .*many-tenants/),
      }),
    )
    expect(() => chooseWorkloads(['toString'])).toThrow(/no workload/)
  })
})
