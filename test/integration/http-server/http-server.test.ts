import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { brotliCompressSync, constants, deflateSync, gzipSync } from 'node:zlib'
import { describe, expect, onTestFinished, test } from 'vitest'
import { MeridianError } from '../../../src/core/errors.ts'
import type { HttpHandler, HttpRequest, HttpResponse } from '../../../src/core/ports/http.ts'
import {
  startHttpServer,
  type HttpServerOptions,
  type RunningHttpServer,
} from '../../../src/drivers/http/http-server.ts'
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'
import { failureOf, until } from '../../conformance/support/failure.ts'
import { selfSignedCertificate } from '../../support/certificates.ts'

const MAX_BODY_BYTES = 1_000_000
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** A server for one test, with what it reported. */
async function serve(
  request: (request: HttpRequest) => Promise<HttpResponse>,
  options: Partial<HttpServerOptions> = {},
): Promise<{ readonly server: RunningHttpServer; readonly errors: unknown[] }> {
  const errors: unknown[] = []
  const server = await startHttpServer({
    host: '127.0.0.1',
    port: 0,
    runtime: systemRuntime,
    handler: { request } satisfies HttpHandler,
    onError: (error) => errors.push(error),
    ...options,
  })
  onTestFinished(() => server.close({ drainTimeoutMs: 0 }))
  return { server, errors }
}

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

/** A raw connection, with all that it received. */
interface Raw {
  readonly socket: Socket
  readonly text: () => string
  readonly isClosed: () => boolean
}

async function raw(server: RunningHttpServer, text = ''): Promise<Raw> {
  const socket = createConnection({ host: server.host, port: server.port })
  let received = ''
  let isClosed = false
  socket.on('data', (chunk) => {
    received += chunk.toString('latin1')
  })
  socket.on('error', () => undefined)
  socket.on('close', () => {
    isClosed = true
  })
  onTestFinished(() => {
    socket.destroy()
  })
  await once(socket, 'connect')
  socket.write(text)
  return { socket, text: () => received, isClosed: () => isClosed }
}

const GET = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n'
const head = (...headers: string[]): string =>
  ['POST / HTTP/1.1', 'host: a', ...headers, '', ''].join('\r\n')

describe('bodies', () => {
  const compressions = {
    gzip: gzipSync,
    deflate: deflateSync,
    br: brotliCompressSync,
  }

  test('come decompressed, whatever their compression', async () => {
    const { server } = await serve(lengths([]))
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
    const { server } = await serve(lengths(failures))
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
    const { server, errors } = await serve(lengths([]))
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
    const { server } = await serve(lengths(failures))
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
    const { server } = await serve(lengths(failures), { bodyTimeoutMs: 200 })
    const slow = await raw(server, `${head('content-length: 100000')}0`)
    const drip = setInterval(() => slow.socket.write('0'), 20)
    onTestFinished(() => clearInterval(drip))
    await until(() => slow.isClosed())
    expect(slow.text()).toMatch(/^HTTP\/1\.1 408 /)
    expect(failures).toMatchObject([{ code: 'DEADLINE_EXCEEDED' }])
  })

  test('that wait for a sign are asked for unless their head refuses them', async () => {
    const { server } = await serve(lengths([]))
    const welcome = await raw(server, head('expect: 100-continue', 'content-length: 3'))
    await until(() => welcome.text().startsWith('HTTP/1.1 100 Continue'))
    welcome.socket.write('abc')
    await until(() => /HTTP\/1\.1 200 OK[^]*\r\n\r\n3$/.test(welcome.text()))
    const large = head('expect: 100-continue', `content-length: ${MAX_BODY_BYTES + 1}`)
    const refused = await raw(server, large)
    await until(() => refused.text().startsWith('HTTP/1.1 413'))
  })
})

