/** A region that is away while etcd is compacted behind the others, and comes back (S21 to S27). */
import { expect, onTestFinished, test } from 'vitest'
import { startTrimmer } from '../../../replication/strong/trimmer.ts'
import { startEtcd } from '../../../src/cluster/engines/etcd.ts'
import { defaultConfig } from '../../../src/config/parse-config.ts'
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'
import { ReseedNodes, type Db } from '../../support/reseed-nodes.ts'
import { until } from '../../support/until.ts'
import { openEngine } from '../etcd/support/open-engine.ts'

const LONG_MS = 120_000
/** etcd's shortest: ids that go soon, so that they do not hold back compaction for long. */
const SHORT = { ttlSeconds: 2, rotateMs: 500 }
const [US, EU, AP] = ['us-east', 'eu-west', 'ap-south'] as const
const MAX_RETAINED_RECORDS = 20

async function allPlans(db: Db): Promise<unknown[]> {
  const { rows } = await db.plans.list({ limit: 1_000, consistency: 'strong' })
  return [...rows]
}

async function write(db: Db, from: number, count: number): Promise<void> {
  for (let i = from; i < from + count; i++) {
    await db.plans.upsert({ id: `p${i % 30}`, name: `name ${i}`, kind: `k${i % 3}`, price: i })
    if (i % 7 === 0) await db.plans.delete(`p${(i + 3) % 30}`)
  }
}

test('others go on and trim; it is seeded when it returns, and follows the log again', async () => {
  const server = await startEtcd()
  onTestFinished(() => server.close())
  const etcd = await openEngine([server.address], { idLease: SHORT })
  const { retention } = etcd
  const config = defaultConfig()
  const { regions } = config
  const nodes = new ReseedNodes({
    commitLog: () => etcd.commitLog(),
    retention,
    config: {
      ...config,
      commitLog: {
        ...config.commitLog,
        etcd: { members: {}, maxRetainedRecords: MAX_RETAINED_RECORDS },
      },
    },
  })
  onTestFinished(() => nodes.closeAll())
  for (const region of regions) await nodes.open(region)
  const us = await nodes.connect(US)
  await write(us, 0, 40)
  await until(async () =>
    expect(await allPlans(await nodes.connect(AP))).toEqual(await allPlans(us)),
  )
  await nodes.close(AP)
  // It told the others on its way out how far it was.
  const left = (await retention.reported('main')).get(AP) ?? 0
  expect(left).toBeGreaterThan(40)
  await write(us, 100, 60)
  const log = etcd.commitLog()
  const trimmer = startTrimmer({
    region: 'trimmer',
    regions,
    groups: [{ group: 'main', retainFrom: () => undefined }],
    log,
    retention,
    runtime: systemRuntime,
    maxRetainedRecords: MAX_RETAINED_RECORDS,
    marginRecords: 2,
    minTrimRecords: 0,
  })
  onTestFinished(() => trimmer.stop())
  const isGone = async (): Promise<boolean> => {
    const failed = await new Promise<boolean>((resolve) => {
      const tail = log.tail('main', left - 1, {
        onEntries: async () => resolve(false),
        onFailure: () => resolve(true),
      })
      onTestFinished(() => tail.stop())
    })
    return failed
  }
  await until(async () => {
    await trimmer.trim()
    expect(trimmer.status()).toMatchObject([{ leftBehind: [AP], error: null }])
    expect(await isGone()).toBe(true)
  }, LONG_MS)
  await nodes.open(AP)
  const ap = await nodes.connect(AP)
  await until(async () => expect(await allPlans(ap)).toEqual(await allPlans(us)), LONG_MS)
  expect(nodes.told).toContain(`${AP} main whole`)
  await ap.plans.insert({ id: 'back', name: 'back', kind: 'k', price: 1 })
  await write(us, 200, 10)
  const eu = await nodes.connect(EU)
  expect(await allPlans(eu)).toEqual(await allPlans(ap))
  expect(nodes.failures).toEqual([])
})
