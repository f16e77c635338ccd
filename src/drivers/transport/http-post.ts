/**
 * One POST and its answer. Tells apart what the whole protocol of retries rests on: a request of
 * which nothing was sent, and one that may have been executed.
 */
import { request as requestPlain, type Agent, type IncomingMessage } from 'node:http'
import { request as requestTls } from 'node:https'
import type { Timers } from '../../core/ports/runtime.ts'
import { PASSED_HEADER } from '../../core/wire-http.ts'

/** What is sent where. */
export interface PostOptions extends Omit<SendOptions, 'method'> {
  readonly maxAnswerBytes: number
}

/** A request of any kind. */
export interface SendOptions {
  readonly method: string
  readonly url: URL
  readonly agent: Agent
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
  /** From here to the last byte of the answer. */
  readonly timeoutMs: number
  /** How long a new connection may take, TLS included. */
  readonly connectTimeoutMs: number
  readonly timers: Timers
  readonly signal?: AbortSignal | undefined
}

/** An answer, whatever its status. */
export interface PostAnswer {
  readonly status: number
  readonly contentType: string | undefined
  /** Whether the node that was asked had it from another one. */
  readonly isPassed: boolean
  readonly body: Uint8Array
}

/** Why there is no answer. */
export class PostFailure extends Error {
  /** Whether any part of the request may have been sent. */
  readonly isSent: boolean
  /** Whether the caller's signal ended it. */
  readonly isAborted: boolean

  constructor(isSent: boolean, isAborted: boolean, cause: unknown) {
    super(isSent ? 'The connection ended before the answer.' : 'Nothing was sent.', { cause })
    this.isSent = isSent
    this.isAborted = isAborted
  }
}

/** Sends the request. Rejects with a `PostFailure` alone. */
export function post(options: PostOptions): Promise<PostAnswer> {
  return sendRequest({ ...options, method: 'POST' }, (incoming) =>
    readAnswer(incoming, options.maxAnswerBytes),
  )
}

/**
 * Sends a request and resolves with what `read` makes of its answer, until which its times and its
 * signal bound it. Rejects with a `PostFailure` alone.
 */
export function sendRequest<Answer>(
  options: SendOptions,
  read: (incoming: IncomingMessage) => Promise<Answer>,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { url, method, agent, headers, body, timers, signal } = options
    let isSent = false
    const send = url.protocol === 'https:' ? requestTls : requestPlain
    const length = body.length > 0 || method === 'POST' ? { 'content-length': body.length } : {}
    const outgoing = send(url, { method, agent, headers: { ...headers, ...length } })
    const fail = (cause: unknown, isAborted = false): void => {
      settle()
      reject(new PostFailure(isSent, isAborted, cause))
      outgoing.destroy()
    }
    const onAbort = (): void => fail(signal?.reason, true)
    const stopTimer = timers.after(options.timeoutMs, () => fail(new Error('No answer in time.')))
    const stopConnectTimer = timers.after(options.connectTimeoutMs, () => {
      if (!isSent) fail(new Error('No connection in time.'))
    })
    const settle = (): void => {
      stopTimer()
      stopConnectTimer()
      signal?.removeEventListener('abort', onAbort)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    outgoing.on('error', fail)
    outgoing.on('socket', (socket) => {
      const noteSent = (): void => {
        isSent = true
      }
      // A kept connection takes the request at once. That its peer has closed it meanwhile looks
      // the same from here as a server that died over the request.
      if (outgoing.reusedSocket || !socket.connecting) noteSent()
      else socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', noteSent)
    })
    outgoing.on('response', (incoming) => {
      read(incoming).then((answer) => {
        settle()
        resolve(answer)
      }, fail)
    })
    outgoing.end(body)
  })
}

async function readAnswer(incoming: IncomingMessage, maxBytes: number): Promise<PostAnswer> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of incoming as AsyncIterable<Uint8Array>) {
    bytes += chunk.length
    if (bytes > maxBytes) throw new Error(`The answer has more than ${maxBytes} bytes.`)
    chunks.push(chunk)
  }
  const body = new Uint8Array(bytes)
  let at = 0
  for (const chunk of chunks) {
    body.set(chunk, at)
    at += chunk.length
  }
  return {
    status: incoming.statusCode ?? 0,
    contentType: incoming.headers['content-type'],
    isPassed: incoming.headers[PASSED_HEADER] !== undefined,
    body,
  }
}
