import { expect, it } from 'vitest'
import { parseConfig } from '../../../src/config/parse-config.ts'
import type { RegionNode } from '../../../src/node/region-node.ts'
import {
  shareReports,
  strongReport,
  type LeaseReport,
  type StrongReport,
} from '../../../src/node/strong-report.ts'

const ETCD = JSON.stringify({
  regions: ['a', 'b'],
  topology: { 'a/b': 1 },
  commitLog: { etcd: { members: { a: ['h:1', 'h:2'], b: ['h:3'] } } },
})
const GROUP = { group: 'main' } as StrongReport['regions'][number]['groups'][number]
const LEASES: LeaseReport = {
  group: 'local',
  remainingMs: 5,
  applied: 9,
  stableIndex: 8,
  markedTransactions: 1,
  holders: [{ region: 'a', databaseId: 'a.1', index: 7, isHeld: true }],
}
const nodes = new Map([
  ['a', { probeLog: async () => [GROUP], leases: () => LEASES } as unknown as RegionNode],
])
const writes = (): StrongReport['writes'] => [{ origin: 'b', total: 2, perSecond: 0.5 }]

it('names the region of each member that was probed', async () => {
  const addresses = ['h:1', 'h:2', 'h:3']
  const etcd = {
    roundTrips: async () => addresses.map((address, i) => ({ address, roundTripMs: i })),
  }
  const config = parseConfig(ETCD, 'test')
  expect(await strongReport({ config, nodes, etcd, writes })).toEqual({
    regions: [{ region: 'a', groups: [GROUP], leases: LEASES }],
    members: [
      { address: 'h:1', region: 'a', roundTripMs: 0 },
      { address: 'h:2', region: 'a', roundTripMs: 1 },
      { address: 'h:3', region: 'b', roundTripMs: 2 },
    ],
    writes: writes(),
  })
})

it('of a log in a file has no members', async () => {
  const config = parseConfig('regions: [a]', 'test')
  const report = await strongReport({ config, nodes, etcd: undefined, writes })
  expect(report.members).toBeNull()
})

it('is drawn once for all who ask meanwhile, and anew for who asks later', async () => {
  let asked = 0
  const finish: (() => void)[] = []
  const ask = shareReports(
    () =>
      new Promise((resolve) => {
        const report = { regions: [], members: null, writes: writes(), n: ++asked }
        finish.push(() => resolve(report))
      }),
  )
  const [first, second] = [ask(), ask()]
  finish[0]?.()
  expect(await first).toBe(await second)
  const third = ask()
  finish[1]?.()
  await third
  expect(asked).toBe(2)
})