describe('answers', () => {
  test('keep the connection; HEAD has none of the body', async () => {
    const { server } = await serve(async () => ({ status: 200, body: 'hello' }))
    const one = await raw(server, GET.replace('GET', 'HEAD'))
    await until(() => one.text().includes('\r\n\r\n'))
    expect(one.text()).toMatch(/content-length: 5/)
    one.socket.write(GET)
    await until(() => one.text().endsWith('hello'))
    expect(one.text().split('hello')).toHaveLength(2)
    expect(server.connections()).toBe(1)
  })

  test('show nothing of what a handler threw, which is reported', async () => {
    const secret = new Error('the row 4711')
    const { server, errors } = await serve(async (request) => {
      if (request.path === '/ok') return { status: 200 }
      throw secret
    })
    const response = await fetch(server.url)
    expect(response.status).toBe(500)
    expect(await response.text()).not.toContain('4711')
    expect(errors).toEqual([secret])
    expect((await fetch(`${server.url}/ok`)).status).toBe(200)
  })

  test('that cannot be sent, or fail in the middle, harm nobody else', async () => {
    const { server, errors } = await serve(async (request) => {
      if (request.path === '/header') return { status: 200, headers: { 'x-a': 'b\r\nc: d' } }
      if (request.path === '/ok') return { status: 200, body: 'ok' }
      return {
        status: 200,
        body: (async function* () {
          yield 'first'
          await pause(1)
          throw new Error('broke')
        })(),
      }
    })
    expect((await fetch(`${server.url}/header`)).status).toBe(500)
    const broken = await fetch(`${server.url}/broken`)
    await failureOf(broken.text())
    expect(errors).toHaveLength(2)
    expect(await (await fetch(`${server.url}/ok`)).text()).toBe('ok')
  })

  test('in pieces are produced no faster than they are read, and no longer', async () => {
    let produced = 0
    let hasEnded = false
    let signal: AbortSignal | undefined
    const piece = new Uint8Array(65_536)
    const { server } = await serve(async (request) => {
      signal = request.signal
      return {
        status: 200,
        body: (async function* () {
          try {
            for (; produced < 100_000; produced++) yield piece
          } finally {
            hasEnded = true
          }
        })(),
      }
    })
    const reader = await raw(server)
    reader.socket.pause()
    reader.socket.write(GET)
    let last = -1
    // Until it stands still: the buffers of two sockets are full.
    while (produced === 0 || last !== produced) {
      last = produced
      await pause(200)
    }
    expect(produced).toBeLessThan(2000)
    reader.socket.destroy()
    await until(() => hasEnded)
    expect(signal?.aborted).toBe(true)
  })

  test('that nobody waits for any more end by their signal', async () => {
    let isAborted = false
    const { server } = await serve(
      (request) =>
        new Promise((resolve) => {
          request.signal.addEventListener('abort', () => {
            isAborted = true
            resolve({ status: 200 })
          })
        }),
    )
    const client = await raw(server, GET)
    await until(() => server.connections() === 1)
    await pause(20)
    client.socket.destroy()
    await until(() => isAborted)
  })
})

describe('peers that do harm', () => {
  const ok = async (): Promise<HttpResponse> => ({ status: 200, body: 'ok' })

  test('heads that are too large, no HTTP or no target are refused', async () => {
    const { server } = await serve(ok)
    for (const [text, status] of [
      [`GET / HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`, 431],
      ['nonsense\r\n\r\n', 400],
      ['GET /%zz HTTP/1.1\r\nhost: a\r\n\r\n', 400],
      ['FETCH / HTTP/1.1\r\nhost: a\r\n\r\n', 400],
      ['\x16\x03\x01\x02\x00\x01\x00', 400],
    ] as const) {
      const client = await raw(server, text)
      await until(() => client.text() !== '' || client.isClosed())
      expect(client.text().slice(0, 12)).toBe(`HTTP/1.1 ${status}`)
    }
    expect(await (await fetch(server.url)).text()).toBe('ok')
  })

  test('bytes after a request are not taken for its answer', async () => {
    const { server } = await serve(async () => {
      await pause(30)
      return { status: 200, body: 'ok' }
    })
    const client = await raw(server, `${GET}nonsense\r\n\r\n`)
    await until(() => client.isClosed())
    expect(client.text()).not.toContain('400')
    expect(await (await fetch(server.url)).text()).toBe('ok')
  })

  test('heads that come too slowly are cut and keep nobody from being served', async () => {
    const { server } = await serve(ok, { headerTimeoutMs: 1000 })
    const slow = await Promise.all(
      Array.from({ length: 200 }, () => raw(server, 'GET / HTTP/1.1\r\n')),
    )
    for (let i = 0; i < 10; i++) expect((await fetch(server.url)).status).toBe(200)
    const drip = setInterval(() => {
      for (const { socket } of slow) if (socket.writable) socket.write('x: y\r\n')
    }, 100)
    onTestFinished(() => clearInterval(drip))
    await until(() => slow.every(({ isClosed }) => isClosed()))
    expect(slow.filter(({ text }) => text().startsWith('HTTP/1.1 408'))).not.toEqual([])
  })

  test('connections beyond the limit are answered with 503 and closed', async () => {
    const { server } = await serve(ok, { maxConnections: 3 })
    const kept = await Promise.all(Array.from({ length: 3 }, () => raw(server)))
    await until(() => server.connections() === 3)
    const refused = await raw(server, GET)
    await until(() => refused.isClosed())
    expect(refused.text()).toMatch(/^HTTP\/1\.1 503 /)
    kept[0]?.socket.destroy()
    await until(() => server.connections() === 2)
    expect((await fetch(server.url)).status).toBe(200)
  })

  test('5,000 idle connections cost little, and requests are answered among them', async () => {
    const { server } = await serve(ok, { headerTimeoutMs: 60_000 })
    await fetch(server.url)
    const before = process.memoryUsage().rss
    const sockets: Socket[] = []
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy()
    })
    for (let opened = 0; opened < 5000; opened += 50) {
      await Promise.all(
        Array.from({ length: 50 }, async () => {
          const socket = createConnection({ host: server.host, port: server.port })
          sockets.push(socket)
          await once(socket, 'connect')
        }),
      )
    }
    await until(() => server.connections() >= 5000)
    for (let i = 0; i < 20; i++) expect((await fetch(server.url)).status).toBe(200)
    // Both ends are in this process.
    expect((process.memoryUsage().rss - before) / 5000).toBeLessThan(60_000)
  }, 180_000)

  test('connections without a request are closed after their time', async () => {
    const { server } = await serve(ok, { idleTimeoutMs: 100 })
    const client = await raw(server, GET)
    await until(() => client.isClosed())
    expect(client.text()).toMatch(/^HTTP\/1\.1 200 /)
  })
})

