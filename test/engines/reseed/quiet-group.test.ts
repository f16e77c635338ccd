/** A group where little happens does not keep etcd from forgetting what a busy one has written (S21). */
import { expect, onTestFinished, test } from 'vitest'
import { startTrimmer } from '../../../replication/strong/trimmer.ts'
import { startEtcd } from '../../../src/cluster/engines/etcd.ts'
import { defaultConfig } from '../../../src/config/parse-config.ts'
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'
import { ReseedNodes } from '../../support/reseed-nodes.ts'
import { until } from '../../support/until.ts'
import { openEngine } from '../etcd/support/open-engine.ts'
import { compactedBelow, rawEtcd } from '../etcd/support/raw-etcd.ts'

const LONG_MS = 120_000
/** etcd's shortest: ids that go soon, so that they do not hold back compaction for long. */
const SHORT = { ttlSeconds: 2, rotateMs: 500 }
const [US, AP] = ['us-east', 'ap-south'] as const
const WRITES = 60
/** The default. */
const MAX_RETAINED_RECORDS = 1_000_000

test('etcd is compacted behind the busy one, and whoever returns has all that it asks for', async () => {
  const server = await startEtcd()
  onTestFinished(() => server.close())
  const etcd = await openEngine([server.address], { idLease: SHORT })
  const { retention } = etcd
  const config = defaultConfig()
  const { regions } = config
  const limits = { members: {}, maxRetainedRecords: MAX_RETAINED_RECORDS }
  const nodes = new ReseedNodes({
    commitLog: () => etcd.commitLog(),
    retention,
    config: { ...config, commitLog: { ...config.commitLog, etcd: limits } },
  })
  onTestFinished(() => nodes.closeAll())
  for (const region of regions) await nodes.open(region)
  const us = await nodes.connect(US)
  await us.tenants.create({ id: 'acme', home: US })
  for (let i = 0; i < WRITES; i++) {
    await us.plans.upsert({ id: 'p', name: `name ${i}`, kind: 'k', price: i })
  }
  const trimmer = startTrimmer({
    region: 'trimmer',
    regions,
    groups: ['system', 'main'].map((group) => ({ group, retainFrom: () => undefined })),
    log: etcd.commitLog(),
    retention,
    runtime: systemRuntime,
    maxRetainedRecords: MAX_RETAINED_RECORDS,
  })
  onTestFinished(() => trimmer.stop())
  const client = rawEtcd(server.address)
  const { header } = await client.kv.range({ key: Buffer.from('x'), count_only: true })
  const written = Number(header.revision)
  await until(async () => {
    // A log that does not move is not trimmed again.
    await us.plans.upsert({ id: 'p', name: 'again', kind: 'k', price: 0 })
    await trimmer.trim()
    expect(await compactedBelow(client)).toBeGreaterThanOrEqual(written)
  }, LONG_MS)

  await nodes.close(AP)
  await nodes.open(AP)
  const ap = await nodes.connect(AP)
  await us.plans.upsert({ id: 'p', name: 'the last one', kind: 'k', price: 0 })
  await us.tenants.create({ id: 'later', home: US })
  const plan = await ap.plans.get('p', { consistency: 'strong' })
  expect(plan).toMatchObject({ name: 'the last one' })
  // Nothing that a region needs was gone.
  expect(nodes.told).toEqual([])
  expect(nodes.failures).toEqual([])
})
