/** etcd at its quota: writes are refused and say what to do, reads go on, and it heals. */
import { expect, onTestFinished, test } from 'vitest'
import { startEtcd } from '../../../src/cluster/engines/etcd.ts'
import { isErrorCode } from '../../../src/core/errors.ts'
import { watch } from '../../conformance/commit-log-suite.ts'
import { failureOf } from '../../conformance/support/failure.ts'
import { until } from '../../support/until.ts'
import { openEngine } from './support/open-engine.ts'
import { compactNow, rawEtcd } from './support/raw-etcd.ts'

const LONG_MS = 120_000
const QUOTA_BYTES = 24 * 1024 * 1024

test('at its quota an append is told so and loses nothing; after defragmentation it goes on', async () => {
  const etcd = await startEtcd({ quotaBytes: QUOTA_BYTES })
  onTestFinished(() => etcd.close())
  const engine = await openEngine([etcd.address])
  const log = engine.commitLog()
  const seen = watch(log, 'g', 1)
  const payload = new Uint8Array(1024 * 1024).fill(1)
  let failure: unknown
  let acknowledged = 0
  while (failure === undefined) {
    try {
      acknowledged = await log.append('g', `${acknowledged + 1}`, payload)
    } catch (error) {
      failure = error
    }
  }
  const refused = `${acknowledged + 1}`
  expect(failure).toMatchObject({
    code: 'LOG_FULL',
    retry: 'unknown-outcome',
    details: { engine: 'etcd', addresses: [etcd.address] },
  })
  expect((failure as Error).message).toContain(etcd.address)
  expect((failure as Error).message).toContain('etcdctl alarm disarm')
  // Whether the first that is refused is in the log is etcd's secret; later ones are not.
  expect(await failureOf(log.append('g', 'late', payload))).toMatchObject({ code: 'LOG_FULL' })
  expect([acknowledged, acknowledged + 1]).toContain(await log.readIndex('g'))
  await until(() => expect(seen.entries.length).toBeGreaterThanOrEqual(acknowledged), LONG_MS)
  expect(await engine.status()).toMatchObject([{ reachable: true, alarms: ['NOSPACE'] }])
  const client = rawEtcd(etcd.address)
  await compactNow(client)
  await client.maintenance.defragment()
  const { alarms } = await client.maintenance.alarm({ action: 'Get' })
  for (const { memberID, alarm } of alarms) {
    await client.maintenance.alarm({ action: 'Deactivate', memberID, alarm })
  }
  await until(async () => {
    const next = await log.append('g', refused, payload).catch((error: unknown) => {
      if (isErrorCode(error, 'LOG_FULL', 'LOG_UNAVAILABLE')) return 0
      throw error
    })
    expect(next).toBe(acknowledged + 1)
  }, LONG_MS)
  expect(await log.append('g', 'next', payload)).toBe(acknowledged + 2)
  await until(() => expect(seen.entries).toHaveLength(acknowledged + 2), LONG_MS)
  expect(seen.entries.map(({ id }) => id)).toEqual([
    ...Array.from({ length: acknowledged + 1 }, (_, i) => `${i + 1}`),
    'next',
  ])
  expect(seen.failures).toEqual([])
})
