/**
 * One request and its answer. What a handler throws is reported and answered without its text;
 * what the body of a request fails with is the fault of who sent it and answered as such.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { asMeridianError, type ErrorCode } from '../../core/errors.ts'
import type { HttpHandler, HttpRequest, HttpResponse } from '../../core/ports/http.ts'
import type { Timers } from '../../core/ports/runtime.ts'
import { readBody } from './request-body.ts'
import { writeResponse } from './write-response.ts'

/** What all exchanges of a server share. */
export interface ExchangeContext {
  readonly handler: HttpHandler
  readonly timers: Timers
  readonly bodyTimeoutMs: number
  readonly onError: (error: unknown) => void
  /** Whether the server closes: then no answer keeps its connection. */
  readonly isDraining: () => boolean
  /** Whether it is about to: likewise, while it still accepts. */
  readonly isRetiring: () => boolean
}

/** How long the rest of a request that was answered early is read, so that the answer arrives. */
const LINGER_MS = 1000

const STATUS_BY_BODY_FAILURE: Partial<Record<ErrorCode, number>> = {
  REQUEST_TOO_LARGE: 413,
  PROTOCOL_MALFORMED: 400,
  DEADLINE_EXCEEDED: 408,
}

/** A request, with what its body failed with. */
export interface IncomingRequest {
  readonly request: HttpRequest
  bodyFailure: unknown
}

/** Answers one request. Never rejects. */
export async function exchange(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  context: ExchangeContext,
  expectsContinue: boolean,
): Promise<void> {
  const hangUp = new HangUp(outgoing)
  // Of a request that is cut off; who reads its body learns of it there.
  incoming.on('error', () => undefined)
  outgoing.on('error', () => undefined)
  const onBody = expectsContinue ? () => outgoing.writeContinue() : undefined
  const parsed = toRequest(incoming, context, () => hangUp.signal, onBody)
  const response =
    parsed === undefined
      ? plainResponse(400)
      : await answer(() => context.handler.request(parsed.request), parsed, context)
  await send(incoming, outgoing, response, context)
}

/** Tells who asks for it that the caller has hung up. Few ask, and a signal costs more than most. */
class HangUp {
  #controller: AbortController | undefined
  #isOver = false

  constructor(outgoing: ServerResponse) {
    // Set once: after 'finish' the signal of an answered request stays quiet.
    outgoing.once('close', () => {
      this.#isOver = !outgoing.writableFinished
      if (this.#isOver) this.#controller?.abort()
    })
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#isOver) this.#controller.abort()
    }
    return this.#controller.signal
  }
}

/** What the handler answers, or what stands for it where it fails. */
export async function answer<T>(
  work: () => Promise<T>,
  incoming: IncomingRequest,
  context: ExchangeContext,
): Promise<T | HttpResponse> {
  try {
    return await work()
  } catch (error) {
    const status =
      error === incoming.bodyFailure
        ? STATUS_BY_BODY_FAILURE[asMeridianError(error).code]
        : undefined
    if (status === undefined) context.onError(error)
    return plainResponse(status ?? 500)
  }
}

/** An answer that says its status and no more. */
export function plainResponse(status: number): HttpResponse {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: `${status}\n` }
}

/** Sends the answer; one that cannot be sent as it is becomes 500 while that is possible. */
export async function send(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  response: HttpResponse,
  context: ExchangeContext,
): Promise<void> {
  const { timers } = context
  // Whoever has not sent all of a request cannot send another after it.
  const isPartial = !incoming.complete
  const isLast = isPartial || context.isDraining() || context.isRetiring()
  const linger = { beforeEnd: () => readRest(incoming, timers) }
  const options = { timers, isLast, ...(isPartial ? linger : {}) }
  try {
    await writeResponse(outgoing, response, options)
  } catch (error) {
    context.onError(error)
    if (outgoing.headersSent) outgoing.destroy()
    else {
      for (const name of outgoing.getHeaderNames()) outgoing.removeHeader(name)
      await writeResponse(outgoing, plainResponse(500), options).catch(() => outgoing.destroy())
    }
  }
}

/**
 * A connection that closes over unread bytes is reset, and the answer lost with it. So the rest
 * of the request is read and dropped, for a while.
 */
function readRest(incoming: IncomingMessage, timers: Timers): Promise<void> {
  if (incoming.complete || incoming.destroyed) return Promise.resolve()
  return new Promise((resolve) => {
    const settle = (): void => {
      stopTimer()
      resolve()
    }
    const stopTimer = timers.after(LINGER_MS, settle)
    incoming.once('end', settle)
    incoming.once('close', settle)
    incoming.resume()
  })
}

/** The request as handlers see it; `undefined` where its target is none. */
export function toRequest(
  incoming: IncomingMessage,
  context: Pick<ExchangeContext, 'timers' | 'bodyTimeoutMs'>,
  signalOf: () => AbortSignal,
  onBody?: () => void,
): IncomingRequest | undefined {
  const target = parseTarget(incoming.url ?? '')
  if (target === undefined) return undefined
  const parsed: IncomingRequest = {
    bodyFailure: undefined,
    request: {
      method: incoming.method ?? 'GET',
      ...target,
      headers: firstHeaders(incoming),
      remoteAddress: incoming.socket.remoteAddress ?? '',
      get signal() {
        return signalOf()
      },
      body: (maxBytes) => {
        const { timers, bodyTimeoutMs: timeoutMs } = context
        const body = readBody(incoming, { maxBytes, timeoutMs, timers, onStart: onBody })
        return body.catch((error: unknown) => {
          parsed.bodyFailure = error
          throw error
        })
      },
    },
  }
  return parsed
}

function parseTarget(
  target: string,
): { readonly path: string; readonly query: URLSearchParams } | undefined {
  if (PLAIN_PATH.test(target)) return { path: target, query: new URLSearchParams() }
  const origin = /^https?:\/\/[^/?#]*/i.exec(target)?.[0] ?? ''
  const local = target.slice(origin.length).replace(/^(?=\?|$)/, origin === '' ? '' : '/')
  if (!local.startsWith('/')) return undefined
  const queryAt = local.indexOf('?')
  try {
    return {
      path: decodeURIComponent(queryAt < 0 ? local : local.slice(0, queryAt)),
      query: new URLSearchParams(queryAt < 0 ? '' : local.slice(queryAt)),
    }
  } catch {
    return undefined
  }
}

/** As most are: nothing in it stands for anything else. */
const PLAIN_PATH = /^\/[\w/.-]*$/

/** Of a header that is there more than once, the first. */
function firstHeaders({ rawHeaders }: IncomingMessage): Record<string, string | undefined> {
  const headers: Record<string, string | undefined> = Object.create(null) as Record<string, string>
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] as string).toLowerCase()
    headers[name] ??= rawHeaders[i + 1]
  }
  return headers
}