describe('closing', () => {
  test('answers what is in progress, closes the idle, refuses the new', async () => {
    let answer: (() => void) | undefined
    const { server } = await serve(
      () =>
        new Promise((resolve) => {
          answer = () => resolve({ status: 200, body: 'late' })
        }),
    )
    const idle = await raw(server)
    const busy = await raw(server, GET)
    await until(() => answer !== undefined && server.connections() === 2)
    const closing = server.close({ drainTimeoutMs: 20_000 })
    await until(() => idle.isClosed())
    await failureOf(fetch(server.url))
    answer?.()
    await closing
    await until(() => busy.isClosed())
    expect(busy.text()).toMatch(/^HTTP\/1\.1 200 [^]*connection: close[^]*late$/i)
    await server.close()
  })

  test('sends all of what is being sent, to a reader that is slow', async () => {
    const body = new Uint8Array(16 * 1024 * 1024)
    const small = new Uint8Array(200_000)
    let asked = 0
    const { server } = await serve(async (request) => {
      asked++
      return { status: 200, body: request.path === '/small' ? small : body }
    })
    const readers = await Promise.all(Array.from({ length: 4 }, () => raw(server)))
    for (const [i, { socket }] of readers.entries()) {
      socket.pause()
      socket.write(i % 2 === 0 ? GET : GET.replace('/ ', '/small ').repeat(8))
    }
    await until(() => asked === 18)
    const closing = server.close({ drainTimeoutMs: 40_000 })
    await pause(50)
    for (const { socket } of readers) socket.resume()
    await closing
    await until(() => readers.every(({ isClosed }) => isClosed()))
    for (const [i, { text }] of readers.entries()) {
      expect(text().length).toBeGreaterThan(i % 2 === 0 ? body.length : 8 * small.length)
    }
  })

  test('cuts what does not end in time, and aborts it', async () => {
    let signal: AbortSignal | undefined
    const { server } = await serve((request) => {
      signal = request.signal
      return new Promise(() => {})
    })
    const busy = await raw(server, GET)
    await until(() => signal !== undefined)
    await server.close({ drainTimeoutMs: 50 })
    await until(() => busy.isClosed())
    expect(signal?.aborted).toBe(true)
  })
})

describe('TLS', () => {
  test('is 1.2 or above, and what is no TLS harms nobody', async () => {
    const { certificate, key } = selfSignedCertificate()
    const { server } = await serve(async () => ({ status: 200, body: 'ok' }), {
      tls: { certificate, key },
    })
    expect(server.url).toMatch(/^https:/)
    const plain = await raw(server, GET)
    await until(() => plain.isClosed())
    const options = { host: server.host, port: server.port, ca: certificate }
    const old = connectTls({ ...options, maxVersion: 'TLSv1.1', minVersion: 'TLSv1' })
    expect(await once(old, 'secureConnect').catch((error: unknown) => error)).toBeInstanceOf(Error)
    const socket = connectTls(options)
    await once(socket, 'secureConnect')
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
    })
    socket.write(GET)
    await until(() => text.endsWith('ok'))
    socket.destroy()
  })
})
