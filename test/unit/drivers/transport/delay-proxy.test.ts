import { once } from 'node:events'
import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  startDelayProxy,
  type DelayProxy,
  type DelayProxyOptions,
} from '../../../../src/drivers/transport/delay-proxy.ts'
import { failureOf, until } from '../../../conformance/support/failure.ts'
import { ManualRuntime } from '../../../support/manual-runtime.ts'

/** A proxy before a server that sends everything back. */
async function openEcho(
  oneWayDelayMs: DelayProxyOptions['oneWayDelayMs'],
  more: Partial<DelayProxyOptions> = {},
): Promise<DelayProxy> {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const target = { host: '127.0.0.1', port }
  const proxy = await startDelayProxy({ target, oneWayDelayMs, ...more })
  onTestFinished(async () => {
    await proxy.close()
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return proxy
}

interface Client {
  readonly socket: Socket
  readonly text: () => string
  readonly hasEnded: () => boolean
  readonly isClosed: () => boolean
}

async function connect(proxy: DelayProxy): Promise<Client> {
  const socket = createConnection({ host: proxy.host, port: proxy.port, allowHalfOpen: true })
  const chunks: Buffer[] = []
  let [hasEnded, isClosed] = [false, false]
  socket.on('data', (chunk) => chunks.push(chunk))
  socket.on('error', () => undefined)
  socket.on('end', () => {
    hasEnded = true
  })
  socket.on('close', () => {
    isClosed = true
  })
  onTestFinished(() => {
    socket.destroy()
  })
  await once(socket, 'connect')
  return {
    socket,
    text: () => Buffer.concat(chunks).toString(),
    hasEnded: () => hasEnded,
    isClosed: () => isClosed,
  }
}

describe('the delay proxy', () => {
  test('delays bytes each way', async () => {
    const client = await connect(await openEcho(() => 40))
    const startMs = performance.now()
    client.socket.write('hello')
    await until(() => client.text() === 'hello')
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(80)
  })

  test('asks for each direction, and tells of its bytes', async () => {
    const told = { forth: 0, back: 0 }
    const asked = { forth: 0, back: 0 }
    const proxy = await openEcho(
      (direction, bytes) => {
        asked[direction] += bytes
        return direction === 'forth' ? 30 : 0
      },
      {
        onBytes: (direction, bytes) => {
          told[direction] += bytes
        },
      },
    )
    const client = await connect(proxy)
    const startMs = performance.now()
    client.socket.write('hello')
    await until(() => told.forth > 0)
    expect([told, client.text()]).toEqual([{ forth: 5, back: 0 }, ''])
    await until(() => client.text() === 'hello')
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(30)
    expect(told).toEqual({ forth: 5, back: 5 })
    expect(asked).toEqual(told)
  })

  test('with a handshake, lets the first bytes go a round trip after the connection', async () => {
    const time = new ManualRuntime()
    const { clock, timers } = time
    const told = { forth: 0, back: 0 }
    const onBytes = (direction: 'forth' | 'back', bytes: number): void => {
      told[direction] += bytes
    }
    const proxy = await openEcho(() => 40, { clock, timers, onBytes, hasHandshake: true })
    const client = await connect(proxy)
    client.socket.write('hello')
    await until(() => told.forth === 5)
    await time.advance(119)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(told.back).toBe(0)
    await time.advance(1)
    await until(() => told.back === 5)
    await time.advance(40)
    await until(() => client.text() === 'hello')
    // Only the first.
    client.socket.write(' again')
    await until(() => told.forth === 11)
    await time.advance(40)
    await until(() => told.back === 11)
    await time.advance(40)
    await until(() => client.text() === 'hello again')
  })

  test('keeps the order of bytes and the end behind them, whatever the delays', async () => {
    let asked = 0
    const client = await connect(await openEcho(() => (asked++ * 7) % 12))
    let sent = ''
    for (let i = 0; i < 200; i++) {
      client.socket.write(`${i} `)
      sent += `${i} `
      if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    client.socket.end()
    await until(() => client.hasEnded())
    expect(client.text()).toBe(sent)
  })

  test('carries more than it holds, to a reader that pauses', async () => {
    const client = await connect(await openEcho(() => 1))
    const total = 24 * 1024 * 1024
    let received = 0
    client.socket.removeAllListeners('data')
    client.socket.on('data', (chunk) => {
      received += chunk.length
      client.socket.pause()
      setImmediate(() => client.socket.resume())
    })
    client.socket.end(Buffer.alloc(total))
    await until(() => client.hasEnded())
    expect(received).toBe(total)
  })

  test('cut resets connections, refuses new ones, and takes them again once it is whole', async () => {
    const proxy = await openEcho(() => 1)
    const client = await connect(proxy)
    client.socket.write('one')
    await until(() => client.text() === 'one')
    const { port } = proxy
    proxy.partition()
    await until(() => client.isClosed())
    expect(await failureOf(connect(proxy))).toMatchObject({ code: 'ECONNREFUSED' })
    await proxy.heal()
    expect(proxy.port).toBe(port)
    const next = await connect(proxy)
    next.socket.write('two')
    await until(() => next.text() === 'two')
  })

  test('a black hole passes nothing and says nothing; healed, all arrives in order', async () => {
    const proxy = await openEcho(() => 1)
    const client = await connect(proxy)
    client.socket.write('one ')
    await until(() => client.text() === 'one ')
    proxy.partition({ mode: 'blackhole' })
    client.socket.write('two ')
    const late = await connect(proxy)
    late.socket.write('late')
    await new Promise((resolve) => setTimeout(resolve, 50))
    client.socket.write('three')
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect([client.text(), client.isClosed(), late.text()]).toEqual(['one ', false, ''])
    await proxy.heal()
    await until(() => client.text() === 'one two three' && late.text() === 'late')
  })

  test('a connection that breaks on one side breaks on the other', async () => {
    let served: Socket | undefined
    const server = createServer((socket) => {
      served = socket
      socket.on('error', () => undefined)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => {
      server.close()
    })
    const { port } = server.address() as AddressInfo
    const proxy = await startDelayProxy({
      target: { host: '127.0.0.1', port },
      oneWayDelayMs: () => 1,
    })
    onTestFinished(() => proxy.close())
    const client = await connect(proxy)
    client.socket.write('x')
    await until(() => served !== undefined)
    served?.resetAndDestroy()
    await until(() => client.isClosed())
    expect(client.hasEnded()).toBe(false)
  })
})
