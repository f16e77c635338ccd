import { once } from 'node:events'
import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Links, type LinkSpec } from '../../../../src/cluster/wan/links.ts'
import { systemRuntime } from '../../../../src/drivers/runtime/system-runtime.ts'
import { until } from '../../../support/until.ts'

/** A server that sends everything back, and its port. */
async function openEcho(): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

function openLinks(): Links {
  const { timers, clock } = systemRuntime
  const links = new Links({ seed: 1, timers, clock })
  onTestFinished(() => links.close())
  return links
}

function spec(port: number, more: Partial<LinkSpec> = {}): LinkSpec {
  return {
    ...{ from: 'a', to: 'b', oneWayMs: 1, host: undefined, port: undefined, isCounted: true },
    target: { host: '127.0.0.1', port },
    ...more,
  }
}

interface Client {
  readonly socket: Socket
  readonly text: () => string
  readonly isClosed: () => boolean
}

function connect(link: string): Client {
  const [host = '', port = ''] = link.split(':')
  const socket = createConnection({ host, port: Number(port) })
  const chunks: Buffer[] = []
  let isClosed = false
  socket.on('data', (chunk) => chunks.push(chunk))
  socket.on('error', () => undefined)
  socket.on('close', () => {
    isClosed = true
  })
  onTestFinished(() => {
    socket.destroy()
  })
  return { socket, text: () => Buffer.concat(chunks).toString(), isClosed: () => isClosed }
}

async function echoes(client: Client, text: string): Promise<void> {
  client.socket.write(text)
  await until(() => expect(client.text().endsWith(text)).toBe(true))
}

describe('links between regions', () => {
  test('count bytes of each direction, whoever has connected, and none that are not to be', async () => {
    const links = openLinks()
    const port = await openEcho()
    await echoes(connect(await links.open(spec(port))), 'x'.repeat(100))
    await echoes(connect(await links.open(spec(port, { from: 'b', to: 'a' }))), 'x'.repeat(7))
    await echoes(connect(await links.open(spec(port, { isCounted: false }))), 'x'.repeat(1000))
    await echoes(connect(await links.open(spec(port, { to: 'a', oneWayMs: 0 }))), 'x'.repeat(1000))
    expect(Object.fromEntries(links.bytes())).toEqual({ 'a/b': 107, 'b/a': 107 })
  })

  test('of a jittery way keep the order of bytes', async () => {
    const links = openLinks()
    links.impair('a', 'b', 1, { jitterMs: 15 })
    const client = connect(await links.open(spec(await openEcho())))
    let sent = ''
    for (let i = 0; i < 300; i++) {
      client.socket.write(`${i} `)
      sent += `${i} `
      if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await until(() => expect(client.text()).toHaveLength(sent.length))
    expect(client.text()).toBe(sent)
  })

  test('share what their way carries a second', async () => {
    const links = openLinks()
    links.impair('a', 'b', 0, { bytesPerSecond: 100_000 })
    const port = await openEcho()
    const clients = [connect(await links.open(spec(port))), connect(await links.open(spec(port)))]
    const startMs = performance.now()
    await Promise.all(clients.map((client) => echoes(client, 'x'.repeat(10_000))))
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(200)
  })

  test('lead to nobody until they are aimed', async () => {
    const links = openLinks()
    const link = await links.open(spec(0, { target: undefined }))
    const early = connect(link)
    await until(() => expect(early.isClosed()).toBe(true))
    expect(links.aim(link, { host: '127.0.0.1', port: await openEcho() })).toBe(true)
    await echoes(connect(link), 'hello')
    expect(links.aim('127.0.0.1:1', { host: '127.0.0.1', port: 1 })).toBe(false)
  })

  test('break both ways round, those that are opened later, too, and no others', async () => {
    const links = openLinks()
    const port = await openEcho()
    const [forth, back, other] = [
      await links.open(spec(port)),
      await links.open(spec(port, { from: 'b', to: 'a' })),
      await links.open(spec(port, { to: 'c' })),
    ]
    const clients = [connect(forth), connect(back), connect(other)]
    for (const client of clients) await echoes(client, 'hello')
    links.partition('b', 'a', 'cut')
    const late = await links.open(spec(port))
    await until(() =>
      expect(clients.map((client) => client.isClosed())).toEqual([true, true, false]),
    )
    const refused = connect(late)
    await until(() => expect(refused.isClosed()).toBe(true))
    await echoes(clients[2] as Client, 'still there')
    await links.heal('a', 'b')
    for (const link of [forth, back, late]) await echoes(connect(link), 'again')
  })

  test('cost a round trip before the first bytes of a connection leave', async () => {
    const links = openLinks()
    const client = connect(await links.open(spec(await openEcho(), { oneWayMs: 30 })))
    const startMs = performance.now()
    await echoes(client, 'first')
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(120)
  })
})
