/** The HTTP face of a node: who calls, whether there is room, and which part answers. */
import { asMeridianError, MeridianError, toForeignError, type ErrorCode } from '../core/errors.ts'
import type {
  HttpHandler,
  HttpRequest,
  HttpResponse,
  MessageSocket,
  UpgradeDecision,
} from '../core/ports/http.ts'
import type { Log } from '../core/ports/log.ts'
import type { Channel, ChannelService, TransportHandlers } from '../core/ports/transport.ts'
import type { Caller, Scope } from '../core/principal.ts'
import {
  CHANNEL_PATH_PREFIX,
  HEALTH_PATH,
  MESSAGE_CONTENT_TYPE,
  METRICS_PATH,
  READY_PATH,
  REGION_HEADER,
  REQUEST_PATH,
  SQL_PATH_PREFIX,
  STATUS_PATH,
  STRONG_PATH,
} from '../core/wire-http.ts'
import { MAX_CHANNEL_MESSAGE_BYTES } from '../drivers/transport/ws-channel.ts'
import { decodeRequest, encodeResponse } from '../protocol/codec.ts'
import type { Admission } from './admission.ts'
import type { NodeCallers } from './node-callers.ts'
import type { ReadinessReport } from './readiness.ts'
import { requireMessage } from './require-message.ts'
import { responseStatus, statusOf } from './response-status.ts'
import { STRONG_ACTIONS, type StrongAction } from './strong-actions.ts'
import type { ForRegion, SharedRegion } from './shared-region/shared-region.ts'

/** The SQL endpoint, as a node mounts it; `path` is what follows its prefix. */
export interface SqlMount {
  request(request: HttpRequest, path: string, caller: Caller): Promise<HttpResponse>
  upgrade(
    request: HttpRequest,
    path: string,
    protocols: readonly string[],
    authenticate: (jwt: string | null) => Promise<Caller>,
  ): Promise<UpgradeDecision> | UpgradeDecision
}

/** What the face is put together from. */
export interface NodeHandlerParts {
  /** The regions served here. */
  readonly regions: readonly string[]
  /** A region's handlers; `undefined` while it is being opened. */
  readonly serving: (region: string) => TransportHandlers | undefined
  readonly acceptChannel: (socket: MessageSocket) => Channel
  /** A region that other nodes have, too; `undefined` for one that is this process's alone. */
  readonly shared: (region: string) => SharedRegion | undefined
  readonly callers: NodeCallers
  readonly admission: Admission
  readonly maxBodyBytes: number
  readonly readiness: () => ReadinessReport
  readonly status: () => unknown
  /** How strong tables stand: it asks etcd and the log. */
  readonly strong: () => Promise<unknown>
  /** Does what an operator wants with strong tables. */
  readonly act: (action: StrongAction, body: Uint8Array) => Promise<unknown>
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>
  /** Told of requests that no region had. */
  readonly onRefused: (code: ErrorCode) => void
  readonly sql: SqlMount | undefined
  readonly log: Log
}

/** Below the time in which who opens a channel gives up, so that it learns why. */
const CHANNEL_WAIT_MS = 4_000
const RETRY_AFTER = { 'retry-after': '1' }
const SERVICES: readonly ChannelService[] = ['stream', 'commit-log', 'snapshot', 'clock', 'leases']

export function createNodeHandler(parts: NodeHandlerParts): HttpHandler {
  return new NodeHandler(parts)
}

class NodeHandler implements HttpHandler {
  readonly #parts: NodeHandlerParts

  constructor(parts: NodeHandlerParts) {
    this.#parts = parts
  }

  async request(request: HttpRequest): Promise<HttpResponse> {
    const { path } = request
    if (path === REQUEST_PATH) return this.#message(request)
    try {
      this.#parts.callers.admitHost(request)
      if (path === HEALTH_PATH) return text(200, 'ok\n')
      if (path === READY_PATH) return this.#ready()
      if (path === METRICS_PATH) return await this.#metrics(request)
      if (path === STATUS_PATH) return await this.#status(request)
      if (path === STRONG_PATH) return await this.#strong(request)
      if (isUnder(path, STRONG_PATH)) return await this.#strongAction(request)
      if (isUnder(path, SQL_PATH_PREFIX) && this.#parts.sql !== undefined) {
        return await this.#sql(request, this.#parts.sql)
      }
      return NOTHING_HERE
    } catch (error) {
      return this.#refusal(error)
    }
  }

