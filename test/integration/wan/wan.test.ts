import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openWan, type Wan } from '../../../src/cluster/wan/wan.ts'
import { failureOf } from '../../conformance/support/failure.ts'

const TOPOLOGY = {
  regions: ['a', 'b', 'c'],
  oneWayMs: { 'a/b': 5, 'a/c': 2, 'b/c': 3 },
}

async function wan(): Promise<Wan> {
  const opened = await openWan({ topology: TOPOLOGY })
  onTestFinished(() => opened.close())
  return opened
}

/**
 * A thread with an echo server, which then makes round trips through a link: it counts them in
 * shared memory.
 */
const ECHO_THREAD = `
  const { createServer, connect } = require('node:net')
  const { parentPort, workerData } = require('node:worker_threads')
  const done = new Int32Array(workerData)
  const server = createServer((socket) => socket.on('error', () => {}).pipe(socket))
  server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port))
  parentPort.on('message', (link) => {
    const [host, port] = link.split(':')
    const socket = connect({ host, port: Number(port), noDelay: true })
    socket.on('data', () => {
      Atomics.add(done, 0, 1)
      Atomics.notify(done, 0)
      socket.write('x')
    })
    socket.write('x')
  })
`

describe('an emulated network', () => {
  test('carries bytes while the thread that opened it does not get to anything', async () => {
    const network = await wan()
    const shared = new SharedArrayBuffer(4)
    const done = new Int32Array(shared)
    const thread = new Worker(ECHO_THREAD, { eval: true, workerData: shared })
    onTestFinished(async () => {
      await thread.terminate()
    })
    const [port] = (await once(thread, 'message')) as [number]
    const link = await network.link('a', 'b', `127.0.0.1:${port}`)
    thread.postMessage(link)
    const deadlineMs = performance.now() + 20_000
    // This thread stands still; 20 round trips take the network alone 200 ms.
    while (Atomics.load(done, 0) < 20 && performance.now() < deadlineMs) {
      Atomics.wait(done, 0, Atomics.load(done, 0), 1000)
    }
    expect(Atomics.load(done, 0)).toBeGreaterThanOrEqual(20)
    const bytes = await network.crossRegionBytes()
    expect(bytes.get('a/b')).toBeGreaterThanOrEqual(20)
    expect(bytes.get('b/a')).toBeGreaterThanOrEqual(20)
    expect([...bytes.keys()].sort()).toEqual(['a/b', 'a/c', 'b/a', 'b/c', 'c/a', 'c/b'])
    expect(bytes.get('c/a')).toBe(0)
  })

  test('says what is wrong with a call', async () => {
    const network = await wan()
    expect(await failureOf(network.link('a', 'x', '127.0.0.1:1'))).toMatchObject({
      code: 'REGION_UNKNOWN',
    })
    expect(await failureOf(network.link('a', 'b', 'nonsense'))).toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
    expect(await failureOf(network.aim('127.0.0.1:1', '127.0.0.1:2'))).toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
    expect(await failureOf(network.impair('a', 'b', { jitterMs: -1 }))).toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
    const taken = await network.link('a', 'b', '127.0.0.1:1')
    const [, port] = taken.split(':')
    const again = network.link('a', 'b', '127.0.0.1:1', { port: Number(port) })
    expect(await failureOf(again)).toMatchObject({ code: 'REGION_UNREACHABLE' })
  })

  test('numbers regions in loopback addresses', async () => {
    const network = await wan()
    expect(network.hostOf('a', 'c')).toBe('127.0.1.3')
    expect(network.hostOf('c', 'b')).toBe('127.0.3.2')
  })

  test('measures what it adds: never less than nothing', async () => {
    const network = await wan()
    const { n, delayMs, addedMs, addedWithoutDelayMs, directMs } = await network.selfTest()
    expect(n).toBe(1000)
    expect(delayMs).toBeGreaterThan(0)
    for (const { p50, p99 } of [addedMs, addedWithoutDelayMs, directMs]) {
      expect(p50).toBeGreaterThanOrEqual(0)
      expect(p99).toBeGreaterThanOrEqual(p50)
    }
    expect([...(await network.crossRegionBytes()).values()]).toEqual([0, 0, 0, 0, 0, 0])
  })

  test('closed, refuses calls, and can be closed again', async () => {
    const network = await wan()
    await network.close()
    await network.close()
    expect(await failureOf(network.link('a', 'b'))).toMatchObject({ code: 'INTERNAL' })
  })
})
