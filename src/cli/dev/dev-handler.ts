/**
 * What `meridian dev` serves on one port: the page with its stream of snapshots, and every region's
 * requests, delayed as if they came from the region where the client says that it stands.
 */
import { toWireError } from '../../core/errors.ts'
import { MAX_MESSAGE_BYTES } from '../../core/limits.ts'
import type { HttpHandler, HttpRequest, HttpResponse } from '../../core/ports/http.ts'
import { MESSAGE_CONTENT_TYPE, REGION_HEADER, REQUEST_PATH } from '../../core/wire-http.ts'
import { isLoopbackHost } from '../../config/addresses.ts'
import { requireMessage } from '../../node/require-message.ts'
import { decodeRequest, encodeResponse } from '../../protocol/codec.ts'
import type { DevSession } from './dev-session.ts'
import { pageFile } from './page.ts'

const LOOK_EVERY_MS = 400
/** Rows of users: for this page alone, and not for the cache. */
const OWN_PAGE_ONLY = {
  'cache-control': 'no-store',
  'cross-origin-resource-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
}

/** What the handler serves. */
export interface DevHandlerParts {
  readonly session: DevSession
  /** How clients reach this port. */
  readonly url: (region: string) => string
}

export function createDevHandler({ session, url }: DevHandlerParts): HttpHandler {
  const look = async (): Promise<string> => JSON.stringify(await session.look(url))
  return {
    async request(request) {
      if (isForeign(request)) return text(403, 'Only this machine, and its own page, may ask.\n')
      const page = request.method === 'GET' ? await pageFile(request.path) : undefined
      if (page !== undefined) return page
      switch (`${request.method} ${request.path}`) {
        case 'GET /dev/snapshot':
          return {
            status: 200,
            headers: { 'content-type': 'application/json', ...OWN_PAGE_ONLY },
            body: await look(),
          }
        case 'GET /dev/events':
          return events(look, request.signal)
        case `POST ${REQUEST_PATH}`:
          return answer(session, request)
        default:
          return text(404, 'Nothing here.\n')
      }
    },
  }
}

/**
 * Whether a page of elsewhere asks. Anyone may resolve a name to this machine (DNS rebinding), and
 * any page may send requests here; a browser adds from where.
 */
function isForeign({ headers }: HttpRequest): boolean {
  const { host = 'localhost', origin } = headers
  if (!isLoopbackHost(host.replace(/:\d+$/, ''))) return true
  return origin !== undefined && origin !== `http://${host}`
}

function text(status: number, body: string): HttpResponse {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body }
}

/** Server-sent events: a snapshot whenever it differs from the one before. */
function events(look: () => Promise<string>, signal: AbortSignal): HttpResponse {
  async function* stream(): AsyncGenerator<string> {
    let before = ''
    yield 'retry: 1000\n\n'
    while (!signal.aborted) {
      const now = await look()
      if (now !== before) yield `data: ${now}\n\n`
      before = now
      await pause(LOOK_EVERY_MS, signal)
    }
  }
  return {
    status: 200,
    headers: { 'content-type': 'text/event-stream', ...OWN_PAGE_ONLY },
    body: stream(),
  }
}

async function answer(session: DevSession, request: HttpRequest): Promise<HttpResponse> {
  const headers = { 'content-type': MESSAGE_CONTENT_TYPE }
  try {
    requireMessage(request)
    const message = await request.body(MAX_MESSAGE_BYTES)
    const { clientRegion } = decodeRequest(message).header
    const region = request.headers[REGION_HEADER] ?? clientRegion
    const transport = session.deployment.transport(clientRegion)
    return { status: 200, headers, body: await transport.request(region, message, request.signal) }
  } catch (error) {
    const failed = encodeResponse({ ok: false, error: toWireError(error), receipt: null })
    return { status: 200, headers, body: failed }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms)
    function done(): void {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    signal.addEventListener('abort', done)
  })
}
