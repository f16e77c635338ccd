/**
 * Transport: one `fetch` a request. The platform keeps connections open between requests, so that
 * a call is one round trip; bodies are the protocol's own bytes.
 */
import { MeridianError } from '../../core/errors.ts'
import type { Transport } from '../../core/ports/transport.ts'
import { MESSAGE_CONTENT_TYPE, REGION_HEADER } from '../../core/wire-http.ts'
import { fetchFailure } from './fetch-failure.ts'
import { foreignAnswer } from './foreign-answer.ts'
import type { TokenSource } from './token-source.ts'

/** `fetch`, as far as it is used here. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** What requests are made with. */
export interface HttpTransportOptions {
  /** Where messages go, by region. */
  readonly endpoints: ReadonlyMap<string, string>
  readonly tokens: TokenSource
  readonly fetch: Fetch
}

/** Makes the transport of a client. It opens no channels: those are between nodes. */
export function createHttpTransport(options: HttpTransportOptions): Transport {
  const { endpoints, tokens, fetch } = options

  async function request(
    region: string,
    message: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    const endpoint = requireEndpoint(endpoints, region)
    const asked = tokens.current()
    const answer = await exchange(endpoint, region, message, await asked, signal)
    if (answer.status !== 401 || !tokens.renew(asked)) return messageOf(region, answer)
    // Refused before anything was done: a write may be sent again as well.
    const renewed = await tokens.current()
    return messageOf(region, await exchange(endpoint, region, message, renewed, signal))
  }

  async function exchange(
    endpoint: string,
    region: string,
    message: Uint8Array,
    token: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<HttpAnswer> {
    // What the signal ended was told its reason; what had not begun is then not sent.
    signal?.throwIfAborted()
    try {
      const response = await fetch(endpoint, {
        method: 'POST',
        headers: headersOf(region, token),
        body: message as Uint8Array<ArrayBuffer>,
        // A redirect would turn the message into a GET, and lead the token elsewhere.
        redirect: 'manual',
        ...(signal === undefined ? {} : { signal }),
      })
      const body = new Uint8Array(await response.arrayBuffer())
      return { status: response.status, type: response.headers.get('content-type'), body }
    } catch (error) {
      if (signal?.aborted === true) throw signal.reason
      throw fetchFailure(region, error)
    }
  }

  return {
    request,
    async connect() {
      throw new MeridianError('INVALID_ARGUMENT', 'A client over HTTP opens no channels.')
    },
  }
}

/** An answer that has come in full. */
interface HttpAnswer {
  readonly status: number
  readonly type: string | null
  readonly body: Uint8Array
}

function headersOf(region: string, token: string | undefined): Record<string, string> {
  return {
    'content-type': MESSAGE_CONTENT_TYPE,
    [REGION_HEADER]: region,
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  }
}

/** A node's answer is a message whatever its status, which is for proxies. */
function messageOf(region: string, { status, type, body }: HttpAnswer): Uint8Array {
  if (type?.split(';')[0]?.trim() === MESSAGE_CONTENT_TYPE) return body
  throw foreignAnswer(region, status)
}

/** @throws MeridianError `REGION_UNKNOWN` */
export function requireEndpoint(endpoints: ReadonlyMap<string, string>, region: string): string {
  const endpoint = endpoints.get(region)
  if (endpoint !== undefined) return endpoint
  throw new MeridianError(
    'REGION_UNKNOWN',
    `There is no URL for region ${JSON.stringify(region)}.`,
    {
      fix: `Add it to \`nodes\`. There are: ${[...endpoints.keys()].join(', ')}.`,
      details: { region },
    },
  )
}
