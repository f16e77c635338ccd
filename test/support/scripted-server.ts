/** A server that does with each request what a test says, down to cutting the connection. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { MESSAGE_CONTENT_TYPE } from '../../src/core/wire-http.ts'
import { decodeRequest, encodeResponse } from '../../src/protocol/codec.ts'
import type { Request, Response } from '../../src/protocol/messages.ts'

/** What becomes of a request that has been read. */
export type Action =
  | Response
  | 'cut'
  | 'cut the answer'
  | 'silence'
  | { readonly status: number; readonly html: string; readonly headers?: Record<string, string> }
  | { readonly status: number; readonly response: Response }

/** A request as it arrived. */
export interface Arrived extends Request {
  readonly headers: IncomingMessage['headers']
  /** Resolves once its connection is gone before it was answered. */
  readonly abandoned: Promise<void>
}

export interface ScriptedServer extends AsyncDisposable {
  readonly url: string
  readonly arrived: readonly Arrived[]
  /** How many connections were made. */
  connections(): number
  close(): Promise<void>
}

/** Starts one on a free port of this machine. */
export async function startScriptedServer(
  script: (request: Arrived, index: number) => Action | Promise<Action>,
): Promise<ScriptedServer> {
  const arrived: Arrived[] = []
  let connections = 0
  const serve = async (message: IncomingMessage, response: ServerResponse): Promise<void> => {
    const abandoned = new Promise<void>((resolve) => {
      response.once('close', () => {
        if (!response.writableFinished) resolve()
      })
    })
    const request = decodeRequest(new Uint8Array(await buffer(message)))
    const one = { ...request, headers: message.headers, abandoned }
    arrived.push(one)
    act(await script(one, arrived.length - 1), response)
  }
  const server = createServer((message, response) => {
    serve(message, response).catch(() => response.destroy())
  })
  server.on('connection', () => connections++)
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const close = async (): Promise<void> => {
    if (!server.listening) return
    const closed = new Promise<void>((resolve) => {
      server.close(() => resolve())
    })
    server.closeAllConnections()
    await closed
  }
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url, arrived, connections: () => connections, close, [Symbol.asyncDispose]: close }
}

function act(action: Action, response: ServerResponse): void {
  if (action === 'silence') return
  if (action === 'cut') {
    response.destroy()
  } else if (action === 'cut the answer') {
    response.writeHead(200, { 'content-type': MESSAGE_CONTENT_TYPE, 'content-length': 1000 })
    response.write('a part', () => response.destroy())
  } else if ('html' in action) {
    response.writeHead(action.status, { 'content-type': 'text/html', ...action.headers })
    response.end(action.html)
  } else {
    const [status, answer] = 'response' in action ? [action.status, action.response] : [200, action]
    response.writeHead(status, { 'content-type': MESSAGE_CONTENT_TYPE })
    response.end(encodeResponse(answer))
  }
}
