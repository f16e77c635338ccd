import { once } from 'node:events'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { MeridianError } from '../../../../src/core/errors.ts'
import { MESSAGE_CONTENT_TYPE } from '../../../../src/core/wire-http.ts'
import { systemRuntime as runtime } from '../../../../src/drivers/runtime/system-runtime.ts'
import {
  createHttpNetwork,
  type HttpNetwork,
  type HttpNetworkOptions,
} from '../../../../src/drivers/transport/http-network.ts'
import { failureOf, until } from '../../../conformance/support/failure.ts'
import { openHttpRegions } from '../../../conformance/support/http-regions.ts'
import { selfSignedCertificate } from '../../../support/certificates.ts'

const message = new Uint8Array([1, 2, 3])
const SAFE = { code: 'REGION_UNREACHABLE', retry: 'safe' }
const UNKNOWN = { code: 'REGION_UNREACHABLE', retry: 'unknown-outcome' }

/** What region `a` has, whose region `b` is at the URL. */
function networkTo(url: string, options: Partial<HttpNetworkOptions> = {}): HttpNetwork {
  const network = createHttpNetwork({ nodes: { b: [{ url }] }, local: ['a'], runtime, ...options })
  onTestFinished(() => network.close())
  return network
}

const ask = (network: HttpNetwork): Promise<Uint8Array> =>
  network.transport('a').request('b', message)

async function listen(server: Server): Promise<string> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const listenHttp = (listener: RequestListener): Promise<string> =>
  listen(createHttpServer(listener))
/** A server that does with a connection what the test says, once bytes of a request came. */
const listenRaw = (onRequest: (socket: Socket) => void): Promise<string> =>
  listen(createServer((socket) => socket.once('data', () => onRequest(socket))))

describe('a request of which nothing was sent is safe to repeat', () => {
  test('where nobody listens', async () => {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    await new Promise((resolve) => server.close(resolve))
    const network = networkTo(`http://127.0.0.1:${port}`)
    expect(await failureOf(ask(network))).toMatchObject(SAFE)
    expect(await failureOf(network.transport('a').connect('b', 'stream'))).toMatchObject(SAFE)
  })

  test('where the name or the region is not known', async () => {
    const network = networkTo('http://nowhere.invalid:1')
    expect(await failureOf(ask(network))).toMatchObject(SAFE)
    expect(await failureOf(network.transport('a').request('c', message))).toMatchObject(SAFE)
    expect(await failureOf(network.transport('a').connect('c', 'stream'))).toMatchObject(SAFE)
  })

  test('where the certificate is not to be trusted', async () => {
    const { server, b } = await openHttpRegions({ tls: await selfSignedCertificate() })
    let requests = 0
    b.listen('b', {
      onRequest: async (bytes) => {
        requests++
        return bytes
      },
      onChannel: () => undefined,
    })
    for (const ca of [undefined, (await selfSignedCertificate()).certificate]) {
      const network = networkTo(server.url, ca === undefined ? {} : { ca })
      expect(await failureOf(ask(network))).toMatchObject(SAFE)
      expect(await failureOf(network.transport('a').connect('b', 'stream'))).toMatchObject(SAFE)
    }
    expect(requests).toBe(0)
  })

  test('where another node says that the region is not its own', async () => {
    const url = await listenHttp((_, response) => response.writeHead(421).end())
    expect(await failureOf(ask(networkTo(url)))).toMatchObject(SAFE)
  })

  test('where no token is to be had', async () => {
    const url = await listenHttp((_, response) => response.end())
    const error = new MeridianError('KEY_UNAVAILABLE', 'no key')
    const network = networkTo(url, { authorization: () => Promise.reject(error) })
    expect(await failureOf(ask(network))).toBe(error)
  })
})

