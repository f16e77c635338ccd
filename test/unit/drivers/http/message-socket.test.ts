import { EventEmitter } from 'node:events'
import type { WebSocket } from 'ws'
import { describe, expect, test } from 'vitest'
import type { MessageSocket } from '../../../../src/core/ports/http.ts'
import { toMessageSocket } from '../../../../src/drivers/http/message-socket.ts'
import { ManualRuntime } from '../../../support/manual-runtime.ts'

/** What `ws` offers of a socket; the test plays the peer. */
class FakeWebSocket extends EventEmitter {
  readonly calls: string[] = []
  bufferedAmount = 0
  receivedBytes = 0

  ping(): void {
    this.calls.push('ping')
  }
  pause(): void {
    this.calls.push('pause')
  }
  resume(): void {
    this.calls.push('resume')
  }
  send(): void {
    this.calls.push('send')
  }
  close(code: number, reason: string): void {
    this.calls.push(`close ${code} ${reason.length}`)
  }
  terminate(): void {
    this.calls.push('terminate')
    this.emit('close')
  }
}

function open(): {
  readonly fake: FakeWebSocket
  readonly socket: MessageSocket
  readonly runtime: ManualRuntime
} {
  const runtime = new ManualRuntime()
  const fake = new FakeWebSocket()
  const socket = toMessageSocket(fake as unknown as WebSocket, {
    timers: runtime.timers,
    receivedBytes: () => fake.receivedBytes,
    heartbeatIntervalMs: 1000,
  })
  return { fake, socket, runtime }
}

describe('a WebSocket', () => {
  test('whose peer is silent ends after three intervals, and says so once', async () => {
    const { fake, socket, runtime } = open()
    let closes = 0
    socket.onClose(() => closes++)
    await runtime.advance(2500)
    expect(fake.calls).toEqual(['ping', 'ping'])
    await runtime.advance(1000)
    expect(fake.calls.at(-1)).toBe('terminate')
    await runtime.advance(10_000)
    expect(closes).toBe(1)
  })

  test('lives by any bytes of its peer, be they a part of a message only', async () => {
    const { fake, runtime } = open()
    for (let i = 0; i < 10; i++) {
      fake.receivedBytes++
      await runtime.advance(2000)
    }
    expect(fake.calls).not.toContain('terminate')
  })

  test('that is paused is not taken for dead, and goes on proving that it lives', async () => {
    const { fake, socket, runtime } = open()
    socket.pause()
    await runtime.advance(10_000)
    expect(fake.calls).not.toContain('terminate')
    expect(fake.calls.filter((call) => call === 'ping')).toHaveLength(10)
    socket.resume()
    await runtime.advance(1500)
    expect(fake.calls).not.toContain('terminate')
    await runtime.advance(3000)
    expect(fake.calls).toContain('terminate')
  })

  test('keeps what comes before somebody listens; bytes are the listener’s own', () => {
    const { fake, socket } = open()
    const shared = Buffer.from([1, 2, 3])
    fake.emit('message', shared, true)
    fake.emit('message', Buffer.from('text'), false)
    shared.fill(0)
    const messages: (string | Uint8Array)[] = []
    socket.onMessage((message) => messages.push(message))
    expect(messages).toEqual([new Uint8Array([1, 2, 3]), 'text'])
  })

  test('that closes reads its peer’s answer, is cut without one, and says no more', async () => {
    const { fake, socket, runtime } = open()
    socket.pause()
    socket.close(1008, 'x'.repeat(200))
    socket.close()
    socket.send('late')
    expect(fake.calls).toEqual(['pause', 'resume', 'close 1008 123'])
    const messages: unknown[] = []
    socket.onMessage((message) => messages.push(message))
    fake.emit('message', Buffer.from('late'), false)
    expect(messages).toEqual([])
    await runtime.advance(5000)
    expect(fake.calls.at(-1)).toBe('terminate')
  })

  test('survives errors of its connection', () => {
    const { fake } = open()
    expect(fake.emit('error', new Error('reset'))).toBe(true)
  })
})