  async upgrade(request: HttpRequest, protocols: readonly string[]): Promise<UpgradeDecision> {
    const { callers, sql } = this.#parts
    try {
      callers.admitHost(request)
      callers.admitOrigin(request)
      if (isUnder(request.path, CHANNEL_PATH_PREFIX)) return await this.#channel(request)
      if (!isUnder(request.path, SQL_PATH_PREFIX) || sql === undefined) {
        return { kind: 'refuse', response: text(404, 'There is nothing here.\n') }
      }
      const path = request.path.slice(SQL_PATH_PREFIX.length)
      const serve = async (): Promise<UpgradeDecision> =>
        sql.upgrade(request, path, protocols, (jwt) => callers.ofToken(jwt))
      const target = this.#sqlTarget(request)
      if (target === undefined) return await serve()
      const wanted = { ...target, limitMs: () => CHANNEL_WAIT_MS }
      const decision = await target.shared.upgrade(wanted, protocols, serve)
      if (decision.kind === 'refuse') return decision
      // Passed or not: who has not said yet who it is sends no more than here.
      const { maxBodyBytes } = this.#parts
      return { ...decision, maxMessageBytes: Math.min(decision.maxMessageBytes, maxBodyBytes) }
    } catch (error) {
      return { kind: 'refuse', response: this.#refusal(error) }
    }
  }

  /** One message of the protocol. What goes wrong is an answer of the protocol, too. */
  async #message(request: HttpRequest): Promise<HttpResponse> {
    let leave: (() => void) | undefined
    try {
      const { callers, admission, maxBodyBytes } = this.#parts
      requireMessage(request)
      callers.admitHost(request)
      const caller = await callers.of(request)
      const region = this.#region(request.headers[REGION_HEADER])
      const shared = this.#parts.shared(region)
      if (shared === undefined) this.#handlers(region)
      const bodyBytes = announcedBytes(request, maxBodyBytes)
      leave = admission.enter(callers.areToldApart ? caller : null, bodyBytes)
      const body = await request.body(maxBodyBytes)
      const serve = async (): Promise<HttpResponse> => {
        const answer = await this.#handlers(region).onRequest(body, caller)
        return message(responseStatus(answer), answer)
      }
      if (shared === undefined) return await serve()
      return await shared.request({ request, limitMs: () => timeoutOf(body) }, body, serve)
    } catch (thrown) {
      const error = asMeridianError(thrown)
      this.#report(error)
      const answer = encodeResponse({ ok: false, error: toForeignError(error), receipt: null })
      return message(edgeStatus(error), answer)
    } finally {
      leave?.()
    }
  }

