import { expect, test } from 'vitest'
import type { HistoryEvent } from '../../../../replication/verify/history.ts'
import { judge, workloadOf } from '../../../../src/cli/history/judge/judge.ts'
import { FaultLog } from '../../../../src/cli/history/run/fault-log.ts'
import { planFaults } from '../../../../src/cli/history/faults/plan.ts'
import { WORKLOADS, type WorkloadName } from '../../../../src/cli/history/workloads/index.ts'
import { KeyWindow } from '../../../../src/cli/history/workloads/key-window.ts'
import { seededRandom } from '../../../../src/core/seeded-random.ts'

const NAMES = Object.keys(WORKLOADS) as readonly WorkloadName[]

test('a key is used a bounded number of times, and another one takes its place', () => {
  const keys = new KeyWindow('k', 3, 10)
  const random = seededRandom(1)
  const uses = new Map<string, number>()
  for (let i = 0; i < 1_000; i++) {
    const key = keys.pick(random)
    uses.set(key, (uses.get(key) ?? 0) + 1)
  }
  expect(Math.max(...uses.values())).toBe(10)
  expect(keys.all).toEqual(expect.arrayContaining([...uses.keys()]))
})

test.each(NAMES)('%s: the same seed draws the same operations, and no value twice', (name) => {
  const draw = (): readonly unknown[] => {
    const workload = WORKLOADS[name]()
    const random = seededRandom(7)
    return Array.from({ length: 500 }, () => {
      const { f, key, value } = workload.next(random)
      return { f, key, value }
    })
  }
  const operations = draw()
  expect(draw()).toEqual(operations)
  const texts = JSON.stringify(operations)
  const written = [
    ...texts.matchAll(/"append","[a-z0-9]+",(\d+)|"write","key":"\w+","value":(\d+)/g),
  ]
  const values = written.map(([, element, value]) => element ?? value)
  expect(values.length > 0).toBe(name !== 'bank')
  expect(new Set(values).size).toBe(values.length)
})

function event(f: string, key: string | null, value: unknown): HistoryEvent {
  return { process: 0, type: 'invoke', f, key, value, timeNs: 0 }
}

test('a history tells of which workload it is', () => {
  expect(workloadOf([event('read', 'r', null)])).toBe('register')
  expect(workloadOf([event('read', null, null), event('transfer', null, {})])).toBe('bank')
  expect(workloadOf([event('txn', null, [])])).toBe('list-append')
  expect(() => workloadOf([event('read', null, null)])).toThrow('--workload')
  expect(() => workloadOf([])).toThrow('--workload')
})

test('regions that end with different rows are an anomaly of every workload', () => {
  const state = (region: string, value: number): HistoryEvent => ({
    ...event('state', region, { r0: value }),
    type: 'ok',
  })
  for (const name of NAMES) {
    expect(judge(name, [state('a', 1), state('b', 1)]).every(({ isGood }) => isGood)).toBe(true)
    expect(judge(name, [state('a', 1), state('b', 2)]).every(({ isGood }) => isGood)).toBe(false)
  }
})

test('faults are counted, and those under way are named', () => {
  const [fault] = planFaults({ kinds: ['kill-node'], regions: ['a'], forMs: 10_000, seed: 1 })
  if (fault === undefined) throw new Error('nothing was planned')
  const lines: string[] = []
  const log = new FaultLog(
    () => 5,
    (line) => lines.push(line),
  )
  log.plan([fault])
  log.take({ event: 'begun', fault, target: 'node a, pid 7' })
  expect(log.underWay).toEqual(['kill-node node a'])
  expect(log.begun).toBe(1)
  log.take({ event: 'healed', fault, target: 'node a, pid 7' })
  expect(log.underWay).toEqual([])
  expect(Object.fromEntries(log.counts)).toEqual({
    'kill-node': { planned: 1, begun: 1, healed: 1 },
  })
  expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([
    { timeNs: 5, event: 'planned', kind: 'kill-node', region: 'a' },
    { event: 'begun', number: 0, kind: 'kill-node', target: 'node a, pid 7' },
    { event: 'healed' },
  ])
})
