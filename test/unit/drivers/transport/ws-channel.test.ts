import { describe, expect, test } from 'vitest'
import type { MessageSocket } from '../../../../src/core/ports/http.ts'
import { WsChannel } from '../../../../src/drivers/transport/ws-channel.ts'
import { turns } from '../../../support/manual-runtime.ts'

/** A WebSocket whose other side is the test. */
class FakeSocket implements MessageSocket {
  readonly sent: (string | Uint8Array)[] = []
  readonly closes: (number | undefined)[] = []
  buffered = 0
  receive: (message: string | Uint8Array) => void = () => undefined
  breakOff: () => void = () => undefined

  send(message: string | Uint8Array): void {
    this.sent.push(message)
  }
  onMessage(listener: (message: string | Uint8Array) => void): void {
    this.receive = listener
  }
  onClose(listener: () => void): void {
    this.breakOff = listener
  }
  bufferedBytes(): number {
    return this.buffered
  }
  pause(): void {}
  resume(): void {}
  close(code?: number): void {
    this.closes.push(code)
  }
}

function open(): {
  readonly socket: FakeSocket
  readonly channel: WsChannel
  readonly ended: WsChannel[]
} {
  const socket = new FakeSocket()
  const ended: WsChannel[] = []
  return { socket, channel: new WsChannel(socket, (channel) => ended.push(channel)), ended }
}

const bytes = new Uint8Array([1])

describe('a channel over a WebSocket', () => {
  test('keeps what comes before somebody listens, in order', () => {
    const { socket, channel } = open()
    const messages: Uint8Array[] = []
    socket.receive(new Uint8Array([1]))
    socket.receive(new Uint8Array([2]))
    channel.onMessage((message) => messages.push(message))
    socket.receive(new Uint8Array([3]))
    expect(messages.map(([first]) => first)).toEqual([1, 2, 3])
  })

  test('says once that it closed, whoever closed it, and also to who asks late', async () => {
    for (const isOwn of [true, false]) {
      const { socket, channel, ended } = open()
      let closes = 0
      channel.onClose(() => closes++)
      if (isOwn) channel.close()
      socket.breakOff()
      channel.close()
      await turns(1)
      expect(closes).toBe(1)
      expect(ended).toEqual([channel])
      channel.onClose(() => closes++)
      await turns(1)
      expect(closes).toBe(2)
    }
  })

  test('neither sends nor receives once it is closed', () => {
    const { socket, channel } = open()
    const messages: Uint8Array[] = []
    channel.onMessage((message) => messages.push(message))
    channel.close()
    channel.send(bytes)
    socket.receive(bytes)
    expect([socket.sent, messages]).toEqual([[], []])
  })

  test('closes when its peer lets too much wait', () => {
    const { socket, channel, ended } = open()
    channel.send(bytes)
    socket.buffered = 300 * 1024 * 1024
    channel.send(bytes)
    channel.send(bytes)
    expect(socket.sent).toHaveLength(2)
    expect(socket.closes).toEqual([1013])
    expect(ended).toEqual([channel])
  })

  test('closes on text, which no channel carries', () => {
    const { socket, channel } = open()
    const messages: Uint8Array[] = []
    channel.onMessage((message) => messages.push(message))
    socket.receive('text')
    expect(messages).toEqual([])
    expect(socket.closes).toEqual([1003])
  })
})
