import { expect, test } from 'vitest'
import { FAULT_KINDS, planFaults, type FaultPlan } from '../../../../src/cli/history/faults/plan.ts'

const REGIONS = ['us-east', 'eu-west', 'ap-south']
const PLAN: FaultPlan = { kinds: FAULT_KINDS, regions: REGIONS, forMs: 600_000, seed: 1 }

test('the same seed plans the same faults, another one others', () => {
  expect(planFaults(PLAN)).toEqual(planFaults(PLAN))
  expect(planFaults({ ...PLAN, seed: 2 })).not.toEqual(planFaults(PLAN))
})

test('ten minutes have more than fifty faults, every kind as often as the others', () => {
  for (let seed = 0; seed < 20; seed++) {
    const faults = planFaults({ ...PLAN, seed })
    expect(faults.length).toBeGreaterThan(50)
    const counts = FAULT_KINDS.map((kind) => faults.filter((fault) => fault.kind === kind).length)
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1)
    expect(new Set(faults.map(({ region }) => region))).toEqual(new Set(REGIONS))
  }
})

test('all are over before the run is, and come in order', () => {
  for (let seed = 0; seed < 50; seed++) {
    for (const forMs of [4_000, 15_000, 60_000]) {
      const faults = planFaults({ ...PLAN, seed, forMs })
      expect(faults.length).toBeGreaterThan(0)
      faults.forEach((fault, i) => {
        expect(fault.number).toBe(i)
        expect(fault.atMs).toBeGreaterThanOrEqual(faults[i - 1]?.atMs ?? 0)
        expect(fault.atMs + fault.forMs).toBeLessThan(forMs)
      })
    }
  }
})

test('only a partition is from others: one of them, or all', () => {
  const faults = planFaults(PLAN)
  for (const { kind, region, from } of faults) {
    if (kind !== 'partition') expect(from).toEqual([])
    else {
      expect(from).not.toContain(region)
      expect([1, REGIONS.length - 1]).toContain(from.length)
    }
  }
  const cuts = faults.filter(({ kind }) => kind === 'partition')
  expect(new Set(cuts.map(({ from }) => from.length))).toEqual(new Set([1, 2]))
  expect(new Set(cuts.map(({ mode }) => mode))).toEqual(new Set(['cut', 'blackhole']))
})

test('etcd alone has faults of its leader; some overlap, and one kind alone never does', () => {
  const faults = planFaults(PLAN)
  const kinds = new Set(faults.filter(({ isLeader }) => isLeader).map(({ kind }) => kind))
  expect(kinds).toEqual(new Set(['kill-etcd', 'pause-etcd']))
  const overlaps = (plan: FaultPlan): number => {
    const all = planFaults(plan)
    return all.filter((fault, i) => {
      const before = all[i - 1]
      return before !== undefined && fault.atMs < before.atMs + before.forMs
    }).length
  }
  expect(overlaps(PLAN)).toBeGreaterThan(5)
  expect(overlaps({ ...PLAN, kinds: ['kill-node'] })).toBe(0)
})

test('without kinds there is nothing', () => {
  expect(planFaults({ ...PLAN, kinds: [] })).toEqual([])
})
