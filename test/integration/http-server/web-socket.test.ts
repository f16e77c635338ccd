import { once } from 'node:events'
import { createConnection } from 'node:net'
import { WebSocket } from 'ws'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { HttpHandler, MessageSocket, UpgradeDecision } from '../../../src/core/ports/http.ts'
import { startHttpServer, type RunningHttpServer } from '../../../src/drivers/http/http-server.ts'
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'
import { startDelayProxy, type DelayProxy } from '../../../src/drivers/transport/delay-proxy.ts'
import { until } from '../../conformance/support/failure.ts'
import { openHttpRegions } from '../../conformance/support/http-regions.ts'
import { selfSignedCertificate } from '../../support/certificates.ts'

async function serve(
  upgrade: HttpHandler['upgrade'],
): Promise<{ readonly server: RunningHttpServer; readonly errors: unknown[] }> {
  const errors: unknown[] = []
  const server = await startHttpServer({
    host: '127.0.0.1',
    port: 0,
    runtime: systemRuntime,
    handler: { request: async () => ({ status: 200, body: 'ok' }), ...(upgrade && { upgrade }) },
    onError: (error) => errors.push(error),
  })
  onTestFinished(() => server.close({ drainTimeoutMs: 0 }))
  return { server, errors }
}

function opening(
  open: (socket: MessageSocket) => void,
  maxMessageBytes = 1_000_000,
): UpgradeDecision {
  return { kind: 'open', maxMessageBytes, open }
}

