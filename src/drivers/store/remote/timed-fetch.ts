/**
 * `fetch` for the Hrana client: with a time-out over the whole exchange, and with errors that tell
 * whether the request can have reached the server.
 */
import type { Timers } from '../../../core/ports/runtime.ts'

/** The request did not leave this machine. */
export class NotSentError extends Error {
  override readonly name = 'NotSentError'

  constructor(cause: unknown) {
    super('The request was not sent.', { cause })
  }
}

/** No answer in time. */
export class RequestTimeoutError extends Error {
  override readonly name = 'RequestTimeoutError'

  constructor() {
    super('No answer in time.')
  }
}

/** An answer other than success. */
export class HttpStatusError extends Error {
  override readonly name = 'HttpStatusError'
  readonly status: number

  constructor(status: number) {
    super(`HTTP status ${status}.`)
    this.status = status
  }
}

/** Failures of name look-up, connecting and the TLS handshake: all before a request is written. */
const NOT_SENT =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|UND_ERR_CONNECT_TIMEOUT|ERR_TLS_.*|.*CERT.*|.*_SIGNED_.*)$/

/** Every request, that for the version too, carries the token. */
export function timedFetch(
  timers: Timers,
  timeoutMs: number,
  token: string | undefined,
): (request: Request) => Promise<Response> {
  return async (request) => {
    if (token !== undefined) request.headers.set('authorization', `Bearer ${token}`)
    const abort = new AbortController()
    const cancel = timers.after(timeoutMs, () => abort.abort(new RequestTimeoutError()))
    try {
      const response = await fetch(request, { signal: abort.signal })
      const body = await response.arrayBuffer()
      // A GET asks whether the server knows a version: its client makes do with another.
      if (!response.ok && (request.method === 'POST' || isDenied(response))) {
        throw new HttpStatusError(response.status)
      }
      return new Response(body, { status: response.status, headers: response.headers })
    } catch (error) {
      throw isNotSent(error) ? new NotSentError(error) : error
    } finally {
      cancel()
    }
  }
}

function isDenied({ status }: Response): boolean {
  return status === 401 || status === 403
}

function isNotSent(error: unknown): boolean {
  if (!(error instanceof TypeError)) return false
  const code = (error.cause as { readonly code?: unknown } | undefined)?.code
  return typeof code === 'string' && NOT_SENT.test(code)
}
