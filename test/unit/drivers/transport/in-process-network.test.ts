import { describe, expect, test } from 'vitest'
import type { Channel } from '../../../../src/core/ports/transport.ts'
import {
  createInProcessNetwork,
  type InProcessNetwork,
} from '../../../../src/drivers/transport/in-process-network.ts'
import { ManualRuntime } from '../../../support/manual-runtime.ts'

/** Regions `a` and `b`; `b` answers with 7 bytes, and with 3 on a channel. */
function openNetwork(): InProcessNetwork {
  const network = createInProcessNetwork({
    oneWayDelayMs: () => 0,
    timers: new ManualRuntime().timers,
  })
  const onChannel = (channel: Channel): void =>
    channel.onMessage(() => channel.send(new Uint8Array(3)))
  const handlers = { onRequest: async () => new Uint8Array(7), onChannel }
  network.listen('a', handlers)
  network.listen('b', handlers)
  return network
}

describe('the bytes that leave one region for another', () => {
  test('are those of requests and of their answers', async () => {
    const network = openNetwork()
    await network.transport('a').request('b', new Uint8Array(100))
    await network.transport('a').request('b', new Uint8Array(10))
    expect(Object.fromEntries(network.crossRegionBytes())).toEqual({ 'a/b': 110, 'b/a': 14 })
  })

  test('are those of messages on channels, each way', async () => {
    const network = openNetwork()
    const channel = await network.transport('b').connect('a', 'stream')
    const answered = new Promise((resolve) => channel.onMessage(resolve))
    channel.send(new Uint8Array(50))
    await answered
    expect(Object.fromEntries(network.crossRegionBytes())).toEqual({ 'b/a': 50, 'a/b': 3 })
  })

  test('are none within a region, and none over a link that is cut', async () => {
    const network = openNetwork()
    await network.transport('a').request('a', new Uint8Array(100))
    network.partition('a', 'b')
    await expect(network.transport('a').request('b', new Uint8Array(1))).rejects.toMatchObject({
      code: 'REGION_UNREACHABLE',
    })
    expect(network.crossRegionBytes().size).toBe(0)
  })

  test('are also those that others tell of', () => {
    const network = openNetwork()
    network.count('a', 'b', 5)
    network.count('a', 'a', 9)
    expect(Object.fromEntries(network.crossRegionBytes())).toEqual({ 'a/b': 5 })
  })
})