function connect(server: RunningHttpServer, protocols: string[] = []): WebSocket {
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/socket`, protocols)
  socket.on('error', () => undefined)
  onTestFinished(() => socket.terminate())
  return socket
}

const echo = (socket: MessageSocket): void => socket.onMessage((message) => socket.send(message))

describe('WebSockets', () => {
  test('carry text and bytes, under the subprotocol that was chosen', async () => {
    const offers: (readonly string[])[] = []
    const { server } = await serve(async (_, protocols) => {
      offers.push(protocols)
      return { ...opening(echo), ...(protocols[1] === undefined ? {} : { protocol: protocols[1] }) }
    })
    const socket = connect(server, ['one', 'two'])
    await once(socket, 'open')
    expect([socket.protocol, offers]).toEqual(['two', [['one', 'two']]])
    socket.send('text')
    expect(await once(socket, 'message')).toEqual([Buffer.from('text'), false])
    socket.send(new Uint8Array([1, 2]))
    expect(await once(socket, 'message')).toEqual([Buffer.from([1, 2]), true])
    const plain = connect(server)
    await once(plain, 'open')
    expect(plain.protocol).toBe('')
  })

  test('lose nothing that the handler sends at once', async () => {
    const { server } = await serve(async () => opening((socket) => socket.send('first')))
    expect(await once(connect(server), 'message')).toEqual([Buffer.from('first'), false])
  })

  test('are refused with the answer of the handler, or for what it threw', async () => {
    const { server, errors } = await serve(async (request) => {
      if (request.query.has('throw')) throw new Error('the row 4711')
      return { kind: 'refuse', response: { status: 403, body: 'not you' } }
    })
    const refused = connect(server)
    const [, response] = await once(refused, 'unexpected-response')
    expect(response.statusCode).toBe(403)
    const failing = new WebSocket(`${server.url.replace('http', 'ws')}/?throw=1`)
    failing.on('error', () => undefined)
    const [, broken] = await once(failing, 'unexpected-response')
    expect(broken.statusCode).toBe(500)
    expect(errors).toMatchObject([{ message: 'the row 4711' }])
    const none = await serve(undefined)
    const [, absent] = await once(connect(none.server), 'unexpected-response')
    expect(absent.statusCode).toBe(404)
  })

  test('close on messages beyond their bound, and for a handler that throws', async () => {
    const { server, errors } = await serve(async (request) =>
      opening((socket) => {
        if (request.query.has('throw')) throw new Error('broke')
        echo(socket)
      }, 1000),
    )
    const socket = connect(server)
    await once(socket, 'open')
    socket.send(new Uint8Array(1001))
    const [code] = await once(socket, 'close')
    expect(code).toBe(1009)
    const failing = new WebSocket(`${server.url.replace('http', 'ws')}/?throw=1`)
    const [failed] = await once(failing, 'close')
    expect(failed).toBe(1011)
    expect(errors).toHaveLength(1)
  })

  test('read no more while they are paused', async () => {
    let served: MessageSocket | undefined
    let messages = 0
    const { server } = await serve(async () =>
      opening((socket) => {
        served = socket
        socket.onMessage(() => messages++)
        socket.pause()
      }),
    )
    const socket = connect(server)
    await once(socket, 'open')
    const message = new Uint8Array(500_000)
    for (let i = 0; i < 60; i++) socket.send(message)
    await until(() => served !== undefined)
    let last = -1
    while (last !== socket.bufferedAmount) {
      last = socket.bufferedAmount
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
    expect(messages).toBe(0)
    expect(socket.bufferedAmount).toBeGreaterThan(1_000_000)
    served?.resume()
    await until(() => messages === 60)
  })

  test('end with the server', async () => {
    let closes = 0
    const { server } = await serve(async () => opening((socket) => socket.onClose(() => closes++)))
    const socket = connect(server)
    await once(socket, 'open')
    const closed = once(socket, 'close')
    await server.close({ drainTimeoutMs: 10_000 })
    expect((await closed)[0]).toBe(1001)
    await until(() => closes === 1)
  })

  test('half asked for, malformed or left harm nobody', async () => {
    const { server, errors } = await serve(
      () => new Promise((resolve) => setTimeout(() => resolve(opening(echo)), 50)),
    )
    const asks = [
      'GET /socket HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
      'GET /socket HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n',
    ]
    for (const text of asks) {
      for (const isLeft of [true, false]) {
        const socket = createConnection({ host: server.host, port: server.port })
        socket.on('error', () => undefined)
        await once(socket, 'connect')
        const closed = once(socket, 'close')
        socket.resume()
        socket.write(text)
        if (isLeft) socket.resetAndDestroy()
        await closed
      }
    }
    const socket = connect(server)
    await once(socket, 'open')
    expect(await (await fetch(server.url)).text()).toBe('ok')
    expect(errors).toEqual([])
  })
})

describe('a channel that nothing is said over', () => {
  test('stays open, with and without TLS', async () => {
    const closes: string[] = []
    for (const tls of [undefined, await selfSignedCertificate()]) {
      const { a, b } = await openHttpRegions(tls === undefined ? {} : { tls })
      b.listen('b', {
        onRequest: async (message) => message,
        onChannel: (channel) => channel.onClose(() => closes.push('far')),
      })
      const near = await a.transport('a').connect('b', 'stream')
      near.onClose(() => closes.push('near'))
    }
    // Longer than a peer without a sign of life is borne.
    await new Promise((resolve) => setTimeout(resolve, 10_500))
    expect(closes).toEqual([])
  })
})

describe('a channel over a link that goes silent', () => {
  test('closes on both sides, without a word from the network', async () => {
    let proxy: DelayProxy | undefined
    const { a, b } = await openHttpRegions({
      via: async (server) => {
        proxy = await startDelayProxy({ target: server, oneWayDelayMs: () => 1 })
        return proxy.url
      },
    })
    onTestFinished(() => proxy?.close())
    let [nearCloses, farCloses] = [0, 0]
    b.listen('b', {
      onRequest: async (message) => message,
      onChannel: (channel) => channel.onClose(() => farCloses++),
    })
    const near = await a.transport('a').connect('b', 'stream')
    near.onClose(() => nearCloses++)
    proxy?.partition({ mode: 'blackhole' })
    await until(() => nearCloses === 1 && farCloses === 1)
    expect([nearCloses, farCloses]).toEqual([1, 1])
  })
})
