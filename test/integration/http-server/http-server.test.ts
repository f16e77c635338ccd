import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { HttpResponse } from '../../../src/core/ports/http.ts'
import { failureOf, until } from '../../conformance/support/failure.ts'
import { selfSignedCertificate } from '../../support/certificates.ts'
import { raw, serveHttp } from '../../support/http-raw.ts'

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const GET = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n'

describe('answers', () => {
  test('keep the connection; HEAD has none of the body', async () => {
    const { server } = await serveHttp(async () => ({ status: 200, body: 'hello' }))
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
    const { server, errors } = await serveHttp(async (request) => {
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
    const { server, errors } = await serveHttp(async (request) => {
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
    const { server } = await serveHttp(async (request) => {
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
    const { server, errors } = await serveHttp(
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
    await until(() => server.connections() === 0)
    expect(errors).toEqual([])
  })
})

describe('peers that do harm', () => {
  const ok = async (): Promise<HttpResponse> => ({ status: 200, body: 'ok' })

  test('heads that are too large, no HTTP or no target are refused', async () => {
    const { server } = await serveHttp(ok)
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
    const { server } = await serveHttp(async () => {
      await pause(30)
      return { status: 200, body: 'ok' }
    })
    const client = await raw(server, `${GET}nonsense\r\n\r\n`)
    await until(() => client.isClosed())
    expect(client.text()).not.toContain('400')
    expect(await (await fetch(server.url)).text()).toBe('ok')
  })

  test('heads that come too slowly are cut and keep nobody from being served', async () => {
    const { server } = await serveHttp(ok, { headerTimeoutMs: 1000 })
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
    const { server } = await serveHttp(ok, { maxConnections: 3 })
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
    const { server } = await serveHttp(ok, { headerTimeoutMs: 60_000 })
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
    const { server } = await serveHttp(ok, { idleTimeoutMs: 100 })
    const client = await raw(server, GET)
    await until(() => client.isClosed())
    expect(client.text()).toMatch(/^HTTP\/1\.1 200 /)
  })
})

describe('closing', () => {
  test('answers what is in progress, closes the idle, refuses the new', async () => {
    let answer: (() => void) | undefined
    const { server } = await serveHttp(
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
    const { server } = await serveHttp(async (request) => {
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
    const { server } = await serveHttp((request) => {
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
    const { certificate, key } = await selfSignedCertificate()
    const { server } = await serveHttp(async () => ({ status: 200, body: 'ok' }), {
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
