/** Another etcd behind the same address: nothing is written to it and nothing believed of it. */
import { expect, onTestFinished, test } from 'vitest'
import { startEtcd, type EtcdEngine } from '../../../src/cluster/engines/etcd.ts'
import { watch } from '../../conformance/commit-log-suite.ts'
import { failureOf } from '../../conformance/support/failure.ts'
import { until } from '../../support/until.ts'
import { newName, openEngine } from './support/open-engine.ts'
import { rawEtcd } from './support/raw-etcd.ts'

const LONG_MS = 120_000
const payload = new Uint8Array([1])

async function start(port?: number): Promise<EtcdEngine> {
  const etcd = await startEtcd({ port })
  onTestFinished(() => etcd.close())
  return etcd
}

test('another cluster under the same address is refused, by appends, reads and tails', async () => {
  const first = await start()
  const name = newName()
  const engine = await openEngine([first.address], { name })
  const log = engine.commitLog()
  const seen = watch(log, 'g', 1)
  expect(await log.append('g', 'one', payload)).toBe(1)
  await until(() => expect(seen.entries).toHaveLength(1), LONG_MS)
  const clusterId = await engine.clusterId()
  expect(clusterId).toMatch(/^\d+$/)
  await first.close()
  await start(Number(first.address.split(':')[1]))
  await until(() => expect(seen.failures).toHaveLength(1), LONG_MS)
  expect(seen.failures).toMatchObject([{ code: 'LOG_FOREIGN' }])
  expect((seen.failures[0] as Error).message).toContain(first.address)
  expect(await failureOf(log.append('g', 'two', payload))).toMatchObject({ code: 'LOG_FOREIGN' })
  expect(await failureOf(log.readIndex('g'))).toMatchObject({ code: 'LOG_FOREIGN' })
  const { kvs } = await rawEtcd(first.address).kv.range({
    key: Buffer.from(`${name}/`),
    range_end: Buffer.from(`${name}0`),
  })
  expect(kvs).toEqual([])
  expect(seen.entries).toHaveLength(1)
})

test('a node that knows its deployment refuses an etcd that lost it', async () => {
  const etcd = await start()
  const name = newName()
  const before = await openEngine([etcd.address], { name })
  const deploymentId = await before.deploymentId()
  expect(await (await openEngine([etcd.address], { name })).deploymentId()).toBe(deploymentId)
  expect(await before.commitLog().append('g', 'one', payload)).toBe(1)
  const seen = watch(before.commitLog(), 'g', 1)
  await until(() => expect(seen.entries).toHaveLength(1), LONG_MS)
  // Wiped, and begun again by somebody who did not know.
  await rawEtcd(etcd.address).delete().prefix(`${name}/`)
  await until(() => expect(seen.failures).toHaveLength(1), LONG_MS)
  expect(seen.failures).toMatchObject([{ code: 'LOG_FOREIGN' }])
  const fresh = await openEngine([etcd.address], { name })
  expect(await fresh.deploymentId()).not.toBe(deploymentId)
  for (const engine of [before, await openEngine([etcd.address], { name, deploymentId })]) {
    const log = engine.commitLog()
    expect(await failureOf(log.append('g', 'two', payload))).toMatchObject({ code: 'LOG_FOREIGN' })
    expect(await failureOf(log.readIndex('g'))).toMatchObject({ code: 'LOG_FOREIGN' })
    const tail = watch(log, 'g', 1)
    await until(() => expect(tail.failures).toMatchObject([{ code: 'LOG_FOREIGN' }]), LONG_MS)
  }
  expect(await fresh.commitLog().readIndex('g')).toBe(0)
})

test('a log that went back under a tail ends it', async () => {
  const etcd = await start()
  const name = newName()
  const log = (await openEngine([etcd.address], { name })).commitLog()
  const seen = watch(log, 'g', 1)
  for (const id of ['one', 'two']) await log.append('g', id, payload)
  await until(() => expect(seen.entries).toHaveLength(2), LONG_MS)
  await rawEtcd(etcd.address).delete().key(`${name}/log/g`)
  await until(() => expect(seen.failures).toMatchObject([{ code: 'POSITION_LOST' }]), LONG_MS)
  expect(seen.entries).toHaveLength(2)
})