describe('a request that was sent and got no answer has an unknown outcome', () => {
  test.each([
    ['the connection is reset', (socket: Socket) => socket.resetAndDestroy()],
    ['the connection ends', (socket: Socket) => socket.end()],
    [
      'the answer is cut off',
      (socket: Socket) =>
        socket.end(
          `HTTP/1.1 200 OK\r\ncontent-type: ${MESSAGE_CONTENT_TYPE}\r\ncontent-length: 9\r\n\r\nabc`,
        ),
    ],
    ['the answer is no HTTP', (socket: Socket) => socket.end('hello\r\n\r\n')],
  ])('when %s', async (_, onRequest) => {
    expect(await failureOf(ask(networkTo(await listenRaw(onRequest))))).toMatchObject(UNKNOWN)
  })

  test('when none comes in time', async () => {
    const url = await listenRaw(() => undefined)
    const network = networkTo(url, { requestTimeoutMs: 1000 })
    expect(await failureOf(ask(network))).toMatchObject(UNKNOWN)
  })

  test('when something else answers in its place, whose status is named', async () => {
    const url = await listenHttp((_, response) =>
      response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad Gateway</h1>'),
    )
    expect(await failureOf(ask(networkTo(url)))).toMatchObject({
      ...UNKNOWN,
      details: { from: 'a', to: 'b', status: 502 },
    })
  })

  test('when a kept connection is lost under it', async () => {
    let requests = 0
    const url = await listenHttp((request, response) => {
      requests++
      if (requests > 1) request.socket.destroy()
      else response.writeHead(200, { 'content-type': MESSAGE_CONTENT_TYPE }).end('x')
    })
    const network = networkTo(url)
    await ask(network)
    expect(await failureOf(ask(network))).toMatchObject(UNKNOWN)
  })

  test('when this side closes', async () => {
    const url = await listenRaw(() => undefined)
    const network = networkTo(url)
    const request = failureOf(ask(network))
    await new Promise((resolve) => setTimeout(resolve, 50))
    await network.close()
    expect(await request).toMatchObject({ code: 'REGION_UNREACHABLE' })
    expect(await failureOf(ask(network))).toMatchObject(SAFE)
  })
})

describe('requests', () => {
  test('say for whom they are, from whom, and what they carry', async () => {
    const heads: Record<string, unknown>[] = []
    const url = await listenHttp((request, response) => {
      heads.push({ url: request.url, method: request.method, ...request.headers })
      request.pipe(response.writeHead(403, { 'content-type': MESSAGE_CONTENT_TYPE }))
    })
    const network = networkTo(`${url}/prefix/`, {
      authorization: async (to) => `Bearer for ${to}`,
    })
    // An answer is an answer whatever its status.
    expect(await ask(network)).toEqual(message)
    expect(heads).toMatchObject([
      {
        url: '/prefix/v1/request',
        method: 'POST',
        authorization: 'Bearer for b',
        'meridian-region': 'b',
        'content-type': MESSAGE_CONTENT_TYPE,
        'content-length': '3',
      },
    ])
  })

  test('one after the other share a connection', async () => {
    let connections = 0
    const server = createHttpServer((request, response) => {
      request.pipe(response.writeHead(200, { 'content-type': MESSAGE_CONTENT_TYPE }))
    })
    server.on('connection', () => connections++)
    const network = networkTo(await listen(server))
    for (let i = 0; i < 20; i++) expect(await ask(network)).toEqual(message)
    expect(connections).toBe(1)
  })
})

describe('channels', () => {
  test.each([
    [401, { code: 'UNAUTHENTICATED' }],
    [403, { code: 'PERMISSION_DENIED' }],
    [404, SAFE],
    [503, SAFE],
  ])('that are refused with %i say why', async (status, failure) => {
    const server = createHttpServer()
    server.on('upgrade', (_, socket) => {
      socket.end(`HTTP/1.1 ${status} No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`)
    })
    const network = networkTo(await listen(server))
    const connect = network.transport('a').connect('b', 'stream')
    expect(await failureOf(connect)).toMatchObject(failure)
  })

  test('close on both sides when either network does', async () => {
    for (const side of ['a', 'b'] as const) {
      const regions = await openHttpRegions()
      let [nearCloses, farCloses] = [0, 0]
      regions.b.listen('b', {
        onRequest: async (bytes) => bytes,
        onChannel: (channel) => channel.onClose(() => farCloses++),
      })
      const near = await regions.a.transport('a').connect('b', 'stream')
      near.onClose(() => nearCloses++)
      await regions[side].close()
      await until(() => nearCloses > 0 && farCloses > 0)
      expect([nearCloses, farCloses]).toEqual([1, 1])
    }
  })
})
