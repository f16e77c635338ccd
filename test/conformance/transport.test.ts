import { describe, expect, test } from 'vitest'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import {
  createInProcessNetwork,
  type InProcessNetwork,
} from '../../src/drivers/transport/in-process-network.ts'
import { failureOf, until } from './support/failure.ts'
import { VirtualTimers } from './support/virtual-timers.ts'
import { connectWatched, describeTransportSuite } from './transport-suite.ts'

const { timers } = systemRuntime

describeTransportSuite('in-process network', async () =>
  createInProcessNetwork({ oneWayDelayMs: () => 1.5, timers }),
)
describeTransportSuite('in-process network without delays', async () =>
  createInProcessNetwork({ oneWayDelayMs: () => 0, timers }),
)

const bytes = new Uint8Array([1])
const delays = (from: string, to: string): number => (from < to ? 10 : 15)

function serve(network: InProcessNetwork, region: string): void {
  network.listen(region, { onRequest: async (message) => message, onChannel: () => {} })
}

describe('in-process network: delays', () => {
  test('a request takes the delay each way, within a region none', async () => {
    const time = new VirtualTimers()
    const network = createInProcessNetwork({ oneWayDelayMs: delays, timers: time })
    serve(network, 'b')
    await network.transport('b').request('b', bytes)
    expect(time.nowMs).toBe(0)
    await time.run(network.transport('a').request('b', bytes))
    expect(time.nowMs).toBe(25)
  })

  test('a channel opens after a round trip and takes the delay for every message', async () => {
    const time = new VirtualTimers()
    const network = createInProcessNetwork({ oneWayDelayMs: delays, timers: time })
    const arrivals: number[] = []
    network.listen('b', {
      onRequest: async (message) => message,
      onChannel: (far) => far.onMessage(() => arrivals.push(time.nowMs)),
    })
    const near = await time.run(network.transport('a').connect('b', 'stream'))
    expect(time.nowMs).toBe(25)
    near.send(bytes)
    time.after(4, () => near.send(bytes))
    await time.run(
      new Promise<void>((resolve) => {
        time.after(50, resolve)
      }),
    )
    expect(arrivals).toEqual([35, 39])
  })

  test('messages keep their order where the delay shrinks between them, none is early', async () => {
    const time = new VirtualTimers()
    let delayMs = 10
    const network = createInProcessNetwork({ oneWayDelayMs: () => delayMs, timers: time })
    const arrivals: (readonly [number, number])[] = []
    network.listen('b', {
      onRequest: async (message) => message,
      onChannel: (far) => {
        far.onMessage((message) => arrivals.push([message[0] ?? -1, time.nowMs]))
      },
    })
    const near = await time.run(network.transport('a').connect('b', 'stream'))
    near.send(new Uint8Array([0]))
    delayMs = 2
    near.send(new Uint8Array([1]))
    await time.run(
      new Promise<void>((resolve) => {
        time.after(50, resolve)
      }),
    )
    expect(arrivals).toEqual([
      [0, 30],
      [1, 30],
    ])
  })

  test('on real timers no request is early, and the added delay is small', async () => {
    const network = createInProcessNetwork({ oneWayDelayMs: () => 6.3, timers })
    serve(network, 'b')
    const elapsed: number[] = []
    for (let i = 0; i < 40; i++) {
      const startMs = performance.now()
      await network.transport('a').request('b', bytes)
      elapsed.push(performance.now() - startMs)
    }
    // The smallest: a busy machine adds to the others what it likes.
    expect(Math.min(...elapsed)).toBeGreaterThanOrEqual(12.6)
    expect(Math.min(...elapsed)).toBeLessThan(12.6 + 3)
  })

  test('a caller that only asks its own region does not keep timers from firing', async () => {
    const network = createInProcessNetwork({ oneWayDelayMs: delays, timers })
    serve(network, 'a')
    let hasFired = false
    timers.after(5, () => {
      hasFired = true
    })
    const endMs = performance.now() + 5000
    while (!hasFired && performance.now() < endMs) await network.transport('a').request('a', bytes)
    expect(hasFired).toBe(true)
  })

  test('a request that gets no answer in time has an unknown outcome', async () => {
    const time = new VirtualTimers()
    const network = createInProcessNetwork({
      oneWayDelayMs: delays,
      timers: time,
      requestTimeoutMs: 100,
    })
    network.listen('b', { onRequest: () => new Promise(() => {}), onChannel: () => {} })
    const error = await time.run(failureOf(network.transport('a').request('b', bytes)))
    expect(error).toMatchObject({ code: 'REGION_UNREACHABLE', retry: 'unknown-outcome' })
    expect(time.nowMs).toBe(100)
  })
})

describe('in-process network: broken links', () => {
  const open = (): InProcessNetwork => createInProcessNetwork({ oneWayDelayMs: () => 5, timers })

  test('a cut link fails new requests both ways and spares other links', async () => {
    const network = open()
    for (const region of ['a', 'b', 'c']) serve(network, region)
    network.partition('b', 'a')
    expect(network.reachable('a', 'b')).toBe(false)
    for (const [from, to] of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const) {
      const transport = network.transport(from)
      const unreachable = { code: 'REGION_UNREACHABLE', retry: 'safe' }
      expect(await failureOf(transport.request(to, bytes))).toMatchObject(unreachable)
      expect(await failureOf(transport.connect(to, 'stream'))).toMatchObject(unreachable)
    }
    await network.transport('a').request('c', bytes)
    await network.transport('a').request('a', bytes)
    network.heal('a', 'b')
    await network.transport('a').request('b', bytes)
  })

  test('a request that the cut meets on its way does not arrive; its outcome is unknown', async () => {
    const network = open()
    let arrivals = 0
    network.listen('b', {
      onRequest: async (message) => {
        arrivals++
        return message
      },
      onChannel: () => {},
    })
    const request = failureOf(network.transport('a').request('b', bytes))
    network.partition('a', 'b')
    expect(await request).toMatchObject({ code: 'REGION_UNREACHABLE', retry: 'unknown-outcome' })
    network.healAll()
    await network.transport('a').request('b', bytes)
    expect(arrivals).toBe(1)
  })

  test('a cut closes channels on both sides and drops what is under way', async () => {
    const network = open()
    const { near, far } = await connectWatched(network, 'a', 'b')
    near.channel.send(bytes)
    far.channel.send(bytes)
    network.partition('a', 'b')
    await until(() => near.closes === 1 && far.closes === 1)
    network.heal('a', 'b')
    near.channel.send(bytes)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect([near.messages, far.messages]).toEqual([[], []])
    expect([near.closes, far.closes]).toEqual([1, 1])
  })

  test('a channel whose opening the cut meets is refused', async () => {
    const network = open()
    serve(network, 'b')
    const connect = failureOf(network.transport('a').connect('b', 'stream'))
    network.partition('a', 'b')
    expect(await connect).toMatchObject({ code: 'REGION_UNREACHABLE' })
  })
})
