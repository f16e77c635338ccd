/** What every driver of the Transport port must do. */
import { describe, expect, test } from 'vitest'
import type { Channel, Network } from '../../src/core/ports/transport.ts'
import { MeridianError } from '../../src/core/errors.ts'
import { failureOf, until } from './support/failure.ts'

const bytes = (...values: number[]): Uint8Array => new Uint8Array(values)

/** A channel with what it told. */
export interface Watched {
  readonly channel: Channel
  readonly messages: number[]
  closes: number
}

/** Keeps the first byte of every message. */
function watchChannel(channel: Channel): Watched {
  const watched: Watched = { channel, messages: [], closes: 0 }
  channel.onMessage((message) => watched.messages.push(message[0] ?? -1))
  channel.onClose(() => watched.closes++)
  return watched
}

/** Both ends of a new channel from `from` to `to`, where nobody listens yet. */
export async function connectWatched(
  network: Network,
  from: string,
  to: string,
): Promise<{ readonly near: Watched; readonly far: Watched; readonly stop: () => void }> {
  let far: Watched | undefined
  const stop = network.listen(to, {
    onRequest: async (message) => message,
    onChannel: (channel) => {
      far = watchChannel(channel)
    },
  })
  const near = watchChannel(await network.transport(from).connect(to, 'stream'))
  await until(() => far !== undefined)
  return { near, far: far as unknown as Watched, stop }
}

/** `open`: a network that the regions `a` and `b` may join. */
export function describeTransportSuite(name: string, open: () => Promise<Network>): void {
  const noChannel = (): void => {}

  describe(`${name}: requests`, () => {
    test('are answered, from the same region and from another', async () => {
      const network = await open()
      network.listen('b', {
        onRequest: async (message) => message.map((byte) => byte + 1),
        onChannel: noChannel,
      })
      for (const from of ['a', 'b']) {
        expect(await network.transport(from).request('b', bytes(1, 2))).toEqual(bytes(2, 3))
      }
    })

    test('under way at once are answered each with its own answer', async () => {
      const network = await open()
      network.listen('b', { onRequest: async (message) => message, onChannel: noChannel })
      const answers = await Promise.all(
        Array.from({ length: 100 }, (_, i) => network.transport('a').request('b', bytes(i))),
      )
      expect(answers.map((answer) => answer[0])).toEqual(Array.from({ length: 100 }, (_, i) => i))
    })

    test('to a region that nobody serves fail and may be repeated', async () => {
      const network = await open()
      const unreachable = { code: 'REGION_UNREACHABLE', retry: 'safe' }
      const transport = network.transport('a')
      expect(await failureOf(transport.request('b', bytes(1)))).toMatchObject(unreachable)
      expect(await failureOf(transport.connect('b', 'stream'))).toMatchObject(unreachable)
      const stop = network.listen('b', { onRequest: async (m) => m, onChannel: noChannel })
      await transport.request('b', bytes(1))
      stop()
      expect(await failureOf(transport.request('b', bytes(1)))).toMatchObject(unreachable)
    })

    test('without an answer have an unknown outcome', async () => {
      const network = await open()
      const failing = [
        async (): Promise<Uint8Array> => {
          throw new Error('handler failed')
        },
        (): Promise<Uint8Array> => {
          throw new Error('handler failed at once')
        },
      ]
      for (const onRequest of failing) {
        const stop = network.listen('b', { onRequest, onChannel: noChannel })
        const error = await failureOf(network.transport('a').request('b', bytes(1)))
        expect(error).toMatchObject({ code: 'REGION_UNREACHABLE', retry: 'unknown-outcome' })
        stop()
      }
    })

    test('whose server stops have an unknown outcome', async () => {
      const network = await open()
      let hasArrived = false
      const stop = network.listen('b', {
        onRequest: () => {
          hasArrived = true
          return new Promise(() => {})
        },
        onChannel: noChannel,
      })
      const request = failureOf(network.transport('a').request('b', bytes(1)))
      await until(() => hasArrived)
      stop()
      expect(await request).toMatchObject({
        code: 'REGION_UNREACHABLE',
        retry: 'unknown-outcome',
      })
    })

    test('end with their signal', async () => {
      const network = await open()
      network.listen('b', { onRequest: () => new Promise(() => {}), onChannel: noChannel })
      const transport = network.transport('a')
      const controller = new AbortController()
      const plain = failureOf(transport.request('b', bytes(1), controller.signal))
      controller.abort()
      expect(await plain).toMatchObject({ code: 'CANCELLED', retry: 'unknown-outcome' })
      const late = failureOf(transport.request('b', bytes(1), controller.signal))
      expect(await late).toMatchObject({ code: 'CANCELLED', retry: 'safe' })
      const deadline = new MeridianError('DEADLINE_EXCEEDED', 'Too late.')
      const reason = new AbortController()
      const typed = failureOf(transport.request('b', bytes(1), reason.signal))
      reason.abort(deadline)
      expect(await typed).toBe(deadline)
    })
  })

  describe(`${name}: channels`, () => {
    test('carry messages both ways, in order', async () => {
      const { near, far } = await connectWatched(await open(), 'a', 'b')
      for (let i = 0; i < 200; i++) {
        near.channel.send(bytes(i))
        far.channel.send(bytes(255 - i))
        if (i % 20 === 0) await new Promise((resolve) => setImmediate(resolve))
      }
      await until(() => near.messages.length === 200 && far.messages.length === 200)
      expect(far.messages).toEqual(Array.from({ length: 200 }, (_, i) => i))
      expect(near.messages).toEqual(Array.from({ length: 200 }, (_, i) => 255 - i))
    })

    test('lose nothing that is sent before the other side listens', async () => {
      const network = await open()
      network.listen('b', {
        onRequest: async (message) => message,
        onChannel: (channel) => {
          for (let i = 0; i < 3; i++) channel.send(bytes(i))
        },
      })
      const near = watchChannel(await network.transport('a').connect('b', 'stream'))
      await until(() => near.messages.length === 3)
      expect(near.messages).toEqual([0, 1, 2])
    })

    test('closed by one side deliver what was sent before, then close on both, once', async () => {
      const { near, far } = await connectWatched(await open(), 'a', 'b')
      near.channel.send(bytes(1))
      near.channel.send(bytes(2))
      near.channel.close()
      near.channel.close()
      near.channel.send(bytes(3))
      await until(() => near.closes > 0 && far.closes > 0)
      far.channel.close()
      far.channel.send(bytes(4))
      await new Promise((resolve) => setTimeout(resolve, 10))
      expect(far.messages).toEqual([1, 2])
      expect(near.messages).toEqual([])
      expect([near.closes, far.closes]).toEqual([1, 1])
    })

    test('close when the serving side stops', async () => {
      const { near, stop } = await connectWatched(await open(), 'a', 'b')
      stop()
      await until(() => near.closes > 0)
      near.channel.send(bytes(1))
      expect(near.closes).toBe(1)
    })

    test('within a region work as between regions', async () => {
      const { near, far } = await connectWatched(await open(), 'b', 'b')
      near.channel.send(bytes(7))
      await until(() => far.messages.length === 1)
      far.channel.close()
      await until(() => near.closes === 1)
      expect(far.messages).toEqual([7])
    })
  })
}
