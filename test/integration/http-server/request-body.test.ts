import { brotliCompressSync, constants, deflateSync, gzipSync } from 'node:zlib'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { MeridianError } from '../../../src/core/errors.ts'
import type { HttpRequest, HttpResponse } from '../../../src/core/ports/http.ts'
import { until } from '../../conformance/support/failure.ts'
import { raw, serveHttp } from '../../support/http-raw.ts'

const MAX_BODY_BYTES = 1_000_000
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Answers with the length of the body, and keeps what reading it failed with. */
function lengths(failures: unknown[]): (request: HttpRequest) => Promise<HttpResponse> {
  return async (request) => {
    try {
      return { status: 200, body: String((await request.body(MAX_BODY_BYTES)).length) }
    } catch (error) {
      failures.push(error)
      throw error
    }
  }
}

const head = (...headers: string[]): string =>
  ['POST / HTTP/1.1', 'host: a', ...headers, '', ''].join('\r\n')

describe('bodies', () => {
  const compressions = {
    gzip: gzipSync,
    deflate: deflateSync,
    br: brotliCompressSync,
  }

  test('that come with their head keep the connection, answered at once as they are', async () => {
    const { server } = await serveHttp(async (request) => {
      // As whoever asks first who calls: by then the body is here, and the request not yet over.
      await Promise.resolve()
      return { status: 200, body: String((await request.body(MAX_BODY_BYTES)).length) }
    })
    const connection = await raw(server)
    const request = (body: string): string => `${head(`content-length: ${body.length}`)}${body}`
    connection.socket.write(request('one') + request('') + request('three'))
    await until(() => connection.text().split('HTTP/1.1 200').length === 4)
    connection.socket.write(request('again'))
    await until(() => connection.text().split('HTTP/1.1 200').length === 5)
    expect(connection.text()).not.toMatch(/connection: close/i)
    const bodies = connection.text().match(/(?<=\r\n\r\n)\d/g)
    expect(bodies).toEqual(['3', '0', '5', '5'])
  })

  test('come decompressed, whatever their compression', async () => {
    const { server } = await serveHttp(lengths([]))
    for (const [encoding, compress] of Object.entries(compressions)) {
      const response = await fetch(server.url, {
        method: 'POST',
        body: compress(Buffer.alloc(MAX_BODY_BYTES)),
        headers: { 'content-encoding': encoding },
      })
      expect(await response.text()).toBe(String(MAX_BODY_BYTES))
    }
  })

  test('that unfold beyond the bound are refused, and little of them is unfolded', async () => {
    const failures: unknown[] = []
    const { server } = await serveHttp(lengths(failures))
    const zeros = Buffer.alloc(256 * 1024 * 1024)
    const member = gzipSync(zeros.subarray(0, 32 * 1024 * 1024))
    const bombs = {
      // 960 MiB, as members one after the other.
      gzip: Buffer.concat(Array.from({ length: 30 }, () => member)),
      deflate: deflateSync(zeros),
      br: brotliCompressSync(zeros, { params: { [constants.BROTLI_PARAM_QUALITY]: 2 } }),
    }
    for (const [encoding, bomb] of Object.entries(bombs)) {
      expect(bomb.length).toBeLessThan(MAX_BODY_BYTES)
      const before = process.memoryUsage().rss
      const response = await fetch(server.url, {
        method: 'POST',
        body: bomb,
        headers: { 'content-encoding': encoding },
      })
      expect(response.status).toBe(413)
      expect(process.memoryUsage().rss - before).toBeLessThan(zeros.length / 2)
    }
    expect(failures.map((error) => (error as MeridianError).code)).toEqual(
      Array.from({ length: 3 }, () => 'REQUEST_TOO_LARGE'),
    )
  })

  test('beyond the bound are refused, announced or not', async () => {
    const { server, errors } = await serveHttp(lengths([]))
    for (const body of [
      new Uint8Array(MAX_BODY_BYTES + 1),
      new ReadableStream({
        start(controller) {
          controller.enqueue(new Uint8Array(MAX_BODY_BYTES))
          controller.enqueue(new Uint8Array(1))
          controller.close()
        },
      }),
    ]) {
      const response = await fetch(server.url, {
        method: 'POST',
        body,
        duplex: 'half',
      } as RequestInit)
      expect(response.status).toBe(413)
    }
    expect(errors).toEqual([])
  })

  test('that are cut off, or not what they say, are malformed', async () => {
    const failures: unknown[] = []
    const { server } = await serveHttp(lengths(failures))
    const cut = await raw(server, `${head('content-length: 100')}0123456789`)
    cut.socket.end()
    await until(() => failures.length === 1)
    const reset = await raw(server, `${head('content-length: 100')}0123456789`)
    await pause(20)
    reset.socket.resetAndDestroy()
    const whole = gzipSync(Buffer.alloc(1000, 'x'))
    for (const [encoding, body] of [
      ['gzip', 'not compressed'],
      ['gzip', whole.subarray(0, whole.length - 9)],
      ['gzip, br', whole],
      ['zstd', whole],
    ] as const) {
      const response = await fetch(server.url, {
        method: 'POST',
        body,
        headers: { 'content-encoding': encoding },
      })
      expect(response.status).toBe(400)
    }
    await until(() => failures.length >= 5)
    for (const failure of failures) expect(failure).toMatchObject({ code: 'PROTOCOL_MALFORMED' })
  })

  test('that come too slowly are answered with 408 and cut', async () => {
    const failures: unknown[] = []
    const { server } = await serveHttp(lengths(failures), { bodyTimeoutMs: 200 })
    const slow = await raw(server, `${head('content-length: 100000')}0`)
    const drip = setInterval(() => slow.socket.write('0'), 20)
    onTestFinished(() => clearInterval(drip))
    await until(() => slow.isClosed())
    expect(slow.text()).toMatch(/^HTTP\/1\.1 408 /)
    expect(failures).toMatchObject([{ code: 'DEADLINE_EXCEEDED' }])
  })

  test('that wait for a sign are asked for unless their head refuses them', async () => {
    const { server } = await serveHttp(lengths([]))
    const welcome = await raw(server, head('expect: 100-continue', 'content-length: 3'))
    await until(() => welcome.text().startsWith('HTTP/1.1 100 Continue'))
    welcome.socket.write('abc')
    await until(() => /HTTP\/1\.1 200 OK[^]*\r\n\r\n3$/.test(welcome.text()))
    const large = head('expect: 100-continue', `content-length: ${MAX_BODY_BYTES + 1}`)
    const refused = await raw(server, large)
    await until(() => refused.text() !== '')
    expect(refused.text()).toMatch(/^HTTP\/1\.1 413 /)
  })
})
