/** A server for one test, and clients that say what no HTTP client would. */
import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import type { HttpHandler, HttpRequest, HttpResponse } from '../../src/core/ports/http.ts'
import {
  startHttpServer,
  type HttpServerOptions,
  type RunningHttpServer,
} from '../../src/drivers/http/http-server.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'

/** A server for one test, with what it reported. */
export async function serveHttp(
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

/** A raw connection, with all that it received. */
export interface Raw {
  readonly socket: Socket
  readonly text: () => string
  readonly isClosed: () => boolean
}

export async function raw(server: RunningHttpServer, text = ''): Promise<Raw> {
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
