/** Trimming and compaction: what nobody needs goes, what anybody needs stays, what is gone is told. */
import type { Etcd3 } from 'etcd3'
import { expect, onTestFinished, test } from 'vitest'
import { startEtcd } from '../../../src/cluster/engines/etcd.ts'
import type { CommitLog } from '../../../src/core/ports/commit-log.ts'
import { watch } from '../../conformance/commit-log-suite.ts'
import { until } from '../../support/until.ts'
import { openEngine } from './support/open-engine.ts'
import { compactedBelow, compactNow, rawEtcd } from './support/raw-etcd.ts'

const LONG_MS = 120_000
/** etcd's shortest: ids that go soon, so that they do not hold back compaction for long. */
const SHORT = { ttlSeconds: 2, rotateMs: 500 }

async function startOne(): Promise<{ address: string; client: Etcd3 }> {
  const etcd = await startEtcd()
  onTestFinished(() => etcd.close())
  return { address: etcd.address, client: rawEtcd(etcd.address) }
}

async function append(log: CommitLog, group: string, count: number, mark = ''): Promise<void> {
  for (let i = 1; i <= count; i++) await log.append(group, `${mark}${i}`, Buffer.from(`${i}`))
}

/** Trims again and again, as nodes do, until etcd has compacted to there. */
async function trimUntil(
  log: CommitLog,
  group: string,
  beforeIndex: number,
  isDone: () => Promise<boolean>,
): Promise<void> {
  await until(async () => {
    await log.trim(group, beforeIndex)
    expect(await isDone()).toBe(true)
  }, LONG_MS)
}

async function modRevision(client: Etcd3, key: string, revision?: number): Promise<number> {
  const range = { key: Buffer.from(key), ...(revision === undefined ? {} : { revision }) }
  const { kvs } = await client.kv.range(range)
  return Number(kvs[0]?.mod_revision ?? 0)
}

test('a tail that was stopped while etcd was compacted past it is told, and gets nothing', async () => {
  const { address, client } = await startOne()
  const log = (await openEngine([address])).commitLog()
  await append(log, 'g', 5)
  const seen = watch(log, 'g', 1)
  await until(() => expect(seen.entries).toHaveLength(5), LONG_MS)
  await seen.tail.stop()
  await append(log, 'g', 5, 'more-')
  await compactNow(client)
  const again = watch(log, 'g', 5)
  await until(() => expect(again.failures).toHaveLength(1), LONG_MS)
  expect(again.failures).toMatchObject([{ code: 'LOG_COMPACTED', details: { group: 'g' } }])
  expect(again.entries).toEqual([])
  const last = watch(log, 'g', 10)
  await until(() => expect(last.entries).toHaveLength(1), LONG_MS)
  expect(last.entries).toMatchObject([{ index: 10, id: 'more-5' }])
})

test('every entry that is kept can be begun at, also between foreign writes', async () => {
  const { address, client } = await startOne()
  const log = (await openEngine([address])).commitLog()
  for (let i = 1; i <= 30; i++) {
    await log.append('g', `${i}`, Buffer.from(`${i}`))
    for (let other = 0; other < i % 4; other++) await client.put('other').value(`${i}`)
  }
  for (let from = 1; from <= 30; from++) {
    const seen = watch(log, 'g', from)
    await until(() => expect(seen.entries).toHaveLength(31 - from), LONG_MS)
    expect(seen.entries[0]).toMatchObject({ index: from, id: `${from}` })
    await seen.tail.stop()
  }
})

test('a trim compacts up to its entry and not further; a repeated append keeps its index', async () => {
  const { address, client } = await startOne()
  const engine = await openEngine([address], { idLease: SHORT })
  const log = engine.commitLog()
  await append(log, 'g', 20)
  expect(await log.append('g', '20', Buffer.from('again'))).toBe(20)
  await log.trim('g', 15)
  // Ids that may still come again hold it back.
  expect(await log.append('g', '2', Buffer.from('again'))).toBe(2)
  await trimUntil(log, 'g', 16, async () => (await compactedBelow(client)) > 0)
  const kept = watch(log, 'g', 16)
  await until(() => expect(kept.entries).toHaveLength(5), LONG_MS)
  const gone = watch(log, 'g', 14)
  await until(() => expect(gone.failures).toMatchObject([{ code: 'LOG_COMPACTED' }]), LONG_MS)
  expect(await log.readIndex('g')).toBe(20)
  expect(await log.append('g', 'next', Buffer.from('x'))).toBe(21)
})

