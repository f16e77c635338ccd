/**
 * Transport: one `fetch` a request. The platform keeps connections open between requests, so that
 * a call is one round trip; bodies are the protocol's own bytes.
 */
import { MeridianError } from '../../core/errors.ts'
import { NodeChoice } from '../../core/node-choice.ts'
import type { Transport } from '../../core/ports/transport.ts'
import { MESSAGE_CONTENT_TYPE, PASSED_HEADER, REGION_HEADER } from '../../core/wire-http.ts'
import { fetchFailure } from './fetch-failure.ts'
import { foreignAnswer } from './foreign-answer.ts'
import type { TokenSource } from './token-source.ts'

const UNAVAILABLE = 503

/** `fetch`, as far as it is used here. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** What requests are made with. */
export interface HttpTransportOptions {
  /** Where messages go, by region. */
  readonly endpoints: ReadonlyMap<string, readonly string[]>
  readonly tokens: TokenSource
  readonly fetch: Fetch
}

/** Makes the transport of a client. It opens no channels: those are between nodes. */
export function createHttpTransport(options: HttpTransportOptions): Transport {
  const { endpoints, tokens, fetch } = options
  const choice = new NodeChoice(endpoints)
  /** Copies of a message that are under way: each is for another node (a read that is hedged). */
  const copies = new Map<Uint8Array, number>()

  async function request(
    region: string,
    message: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    requireEndpoints(endpoints, region)
    const asked = tokens.current()
    const answer = await inTurn(region, message, await asked, signal)
    if (answer.status !== 401 || !tokens.renew(asked)) return messageOf(region, answer)
    // Refused before anything was done: a write may be sent again as well.
    const renewed = await tokens.current()
    return messageOf(region, await inTurn(region, message, renewed, signal))
  }

  async function inTurn(
    region: string,
    message: Uint8Array,
    token: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<HttpAnswer> {
    const others = copies.get(message) ?? 0
    copies.set(message, others + 1)
    const ask = async (endpoint: string): Promise<HttpAnswer> => {
      const answer = await exchange(endpoint, region, message, token, signal)
      if (answer.isPassed || answer.status === UNAVAILABLE) choice.avoid(region, endpoint)
      else choice.prefer(region, endpoint)
      return answer
    }
    try {
      return await choice.ask(region, ask, others)
    } finally {
      const left = (copies.get(message) ?? 1) - 1
      if (left === 0) copies.delete(message)
      else copies.set(message, left)
    }
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
      const { status, headers } = response
      const isPassed = headers.get(PASSED_HEADER) !== null
      return { status, type: headers.get('content-type'), isPassed, body }
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
  /** Whether the node that was asked had it from another one. */
  readonly isPassed: boolean
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
export function requireEndpoints(
  endpoints: HttpTransportOptions['endpoints'],
  region: string,
): void {
  if (endpoints.has(region)) return
  throw new MeridianError(
    'REGION_UNKNOWN',
    `There is no URL for region ${JSON.stringify(region)}.`,
    {
      fix: `Add it to \`nodes\`. There are: ${[...endpoints.keys()].join(', ')}.`,
      details: { region },
    },
  )
}
