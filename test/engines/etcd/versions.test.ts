/** Regions of two versions of the node on one log in etcd (protocol rule 13). */
import { expect, onTestFinished, test } from 'vitest'
import type { StrongFaults } from '../../../replication/strong/faults.ts'
import { decodeRecord } from '../../../replication/strong/record.ts'
import type { EtcdEngine } from '../../../src/drivers/etcd/open-etcd.ts'
import { rangeDigest } from '../../../src/session/range-digest.ts'
import { engines } from '../../support/engines.ts'
import {
  account,
  accounts,
  insert,
  openRegion,
  replicatedState,
  transaction,
  type Region,
} from '../../support/strong-region.ts'
import { until } from '../../support/until.ts'
import { newName, openEngine } from './support/open-engine.ts'

const LONG_MS = 120_000
const NAMES = ['us', 'eu', 'ap']

const NOTHING = {
  table: accounts.id,
  range: {
    where: [{ column: 0, op: '=' as const, values: ['nobody'] }],
    orderBy: [],
    limit: 1,
    after: null,
  },
  digest: rangeDigest(accounts, []),
}

function write({ engine }: Region, id: string, isRanged: boolean): Promise<unknown> {
  const reads = isRanged ? [NOTHING] : []
  return engine.commit(transaction([insert(accounts, account(id))], { reads }))
}

/** What the records of the log need, as etcd has them. */
async function needs(etcd: EtcdEngine): Promise<number[]> {
  const log = etcd.commitLog()
  const end = await log.readIndex('main')
  const found: number[] = []
  await new Promise<void>((resolve, reject) => {
    const tail = log.tail('main', 1, {
      onEntries: async (entries) => {
        found.push(...entries.map(({ payload }) => decodeRecord(payload).machineVersion))
        if (found.length >= end) resolve()
        await Promise.resolve()
      },
      onFailure: reject,
    })
    onTestFinished(() => tail.stop())
  })
  return found
}

test('a rolling upgrade: the log rises when the last region is there, and an old node stops', async () => {
  const name = newName()
  const etcds = new Map<string, EtcdEngine>()
  for (const region of NAMES)
    etcds.set(region, await openEngine([engines().etcd.endpoint], { name }))
  const open = async (
    region: string,
    faults: StrongFaults,
    store?: Region['store'],
  ): Promise<Region> => {
    const etcd = etcds.get(region) as EtcdEngine
    const node = await openRegion(etcd.commitLog(), {
      faults,
      versions: { region, regions: NAMES, support: etcd.support },
      ...(store === undefined ? {} : { store }),
    })
    onTestFinished(() => node.engine.close())
    return node
  }
  const nodes = new Map<string, Region>()
  for (const region of NAMES) nodes.set(region, await open(region, { machineVersion: 1 }))
  for (const [i, region] of NAMES.entries()) {
    const old = nodes.get(region) as Region
    await write(old, `before-${region}`, false)
    await expect(write(old, 'never', true)).rejects.toMatchObject({
      code: 'SCHEMA_INCOMPATIBLE',
      retry: 'safe',
      details: { behind: NAMES.slice(i) },
    })
    await old.engine.close()
    nodes.set(region, await open(region, {}, old.store))
  }
  const upgraded = [...nodes.values()]
  expect(Math.max(...(await needs(etcds.get('us') as EtcdEngine)).slice(0, NAMES.length))).toBe(1)
  for (const [i, node] of upgraded.entries()) await write(node, `after-${i}`, true)
  for (const { engine } of upgraded) await engine.catchUp({ timeoutMs: LONG_MS })
  const states = await Promise.all(upgraded.map(({ store }) => replicatedState(store)))
  expect(new Set(states).size).toBe(1)
  expect(upgraded.flatMap(({ failures }) => failures)).toEqual([])
  const late = await open('ap', { machineVersion: 2 })
  await until(() => expect(late.failures).toMatchObject([{ code: 'SCHEMA_INCOMPATIBLE' }]), LONG_MS)
  expect(late.engine.applied()).toBe(NAMES.length)
})

test('what regions report of a machine is kept apart, by group, beside what they need of the log', async () => {
  const { support, retention } = await openEngine([engines().etcd.endpoint])
  await support.report('g', 'eu', 3)
  await support.report('g', 'us', 2)
  await support.report('g', 'us', 4)
  await support.report('other/g', 'eu', 9)
  await retention.report('g', 'eu', 70)
  expect(await support.reported('g')).toEqual(
    new Map([
      ['eu', 3],
      ['us', 4],
    ]),
  )
  expect(await support.reported('h')).toEqual(new Map())
})
