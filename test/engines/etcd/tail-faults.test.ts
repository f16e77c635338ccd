/** Tails over links that break, stall and lose things, with readers that are slow. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { startEtcd } from '../../../src/cluster/engines/etcd.ts'
import type { LogEntry } from '../../../src/core/ports/commit-log.ts'
import type { EtcdFaults } from '../../../src/drivers/etcd/etcd-faults.ts'
import { watch } from '../../conformance/commit-log-suite.ts'
import { engines } from '../../support/engines.ts'
import { openGate, type TcpGate } from '../../support/tcp-gate.ts'
import { until } from '../../support/until.ts'
import { newName, openEngine } from './support/open-engine.ts'
import { compactNow, rawEtcd } from './support/raw-etcd.ts'
import { problemsIn, startWriters } from './support/writers.ts'

const LONG_MS = 120_000

const openGateTo = (address: string): Promise<TcpGate> => openGate(Number(address.split(':')[1]))

const oneTo = (last: number): number[] => Array.from({ length: last }, (_, i) => i + 1)

const indices = (entries: readonly LogEntry[]): number[] => entries.map(({ index }) => index)

test('a connection that is cut again and again under a tail leaves no gap and nothing double', async () => {
  const { endpoint } = engines().etcd
  const gate = await openGateTo(endpoint)
  const name = newName()
  const log = (await openEngine([`127.0.0.1:${gate.port}`], { name })).commitLog()
  const writing = (await openEngine([endpoint], { name })).commitLog()
  const seen = watch(log, 'g', 1)
  const writers = startWriters(writing, 'g', 4)
  for (let cut = 1; cut <= 6; cut++) {
    const before = seen.entries.length
    await until(() => expect(seen.entries.length).toBeGreaterThan(before + 20), LONG_MS)
    gate.cutAnswers()
    await until(() => {
      expect(writers.acknowledged.size).toBeGreaterThan(seen.entries.length + 10)
    }, LONG_MS)
    gate.open()
  }
  await writers.stop()
  const last = await writing.readIndex('g')
  await until(() => expect(seen.entries).toHaveLength(last), LONG_MS)
  expect(problemsIn(seen.entries, writers.acknowledged)).toEqual([])
  expect(seen.failures).toEqual([])
})

test('appends through a connection that loses answers are in the log once', async () => {
  const { endpoint } = engines().etcd
  const gate = await openGateTo(endpoint)
  const name = newName()
  const log = (await openEngine([`127.0.0.1:${gate.port}`], { name })).commitLog()
  const reading = (await openEngine([endpoint], { name })).commitLog()
  const seen = watch(reading, 'g', 1)
  const writers = startWriters(log, 'g', 8)
  for (let cut = 1; cut <= 6; cut++) {
    const before = writers.acknowledged.size
    await until(() => expect(writers.acknowledged.size).toBeGreaterThan(before + 20), LONG_MS)
    const there = seen.entries.length
    gate.cutAnswers()
    // What was under way is in the log, and nobody was told.
    await until(() => expect(seen.entries.length).toBeGreaterThan(there), LONG_MS)
    gate.open()
  }
  await writers.stop()
  const last = await reading.readIndex('g')
  await until(() => expect(seen.entries).toHaveLength(last), LONG_MS)
  expect(problemsIn(seen.entries, writers.acknowledged)).toEqual([])
})

test('a link that goes silent is noticed, and the tail goes on at another member', async () => {
  const { endpoint } = engines().etcd
  const gate = await openGateTo(endpoint)
  const name = newName()
  const log = (await openEngine([`127.0.0.1:${gate.port}`, endpoint], { name })).commitLog()
  const seen = watch(log, 'g', 1)
  await log.append('g', 'one', Buffer.from('x'))
  await until(() => expect(seen.entries).toHaveLength(1), LONG_MS)
  gate.stall()
  await log.append('g', 'two', Buffer.from('x'))
  await until(() => expect(seen.entries).toHaveLength(2), LONG_MS)
  expect(indices(seen.entries)).toEqual([1, 2])
})

test('compaction past a tail that is cut off ends it with a typed error', async () => {
  const etcd = await startEtcd()
  onTestFinished(() => etcd.close())
  const gate = await openGateTo(etcd.address)
  const name = newName()
  const log = (await openEngine([`127.0.0.1:${gate.port}`], { name })).commitLog()
  const writing = (await openEngine([etcd.address], { name })).commitLog()
  const seen = watch(log, 'g', 1)
  await writing.append('g', 'one', Buffer.from('x'))
  await until(() => expect(seen.entries).toHaveLength(1), LONG_MS)
  gate.cutAnswers()
  for (const id of ['two', 'three']) await writing.append('g', id, Buffer.from('x'))
  await compactNow(rawEtcd(etcd.address))
  gate.open()
  await until(() => expect(seen.failures).toHaveLength(1), LONG_MS)
  expect(seen.failures).toMatchObject([{ code: 'LOG_COMPACTED' }])
  expect(indices(seen.entries)).toEqual([1])
})

test('a slow reader holds a bounded part of the log, and gets all of it', async () => {
  const { endpoint } = engines().etcd
  const name = newName()
  const writing = (await openEngine([endpoint], { name })).commitLog()
  const payload = new Uint8Array(1024 * 1024)
  const count = 48
  for (let i = 1; i <= count; i++) await writing.append('g', `${i}`, payload)
  const counter = await openCounter(endpoint)
  const log = (await openEngine([`127.0.0.1:${counter.port}`], { name })).commitLog()
  const seen: number[] = []
  let release: () => void = () => undefined
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  let isReading = false
  const failures: unknown[] = []
  log.tail('g', 1, {
    onEntries: async (entries) => {
      isReading = true
      await held
      seen.push(...indices(entries))
    },
    onFailure: (error) => failures.push(error),
  })
  await until(() => expect(isReading).toBe(true), LONG_MS)
  // All that comes without being asked for does so at once: nothing is far.
  const noise = 64 * 1024
  for (let before = -noise; counter.bytes() > before + noise;) {
    before = counter.bytes()
    await pause(500)
  }
  expect(counter.bytes()).toBeLessThan(32 * 1024 * 1024)
  release()
  await until(() => expect(seen).toHaveLength(count), LONG_MS)
  expect(seen).toEqual(oneTo(count))
  expect(failures).toEqual([])
})

/** A way to etcd that counts what comes from there. */
async function openCounter(
  endpoint: string,
): Promise<{ readonly port: number; readonly bytes: () => number }> {
  let bytes = 0
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const target = connect(Number(endpoint.split(':')[1]), '127.0.0.1')
    sockets.add(client).add(target)
    target.on('data', (chunk) => {
      bytes += chunk.length
    })
    client.pipe(target).pipe(client)
    for (const socket of [client, target]) {
      socket.on('error', () => undefined)
      socket.on('close', () => [client, target].map((one) => one.destroy()))
    }
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return { port: (server.address() as AddressInfo).port, bytes: () => bytes }
}

