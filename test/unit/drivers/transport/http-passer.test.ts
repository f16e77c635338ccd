import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import type { HttpRequest } from '../../../../src/core/ports/http.ts'
import { systemRuntime as runtime } from '../../../../src/drivers/runtime/system-runtime.ts'
import { createHttpNetwork } from '../../../../src/drivers/transport/http-network.ts'
import { HttpPasser, type Passed } from '../../../../src/drivers/transport/http-passer.ts'
import { MESSAGE_CONTENT_TYPE, PASSED_HEADER } from '../../../../src/core/wire-http.ts'

async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function bytesOf(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function passedTo(node: string, request: Partial<HttpRequest> = {}): Passed {
  return {
    node,
    headers: { [PASSED_HEADER]: '7' },
    signal: new AbortController().signal,
    request: {
      method: 'POST',
      path: '/v1/sql/a tenant/v2/pipeline',
      query: new URLSearchParams({ consistency: 'strong' }),
      headers: {},
      remoteAddress: '',
      signal: new AbortController().signal,
      body: async () => new Uint8Array(0),
      ...request,
    },
  }
}

let passer: HttpPasser

beforeEach(() => {
  passer = new HttpPasser({ timers: runtime.timers })
})

afterEach(() => passer.close())

describe('a passed request', () => {
  test('is the same one: bytes, path, query, who calls', async () => {
    let seen: unknown
    const node = await listen((request, response) => {
      const { method, url, headers } = request
      void bytesOf(request).then((body) => {
        seen = { method, url, headers, body }
        response.writeHead(418, { 'content-type': 'x/y', 'retry-after': '1' }).end('tea')
      })
    })
    const headers = {
      authorization: 'Bearer t',
      'content-type': 'application/json',
      traceparent: '00-1',
      host: 'elsewhere',
      connection: 'keep-alive, X-Hop',
      'x-hop': 'of that connection',
      'proxy-connection': 'keep-alive',
      'content-encoding': 'gzip',
      'content-length': '999',
      'transfer-encoding': 'chunked',
    }
    const body = Uint8Array.of(0, 1, 255)
    const answer = await passer.request(passedTo(`${node}/prefix/`, { headers }), body)
    expect(seen).toMatchObject({
      method: 'POST',
      url: '/prefix/v1/sql/a%20tenant/v2/pipeline?consistency=strong',
      body: Buffer.from(body),
      headers: {
        authorization: 'Bearer t',
        'content-type': 'application/json',
        traceparent: '00-1',
        'content-length': '3',
        host: node.replace('http://', ''),
        [PASSED_HEADER]: '7',
      },
    })
    for (const name of ['content-encoding', 'x-hop', 'proxy-connection']) {
      expect(seen).not.toHaveProperty(`headers.${name}`)
    }
    expect(answer).toMatchObject({
      status: 418,
      headers: { 'content-type': 'x/y', 'retry-after': '1' },
    })
    const parts: Uint8Array[] = []
    for await (const part of answer.body as AsyncIterable<Uint8Array>) parts.push(part)
    expect(Buffer.concat(parts).toString()).toBe('tea')
  })

  test('says whether anything was sent of it', async () => {
    const lost = await listen((request) => request.socket.destroy())
    await expect(passer.request(passedTo(lost), Uint8Array.of(1))).rejects.toMatchObject({
      isSent: true,
    })
    const away = passer.request(passedTo('http://127.0.0.1:1'), Uint8Array.of(1))
    await expect(away).rejects.toMatchObject({ isSent: false })
    expect([await passer.reaches('http://127.0.0.1:1'), await passer.reaches(lost)]).toEqual([
      false,
      false,
    ])
  })
})

describe('a region with two nodes', () => {
  test('is asked of the other one where one does not listen, and of the holder once it is known', async () => {
    const asked: string[] = []
    const serve = (name: string, headers: Record<string, string> = {}): Promise<string> =>
      listen((request, response) => {
        asked.push(name)
        request.pipe(response.writeHead(200, { 'content-type': MESSAGE_CONTENT_TYPE, ...headers }))
      })
    const away = { url: 'http://127.0.0.1:1' }
    const standby = { url: await serve('standby', { [PASSED_HEADER]: '1' }) }
    const holder = { url: await serve('holder') }
    const nodes = { b: [away, standby, holder] }
    const network = createHttpNetwork({ nodes, local: ['a'], runtime })
    onTestFinished(() => network.close())
    const message = Uint8Array.of(1, 2)
    for (let i = 0; i < 3; i++) {
      const answer = await network.transport('a').request('b', message)
      expect(Buffer.from(answer)).toEqual(Buffer.from(message))
    }
    expect(asked).toEqual(['standby', 'holder', 'holder'])
  })

  test('is served by the other one where this process is one of them, until it holds the region', async () => {
    const url = await listen((request, response) => {
      request.resume()
      response.writeHead(200, { 'content-type': MESSAGE_CONTENT_TYPE }).end('other')
    })
    const own = 'http://127.0.0.1:1'
    const nodes = { a: [{ url: own }, { url }] }
    const network = createHttpNetwork({ nodes, own, local: ['a'], runtime })
    onTestFinished(() => network.close())
    const ask = async (): Promise<string> =>
      Buffer.from(await network.transport('a').request('a', Uint8Array.of(1))).toString()
    expect(await ask()).toBe('other')
    const stop = network.listen('a', {
      onRequest: async () => Buffer.from('own'),
      onChannel: (channel) => channel.close(),
    })
    expect(await ask()).toBe('own')
    stop()
    expect(await ask()).toBe('other')
  })
})