  #region(named: string | undefined): string {
    const { regions } = this.#parts
    const region = named ?? (regions.length === 1 ? regions[0] : undefined)
    if (region !== undefined && regions.includes(region)) return region
    const which = region === undefined ? 'The request names no region' : `Not ${region}`
    throw new MeridianError('REGION_UNKNOWN', `${which}: ${regions.join(', ')} served here.`, {
      fix: `Send the header \`${REGION_HEADER}\` to the node of its region.`,
    })
  }

  #handlers(region: string): TransportHandlers {
    const handlers = this.#parts.serving(region)
    if (handlers !== undefined) return handlers
    throw new MeridianError('REGION_UNREACHABLE', `Region ${region} is not open.`, {
      fix: 'Repeat once the node is ready.',
    })
  }

  async #channel(request: HttpRequest): Promise<UpgradeDecision> {
    const { callers, acceptChannel } = this.#parts
    const [named, service, ...rest] = request.path.slice(CHANNEL_PATH_PREFIX.length + 1).split('/')
    const known = SERVICES.find((one) => one === service)
    if (named === undefined || known === undefined || rest.length > 0) {
      return { kind: 'refuse', response: text(404, 'There is no such channel.\n') }
    }
    const caller = await callers.of(request)
    if (caller.kind === 'client' && callers.areToldApart) {
      throw new MeridianError('PERMISSION_DENIED', 'Channels are for nodes.', {
        fix: 'Send requests instead.',
      })
    }
    const region = this.#region(named)
    const serve = (): UpgradeDecision => {
      const handlers = this.#handlers(region)
      return {
        kind: 'open',
        maxMessageBytes: MAX_CHANNEL_MESSAGE_BYTES,
        open: (socket) => handlers.onChannel(acceptChannel(socket), known, caller),
      }
    }
    const shared = this.#parts.shared(region)
    if (shared === undefined) return serve()
    return shared.upgrade({ request, limitMs: () => CHANNEL_WAIT_MS }, [], serve)
  }

  async #sql(request: HttpRequest, sql: SqlMount): Promise<HttpResponse> {
    const { callers, admission, maxBodyBytes } = this.#parts
    callers.admitOrigin(request)
    const caller = await callers.of(request)
    const bodyBytes = announcedBytes(request, maxBodyBytes)
    const leave = admission.enter(callers.areToldApart ? caller : null, bodyBytes)
    const path = request.path.slice(SQL_PATH_PREFIX.length)
    try {
      const target = this.#sqlTarget(request)
      if (target === undefined) return await sql.request(request, path, caller)
      const body = await request.body(maxBodyBytes)
      const again = { ...request, body: async () => body }
      // It reads and does nothing else: to ask twice is harmless.
      return await target.shared.request({ ...target, isRepeatable: true }, body, () =>
        sql.request(again, path, caller),
      )
    } finally {
      leave()
    }
  }

  /** The region that SQL is for, where other nodes have it as well: named, or the first one here. */
  #sqlTarget(request: HttpRequest): (ForRegion & { readonly shared: SharedRegion }) | undefined {
    const { regions, shared } = this.#parts
    const named = request.headers[REGION_HEADER] ?? request.query.get('region') ?? undefined
    const isAnyShared = regions.some((region) => shared(region) !== undefined)
    const region = named ?? (isAnyShared ? regions[0] : undefined)
    const found = region === undefined ? undefined : shared(region)
    if (region === undefined || found === undefined) return undefined
    return { shared: found, request, headers: { [REGION_HEADER]: region } }
  }

  #ready(): HttpResponse {
    const report = this.#parts.readiness()
    return json(report.ready ? 200 : 503, report)
  }

  async #metrics(request: HttpRequest): Promise<HttpResponse> {
    await this.#requireScope(request, 'metrics')
    const { contentType, text: body } = await this.#parts.metrics()
    return { status: 200, headers: { 'content-type': contentType }, body }
  }

  async #status(request: HttpRequest): Promise<HttpResponse> {
    await this.#requireScope(request, 'metrics')
    return json(200, this.#parts.status())
  }

  async #strong(request: HttpRequest): Promise<HttpResponse> {
    await this.#requireScope(request, 'metrics')
    return json(200, await this.#parts.strong())
  }

  /** What an operator does; a page of a browser is nobody's operator. */
  async #strongAction(request: HttpRequest): Promise<HttpResponse> {
    const { callers, maxBodyBytes, act } = this.#parts
    callers.admitOrigin(request)
    await this.#requireOperator(request)
    const action = STRONG_ACTIONS.find((one) => request.path === `${STRONG_PATH}/${one}`)
    if (action === undefined || request.method !== 'POST') return NOTHING_HERE
    return json(200, await act(action, await request.body(maxBodyBytes)))
  }

  async #requireOperator(request: HttpRequest): Promise<void> {
    await this.#requireScope(request, 'admin')
    const { principal } = await this.#parts.callers.of(request)
    if (principal.tenants === null) return
    throw new MeridianError('PERMISSION_DENIED', 'It concerns all tenants.', {
      fix: 'Use a token that names none.',
    })
  }

  async #requireScope(request: HttpRequest, scope: Scope): Promise<void> {
    const { principal } = await this.#parts.callers.of(request)
    if (principal.scopes.includes(scope)) return
    throw new MeridianError('PERMISSION_DENIED', `It needs the scope '${scope}'.`, {
      fix: `Use a token with the scope '${scope}'.`,
    })
  }

  #refusal(thrown: unknown): HttpResponse {
    const error = asMeridianError(thrown)
    this.#report(error)
    const status = edgeStatus(error)
    return json(status === 200 ? 400 : status, { error: toForeignError(error) }, headersOf(status))
  }

  #report(error: MeridianError): void {
    this.#parts.onRefused(error.code)
    if (error.code !== 'INTERNAL') return
    this.#parts.log.write('error', 'request failed unexpectedly', { error })
  }
}

/** How long the caller of a message waits for its answer. */
function timeoutOf(body: Uint8Array): number {
  try {
    return decodeRequest(body).header.timeoutMs
  } catch {
    // Whoever serves it says what is wrong with it.
    return Infinity
  }
}

/** What a body may take, by its head. Most of unknown or compressed length are far from full. */
function announcedBytes({ method, headers }: HttpRequest, maxBytes: number): number {
  if (method === 'GET' || method === 'HEAD') return 0
  const length = Number(headers['content-length'] ?? NaN)
  const isPlain = (headers['content-encoding'] ?? 'identity') === 'identity'
  return isPlain && length >= 0 ? Math.min(length, maxBytes) : maxBytes / 4
}

/** Failures before a region's handler has the request. */
function edgeStatus(error: MeridianError): number {
  switch (error.code) {
    case 'DEADLINE_EXCEEDED':
      return 408
    case 'REGION_UNREACHABLE':
      return 503
    case 'INTERNAL':
      return 500
    default:
      return statusOf(error.code)
  }
}

function headersOf(status: number): Readonly<Record<string, string>> {
  if (status === 503) return RETRY_AFTER
  return status === 401 ? { 'www-authenticate': 'Bearer' } : {}
}

function message(status: number, body: Uint8Array): HttpResponse {
  return { status, headers: { 'content-type': MESSAGE_CONTENT_TYPE, ...headersOf(status) }, body }
}

function text(status: number, body: string): HttpResponse {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body }
}

function json(
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): HttpResponse {
  const body = `${JSON.stringify(value)}\n`
  return { status, headers: { 'content-type': 'application/json', ...headers }, body }
}

const NOTHING_HERE = json(404, {
  error: { code: 'NOT_FOUND', message: 'There is nothing here.' },
})

function isUnder(path: string, prefix: string): boolean {
  return path === prefix || path.startsWith(`${prefix}/`)
}