/** What a tail gets when some events are lost or come twice on their way. */
async function tailUnder(faults: EtcdFaults): Promise<number[]> {
  const { endpoint } = engines().etcd
  const name = newName()
  const writing = (await openEngine([endpoint], { name })).commitLog()
  const log = (await openEngine([endpoint], { name, faults })).commitLog()
  const seen = watch(log, 'g', 1)
  for (let i = 1; i <= 12; i++) await writing.append('g', `${i}`, Buffer.from('x'))
  await until(() => expect(seen.entries.at(-1)?.index).toBe(12), LONG_MS)
  return indices(seen.entries)
}

/** Index 4 is lost the first time, index 8 comes twice the first time. */
const disturbed = (): ((index: number) => number) => {
  const copies = new Map([
    [4, 0],
    [8, 2],
  ])
  return (index) => {
    const count = copies.get(index) ?? 1
    copies.delete(index)
    return count
  }
}

test('an event that is lost or comes twice shows in its index, and is put right', async () => {
  expect(await tailUnder({ copiesOf: disturbed() })).toEqual(oneTo(12))
})

test('planted: without the check of the index the same disturbance reaches the reader', async () => {
  const got = await tailUnder({ copiesOf: disturbed(), ignoreIndex: true })
  expect(got).not.toEqual(oneTo(12))
})

test('planted: appends that do not look for their id are in the log twice', async () => {
  const { endpoint } = engines().etcd
  const log = (await openEngine([endpoint], { faults: { appendWithoutIdCheck: true } })).commitLog()
  const seen = watch(log, 'g', 1)
  const acknowledged = new Map([['one', await log.append('g', 'one', Buffer.from('x'))]])
  await log.append('g', 'one', Buffer.from('x'))
  await until(() => expect(seen.entries).toHaveLength(2), LONG_MS)
  expect(problemsIn(seen.entries, acknowledged)).not.toEqual([])
})
