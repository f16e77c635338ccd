/** Members that die, stand still and come back: nothing acknowledged is lost, nothing comes twice. */
import { expect, onTestFinished, test } from 'vitest'
import { startEtcdCluster, type EtcdCluster } from '../../../src/cluster/engines/etcd.ts'
import type { EtcdEngine } from '../../../src/drivers/etcd/open-etcd.ts'
import { watch } from '../../conformance/commit-log-suite.ts'
import { until } from '../../support/until.ts'
import { openEngine } from './support/open-engine.ts'
import { problemsIn, startWriters } from './support/writers.ts'

const LONG_MS = 120_000

async function startThree(): Promise<EtcdCluster> {
  const cluster = await startEtcdCluster({ names: ['a', 'b', 'c'] })
  onTestFinished(() => cluster.close())
  return cluster
}

/** The place of the leader among the members. */
async function leaderOf(engine: EtcdEngine): Promise<number> {
  let leader = -1
  await until(async () => {
    leader = (await engine.status()).findIndex(({ isLeader }) => isLeader === true)
    expect(leader).toBeGreaterThanOrEqual(0)
  }, LONG_MS)
  return leader
}

test('the leader is killed under appends, and comes back: none lost, none twice', async () => {
  const { addresses, members } = await startThree()
  const engine = await openEngine(addresses)
  const log = engine.commitLog()
  const seen = watch(log, 'g', 1)
  const writers = startWriters(log, 'g', 8)
  await until(() => expect(writers.acknowledged.size).toBeGreaterThan(50), LONG_MS)
  const leader = members[await leaderOf(engine)]
  await leader?.kill()
  const whenKilled = writers.acknowledged.size
  await until(() => expect(writers.acknowledged.size).toBeGreaterThan(whenKilled + 50), LONG_MS)
  await leader?.restart()
  const whenBack = writers.acknowledged.size
  await until(() => expect(writers.acknowledged.size).toBeGreaterThan(whenBack + 50), LONG_MS)
  await writers.stop()
  const last = await log.readIndex('g')
  await until(() => expect(seen.entries).toHaveLength(last), LONG_MS)
  expect(problemsIn(seen.entries, writers.acknowledged)).toEqual([])
  expect(seen.failures).toEqual([])
  await until(async () => {
    expect((await engine.status()).map(({ reachable }) => reachable)).toEqual([true, true, true])
  }, LONG_MS)
})

test('the member that is asked first stands still: appends and tails go on at the next', async () => {
  const { addresses, members } = await startThree()
  const engine = await openEngine(addresses)
  const log = engine.commitLog()
  const seen = watch(log, 'g', 1)
  const writers = startWriters(log, 'g', 4)
  await until(() => expect(seen.entries.length).toBeGreaterThan(20), LONG_MS)
  members[0]?.signal('SIGSTOP')
  const whenStopped = writers.acknowledged.size
  await until(() => {
    expect(writers.acknowledged.size).toBeGreaterThan(whenStopped + 50)
    expect(seen.entries.length).toBeGreaterThan(whenStopped + 50)
  }, LONG_MS)
  members[0]?.signal('SIGCONT')
  await writers.stop()
  const last = await log.readIndex('g')
  await until(() => expect(seen.entries).toHaveLength(last), LONG_MS)
  expect(problemsIn(seen.entries, writers.acknowledged)).toEqual([])
  expect(seen.failures).toEqual([])
})

test('all members restart: the log goes on where it was', async () => {
  const { addresses, members } = await startThree()
  const engine = await openEngine(addresses)
  const log = engine.commitLog()
  const seen = watch(log, 'g', 1)
  const writers = startWriters(log, 'g', 4)
  await until(() => expect(seen.entries.length).toBeGreaterThan(20), LONG_MS)
  await Promise.all(members.map((member) => member.kill()))
  await Promise.all(members.map((member) => member.restart()))
  const whenBack = writers.acknowledged.size
  await until(() => expect(writers.acknowledged.size).toBeGreaterThan(whenBack + 20), LONG_MS)
  await writers.stop()
  const last = await log.readIndex('g')
  await until(() => expect(seen.entries).toHaveLength(last), LONG_MS)
  expect(problemsIn(seen.entries, writers.acknowledged)).toEqual([])
})