test('what another group or another deployment needs is not compacted', async () => {
  const { address, client } = await startOne()
  const [ours, theirs] = [
    await openEngine([address], { name: 'ours', idLease: SHORT }),
    await openEngine([address], { name: 'theirs', idLease: SHORT }),
  ]
  const [log, other] = [ours.commitLog(), theirs.commitLog()]
  await append(log, 'idle', 3)
  await append(log, 'unmarked', 3)
  await append(other, 'g', 3)
  await append(log, 'g', 10)
  await log.trim('idle', 3)
  await log.trim('g', 10)
  for (const [who, group] of [
    [log, 'unmarked'],
    [other, 'g'],
  ] as const) {
    const seen = watch(who, group, 1)
    await until(() => expect(seen.entries).toHaveLength(3), LONG_MS)
  }
  // Once those need nothing any more, the idle group does not hold it back either.
  await other.trim('g', 3)
  await log.trim('unmarked', 3)
  const last = await modRevision(client, 'ours/log/g')
  await trimUntil(log, 'g', 10, async () => (await compactedBelow(client)) >= last)
  for (const [who, group, index] of [
    [log, 'idle', 3],
    [log, 'unmarked', 3],
    [other, 'g', 3],
    [log, 'g', 10],
  ] as const) {
    const seen = watch(who, group, index)
    await until(() => expect(seen.entries).toHaveLength(1), LONG_MS)
    expect(seen.entries[0]?.index).toBe(index)
    expect(await who.append(group, 'next', Buffer.from('x'))).toBe(index + 1)
  }
})

test('an append that is repeated after a compaction by hand is not appended again', async () => {
  const { address, client } = await startOne()
  const log = (await openEngine([address])).commitLog()
  await append(log, 'g', 5)
  await compactNow(client)
  await append(log, 'g', 3, 'more-')
  // Which of the compacted ones it was cannot be told any more; that it is there can.
  expect(await log.append('g', '2', Buffer.from('x'))).toBe(5)
  expect(await log.append('g', '5', Buffer.from('x'))).toBe(5)
  expect(await log.append('g', 'more-2', Buffer.from('x'))).toBe(7)
  expect(await log.readIndex('g')).toBe(8)
})

test('marks only grow, whoever trims', async () => {
  const { address } = await startOne()
  const engine = await openEngine([address])
  const [a, b] = [engine.commitLog(), engine.commitLog()]
  await append(a, 'g', 10)
  await Promise.all([a.trim('g', 8), b.trim('g', 3), a.trim('g', 5)])
  await b.trim('g', 2)
  const below = watch(a, 'g', 7)
  await until(() => expect(below.failures).toMatchObject([{ code: 'LOG_COMPACTED' }]), LONG_MS)
  const at = watch(b, 'g', 8)
  await until(() => expect(at.entries).toHaveLength(3), LONG_MS)
})

test('a running tail goes on over a compaction of all that it has', async () => {
  const { address, client } = await startOne()
  const log = (await openEngine([address])).commitLog()
  const seen = watch(log, 'g', 1)
  await append(log, 'g', 5)
  await until(() => expect(seen.entries).toHaveLength(5), LONG_MS)
  await compactNow(client)
  await append(log, 'g', 5, 'more-')
  await until(() => expect(seen.entries).toHaveLength(10), LONG_MS)
  expect(seen.failures).toEqual([])
})

test('regions report how far they are, and all of them are known', async () => {
  const { address } = await startOne()
  const { retention } = await openEngine([address])
  expect(await retention.reported('g')).toEqual(new Map())
  await retention.report('g', 'eu-west', 5)
  await retention.report('g', 'us-east', 3)
  await retention.report('g', 'eu-west', 9)
  await retention.report('other/g', 'eu-west', 1)
  expect(await retention.reported('g')).toEqual(
    new Map([
      ['eu-west', 9],
      ['us-east', 3],
    ]),
  )
  expect(await retention.reported('other/g')).toEqual(new Map([['eu-west', 1]]))
})
