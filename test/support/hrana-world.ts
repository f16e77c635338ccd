/** A Hrana service over a fake backend, spoken to without a network. */
import type { HttpRequest, HttpResponse, MessageSocket } from '../../src/core/ports/http.ts'
import type { Runtime } from '../../src/core/ports/runtime.ts'
import type { Caller } from '../../src/core/principal.ts'
import { MeridianError } from '../../src/core/errors.ts'
import type { HranaLimits } from '../../src/hrana/limits.ts'
import { createHranaService, type HranaService } from '../../src/hrana/service.ts'
import { FakeBackend } from './hrana-backend.ts'
import { ManualRuntime, turns } from './manual-runtime.ts'

export type Json = Record<string, unknown>

export function client(subject: string, tenants: readonly string[] | null = null): Caller {
  return { kind: 'client', subject, principal: { tenants, scopes: ['read', 'write'] } }
}

export const ALICE: Caller = client('alice', ['t1'])

/** An answer, read to its end. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly bytes: Uint8Array
  readonly text: string
}

export class HranaWorld {
  readonly backend = new FakeBackend()
  readonly runtime: ManualRuntime
  readonly service: HranaService
  readonly errors: unknown[] = []

  constructor(limits: Partial<HranaLimits> = {}, runtime = new ManualRuntime()) {
    this.runtime = runtime
    this.service = createHranaService({
      backend: this.backend,
      runtime: runtime satisfies Runtime,
      limits,
      onError: (error) => this.errors.push(error),
    })
  }

  request(options: RequestOptions): Promise<HttpResponse> {
    const caller = options.caller ?? ALICE
    return this.service.request(httpRequest(options), options.path, caller)
  }

  async answer(options: RequestOptions): Promise<Answer> {
    const response = await this.request(options)
    const bytes = await readBody(response.body)
    const { status, headers = {} } = response
    return { status, headers, bytes, text: new TextDecoder().decode(bytes) }
  }

  /** A JSON pipeline: the status, and the body as it came. */
  async pipeline(
    requests: readonly Json[],
    baton: string | null = null,
    options: Partial<RequestOptions> = {},
  ): Promise<{ status: number; body: Json; baton: string; results: Json[] }> {
    const { status, text } = await this.answer({
      path: '/v3/pipeline',
      body: JSON.stringify({ baton, requests }),
      ...options,
    })
    const body = JSON.parse(text) as Json
    return { status, body, baton: body['baton'] as string, results: body['results'] as Json[] }
  }

  /** Opens a WebSocket that speaks JSON unless another subprotocol is named. */
  socket(protocol = 'hrana3', authenticate = authenticator()): FakeSocket {
    const decision = this.service.upgrade([protocol], authenticate)
    if (decision.kind !== 'open') throw new Error('the upgrade was refused')
    const socket = new FakeSocket()
    decision.open(socket)
    return socket
  }

  /** Opens a socket that has said hello. */
  async greeted(protocol = 'hrana3'): Promise<FakeSocket> {
    const socket = this.socket(protocol)
    socket.receive({ type: 'hello', jwt: 'alice' })
    await turns()
    socket.sent.length = 0
    return socket
  }
}

/** A token is the subject's name; an unknown one is refused. */
export function authenticator(...extra: readonly string[]) {
  return async (jwt: string | null): Promise<Caller> => {
    if (jwt === 'alice') return ALICE
    if (jwt !== null && extra.includes(jwt)) return client(jwt)
    throw new MeridianError('UNAUTHENTICATED', 'The token is not valid.')
  }
}

export interface RequestOptions {
  readonly path: string
  readonly method?: string
  readonly body?: string | Uint8Array
  readonly caller?: Caller
  readonly signal?: AbortSignal
}

function httpRequest(options: RequestOptions): HttpRequest {
  const { path, body = '', method = 'POST' } = options
  return {
    method,
    path,
    query: new URLSearchParams(),
    headers: {},
    remoteAddress: '127.0.0.1',
    signal: options.signal ?? new AbortController().signal,
    body: async (maxBytes) => {
      const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body
      if (bytes.length > maxBytes) {
        throw new MeridianError('REQUEST_TOO_LARGE', `A body may have ${maxBytes} bytes.`)
      }
      return bytes
    },
  }
}

async function readBody(body: HttpResponse['body']): Promise<Uint8Array> {
  const encoder = new TextEncoder()
  if (body === undefined) return new Uint8Array()
  if (typeof body === 'string') return encoder.encode(body)
  if (body instanceof Uint8Array) return body
  const pieces: Uint8Array[] = []
  for await (const piece of body) {
    pieces.push(typeof piece === 'string' ? encoder.encode(piece) : piece)
  }
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}

/** The server's end of a WebSocket, driven by a test. */
export class FakeSocket implements MessageSocket {
  readonly sent: (string | Uint8Array)[] = []
  closed: { code: number; reason: string } | undefined
  paused = false
  unsent = 0
  #onMessage: (message: string | Uint8Array) => void = () => undefined
  #onClose: () => void = () => undefined

  send(message: string | Uint8Array): void {
    if (this.closed === undefined) this.sent.push(message)
  }
  onMessage(listener: (message: string | Uint8Array) => void): void {
    this.#onMessage = listener
  }
  onClose(listener: () => void): void {
    this.#onClose = listener
  }
  bufferedBytes(): number {
    return this.unsent
  }
  pause(): void {
    this.paused = true
  }
  resume(): void {
    this.paused = false
  }
  close(code = 1000, reason = ''): void {
    if (this.closed !== undefined) return
    this.closed = { code, reason }
    queueMicrotask(() => this.#onClose())
  }

  /** The client sends a message; objects go as JSON. */
  receive(message: Json | string | Uint8Array): void {
    const isRaw = typeof message === 'string' || message instanceof Uint8Array
    this.#onMessage(isRaw ? message : JSON.stringify(message))
  }

  /** The client is gone. */
  hangUp(): void {
    this.closed ??= { code: 1006, reason: '' }
    this.#onClose()
  }

  /** The client sends a request. */
  ask(requestId: number, request: Json): void {
    this.receive({ type: 'request', request_id: requestId, request })
  }

  /** What was sent, as JSON. */
  messages(): Json[] {
    return this.sent.map((message) => JSON.parse(message as string) as Json)
  }

  /** Sends requests and waits until each is answered; the answers in their order. */
  async exchange(...requests: readonly Json[]): Promise<Json[]> {
    const from = this.sent.length
    for (const [i, request] of requests.entries()) this.ask(i, request)
    for (let i = 0; this.sent.length < from + requests.length && i < 200; i++) await turns()
    return this.messages().slice(from)
  }
}
