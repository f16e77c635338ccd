/** Three regions on files: a copy that was changed on disk, and a record that no store takes (S32 to S34). */
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import {
  openFileCommitLog,
  type SharedCommitLog,
} from '../../src/drivers/commit-log/file-commit-log.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import { strongAction } from '../../src/node/strong-actions.ts'
import { compileSchema } from '../../src/schema/compile.ts'
import { tempFolder } from '../conformance/support/temp-folder.ts'
import { ReseedNodes, schema, type Db } from '../support/reseed-nodes.ts'
import { until } from '../support/until.ts'
import type { RegionNode } from '../../src/node/region-node.ts'

const REGIONS = ['us-east', 'eu-west', 'ap-south'] as const
const plans = compileSchema(schema).compiled.tableByName.get('plans')
const [PLANS, ID, PRICE] = [
  plans?.physicalName ?? '',
  `c${plans?.columnByName.get('id')?.id}`,
  `c${plans?.columnByName.get('price')?.id}`,
]
let log: SharedCommitLog
let nodes: ReseedNodes
let opened: RegionNode[]
let dbs: Db[]

beforeEach(async () => {
  const path = join(tempFolder(), 'log.db')
  log = await openFileCommitLog({ path, timers: systemRuntime.timers })
  const digests = { compareEveryMs: 50, verifyEveryMs: 100, share: 1 }
  nodes = new ReseedNodes({ commitLog: () => log.handle(), digests })
  opened = []
  for (const region of REGIONS) opened.push(await nodes.open(region))
  dbs = await Promise.all(REGIONS.map((region) => nodes.connect(region)))
})

afterEach(async () => {
  await nodes.closeAll()
  await log.close()
})

const plan = (i: number) => ({ id: `p${i}`, name: `name ${i}`, kind: `k${i % 3}`, price: i })

async function pricesIn(db: Db | undefined): Promise<unknown[]> {
  const { rows } = (await db?.plans.list({ limit: 1_000, consistency: 'strong' })) ?? { rows: [] }
  return rows.map(({ price }) => price)
}

const statusOf = (node: RegionNode) => node.status().logGroups.find(({ group }) => group === 'main')

it('a row that was changed on disk is found, mended, and never read as strong meanwhile', async () => {
  const [us, , ap] = dbs
  await us?.plans.insertMany(Array.from({ length: 200 }, (_, i) => plan(i)))
  const right = await pricesIn(us)
  const node = opened[2] as RegionNode
  await pricesIn(ap)
  await node.store.write([
    { sql: 'UPDATE _tx SET capture = 0', args: [] },
    { sql: `UPDATE ${PLANS} SET ${PRICE} = 7777 WHERE ${ID} = 'p5'`, args: [] },
  ])
  await until(() => expect(nodes.told).toContain('ap-south main whole'))
  await until(async () => expect(await pricesIn(ap)).toEqual(right))
  expect(statusOf(node)?.digests.divergences).toBe(1)
  expect(nodes.told.filter((line) => !line.startsWith('ap-south main'))).toEqual([])
  // Everybody says that all are equal, at an index behind it.
  const { applied } = statusOf(node) ?? { applied: 0 }
  for (const one of opened) {
    await until(() =>
      expect(statusOf(one)?.digests).toMatchObject({ agreedIndex: applied, differs: null }),
    )
  }
  expect(nodes.failures).toEqual([])
})

it('a record that the stores of all regions refuse is skipped at an operator’s word', async () => {
  const [us, eu, ap] = dbs
  await us?.plans.insert(plan(1))
  for (const { store } of opened) {
    const sql = `CREATE TRIGGER poison BEFORE INSERT ON ${PLANS} WHEN new.${ID} = 'poison'
      BEGIN SELECT RAISE(FAIL, 'poison'); END`
    await store.write([{ sql, args: [] }])
  }
  const write = us?.plans.insert({ ...plan(2), id: 'poison' })
  await expect(write).rejects.toMatchObject({ code: 'INTERNAL', retry: 'unknown-outcome' })
  await until(() => expect(nodes.failures).toHaveLength(REGIONS.length))
  await expect(pricesIn(eu)).rejects.toMatchObject({ code: 'INTERNAL' })
  const index = (statusOf(opened[0] as RegionNode)?.applied ?? 0) + 1
  const act = (region: RegionNode | undefined, fields: object) =>
    strongAction(
      region === undefined ? [] : [{ region: region.region, groups: region.operated }],
      'skip',
      new TextEncoder().encode(JSON.stringify({ group: 'main', index, ...fields })),
    )
  expect(await act(opened[1], { dryRun: true })).toMatchObject({
    record: { commands: [{ operations: ['insert plans'] }] },
    regions: [{ refusal: null }, { refusal: null }, { refusal: null }],
    skippedAt: null,
  })
  expect(await act(opened[2], {})).toMatchObject({ skippedAt: index + 1 })
  await until(async () => expect(await pricesIn(eu)).toEqual([1]))
  await ap?.plans.insert(plan(3))
  for (const db of dbs) expect(await pricesIn(db)).toEqual([1, 3])
  const again = act(opened[2], {})
  await expect(again).rejects.toMatchObject({ code: 'CONDITION_FAILED' })
  expect(nodes.told).toEqual([])
})
