/**
 * Serves the protocol: decodes a request, judges whether its caller may ask it, finds who does it,
 * encodes what came of it.
 */
import { DEFAULT_CLASS } from '../config/config-schema.ts'
import { MeridianError, toForeignError, toWireError, type WireError } from '../core/errors.ts'
import { MAX_CLOCK_DRIFT_MS, MAX_DEADLINE_MS } from '../core/limits.ts'
import type { Clock, Timers } from '../core/ports/runtime.ts'
import type { Transport } from '../core/ports/transport.ts'
import type { Caller, Principal } from '../core/principal.ts'
import { decodeRequest, decodeResponse, encodeRequest, encodeResponse } from '../protocol/codec.ts'
import type {
  BodyOf,
  FailedReceipt,
  ReadBody,
  Request,
  RequestHeader,
  Response,
  ResponseValues,
  SessionState,
  WireKey,
  WireReceipt,
  WireTenant,
} from '../protocol/messages.ts'
import type { CompiledSchema, CompiledView, Consistency } from '../schema/compiled.ts'
import type { PositionTracker } from '../session/positions.ts'
import {
  authorize,
  authorizeForwarding,
  authorizeViews,
  effectivePrincipal,
  spansTenants,
} from '../tenancy/authorize.ts'
import type { Directory } from '../tenancy/directory.ts'
import type { TenantEntry } from '../tenancy/directory-machine.ts'
import type { Residency } from '../tenancy/residency.ts'
import type { Commits } from './commits.ts'
import type { OnCommit, RequestObserver } from './observe/request-observer.ts'
import type { Reads } from './reads.ts'
import type { AdmittedReader, SqlReader } from './sql-endpoint/sql-region.ts'

/** What serves requests. */
export interface HandlerParts {
  readonly region: string
  readonly schema: CompiledSchema
  readonly directory: Directory
  readonly residency: Residency
  readonly positions: PositionTracker
  readonly reads: Reads
  readonly commits: Commits
  readonly transport: Transport
  readonly clock: Clock
  readonly timers: Timers
  readonly observe: RequestObserver
  readonly onCommit?: OnCommit | undefined
  /** Round trips between regions that a write of each mode waits for behind this node. */
  readonly commitRoundTrips: Readonly<Record<Consistency, number>>
}

type Handled = Response & { readonly ok: true }

/** A request that its caller may ask, with the principal that it is served for. */
interface Admitted extends Request {
  readonly header: RequestHeader & { readonly principal: Principal }
  readonly caller: Caller
}

/** Two clocks that are both wrong by the drift that is allowed, one each way. */
const MAX_SESSION_LEAD_MS = 2 * MAX_CLOCK_DRIFT_MS
/** What an answer may take on its way back, and how much of a short deadline that may be. */
const ANSWER_MS = 250
const ANSWER_SHARE = 0.05

export class RequestHandler {
  readonly #parts: HandlerParts

  constructor(parts: HandlerParts) {
    this.#parts = parts
  }

  /** Answers one message. Never rejects: what goes wrong is in the response. */
  async handle(message: Uint8Array, caller: Caller): Promise<Uint8Array> {
    let request: Request | undefined
    try {
      request = decodeRequest(message)
      const answer = await this.#parts.observe(request, async (observed) => {
        const admitted = this.#admit(observed, caller)
        this.#requireSchema(observed.header)
        return this.#dispatch(admitted)
      })
      return encodeResponse(answer)
    } catch (error) {
      const receipt = error instanceof ForwardedError ? error.receipt : this.#failed(request)
      const toError = caller.kind === 'process' ? toWireError : toForeignError
      return encodeResponse({ ok: false, error: toError(error), receipt })
    }
  }

  #failed(request: Request | undefined): FailedReceipt | null {
    if (request === undefined) return null
    const level = 'level' in request.body ? request.body.level : null
    return { level, region: this.#parts.region, crossRegionRoundTrips: 0 }
  }

  /**
   * From here on the header says for whom the request is, and may be believed.
   *
   * @throws MeridianError `PERMISSION_DENIED`, `SESSION_INVALID`
   */
  #admit(request: Request, caller: Caller): Admitted {
    const { header, body } = request
    const principal = effectivePrincipal(caller, header)
    authorizeForwarding(caller, request)
    authorize(principal, request)
    this.#requireSession(header, caller)
    const timeoutMs = answerWithinMs(Math.min(header.timeoutMs, MAX_DEADLINE_MS))
    return { header: { ...header, principal, timeoutMs }, body, caller }
  }

  /** Views drop what has expired at a session's instant, for everybody: it cannot be any instant. */
  #requireSession({ session }: RequestHeader, caller: Caller): void {
    if (caller.kind === 'process') return
    if (session.nowMs <= this.#parts.clock.nowMs() + MAX_SESSION_LEAD_MS) return
    throw new MeridianError('SESSION_INVALID', 'The session is ahead of the clock of the node.', {
      fix: 'Begin a new session, and check the clocks.',
    })
  }

  /**
   * Checks a read by SQL that does not come as a message: the rules are those of a `query`. Its
   * views are checked by `admitSqlViews`.
   *
   * @throws MeridianError `PERMISSION_DENIED`, `TENANT_NOT_FOUND`, `RESIDENCY_DENIED`
   */
  async admitSql(
    { caller, tenant: id, clientRegion }: SqlReader,
    timeoutMs: number,
  ): Promise<AdmittedReader> {
    const body = { kind: 'query', tenant: id, sql: '', args: [], level: 'stale' } as const
    authorizeForwarding(caller, { header: { forwarded: false }, body })
    authorize(caller.principal, { header: { clientRegion }, body })
    if (id === '') return { home: undefined }
    const tenant = await this.#requireTenant({ clientRegion, timeoutMs }, id)
    this.#requirePermitted(tenant, id, this.#parts.region)
    return { home: tenant.home }
  }

  /** @throws MeridianError `PERMISSION_DENIED`, `RESIDENCY_DENIED` */
  admitSqlViews({ caller, clientRegion }: SqlReader, views: readonly CompiledView[]): void {
    this.#admitViews(caller.principal, clientRegion, { kind: 'query' }, views)
  }

  /** Rows of all tenants go to where every one of them may be. */
  #admitViews(
    principal: Principal,
    clientRegion: string,
    { kind }: Pick<ReadBody, 'kind'>,
    views: readonly CompiledView[],
  ): void {
    authorizeViews(principal, kind, views)
    const { residency, region } = this.#parts
    if (!views.some(spansTenants) || residency.allowsAllOf(region, clientRegion)) return
    throw new MeridianError(
      'RESIDENCY_DENIED',
      `Region ${region} has tenants that ${clientRegion} may not read, and the view spans them all.`,
      { fix: `Call from ${region}.`, details: { region: clientRegion } },
    )
  }

  async #dispatch({ header, body, caller }: Admitted): Promise<Handled> {
    switch (body.kind) {
      case 'get':
      case 'list':
      case 'query':
      case 'view':
        return this.#read(header, body, caller)
      case 'commit':
        return this.#commit(header, body)
      case 'hello':
        this.#requireSameSchema(header, body)
        return this.#answer({ positions: await this.#parts.positions.current() })
      case 'tenant':
        return this.#answer(await this.#findTenant(header, body.tenant, body.fresh))
      case 'createTenant':
        return this.#answer(await this.#createTenant(header, body))
      case 'keys':
        return this.#answer(await this.#keys(header, body))
      case 'createKeys':
        return this.#answer(await this.#createKeys(header, body))
    }
  }

  async #read(header: Admitted['header'], body: ReadBody, caller: Caller): Promise<Handled> {
    this.#admitViews(header.principal, header.clientRegion, body, this.#parts.reads.viewsOf(body))
    const tenant = body.tenant === '' ? undefined : await this.#requireTenant(header, body.tenant)
    if (tenant !== undefined) {
      this.#requirePermitted(tenant, body.tenant, this.#parts.region)
      // The answer passes through the node that forwards, wherever it says that the client is.
      if (caller.kind === 'node') this.#requirePermitted(tenant, body.tenant, caller.subject)
    }
    const served = await this.#parts.reads.serve(header, body, tenant?.home)
    if (served !== undefined) return { ok: true, ...served }
    if (header.forwarded || tenant === undefined) {
      // The region that forwarded holds an older directory than this one: it must look again.
      throw new MeridianError('NOT_HOME', `Region ${this.#parts.region} is not the home.`, {
        details: { home: tenant?.home, epoch: tenant?.epoch },
      })
    }
    return this.#forward(header, body, tenant.home)
  }

  /** No longer than the caller waits: a home that says nothing must not fill this node. */
  async #forward(header: RequestHeader, body: ReadBody, home: string): Promise<Handled> {
    const { transport, timers } = this.#parts
    const message = encodeRequest({ header: { ...header, forwarded: true }, body })
    const givenUp = new AbortController()
    const stopTimer = timers.after(header.timeoutMs, () => givenUp.abort(tooLate(home)))
    let response: Response
    try {
      response = decodeResponse(await transport.request(home, message, givenUp.signal))
    } finally {
      stopTimer()
    }
    if (response.ok) return { ...response, receipt: oneTripFurther(response.receipt) }
    // Without a receipt it is of the home's door, where this node's token counts, not the client's.
    if (response.receipt === null && response.error.code === 'UNAUTHENTICATED') {
      throw untrusted(this.#parts.region, home, response.error)
    }
    throw new ForwardedError(
      response.error,
      response.receipt === null ? null : oneTripFurther(response.receipt),
    )
  }

  async #commit(header: RequestHeader, body: BodyOf<'commit'>): Promise<Handled> {
    const id = body.request.tenant
    const tenant = id === '' ? undefined : await this.#requireTenant(header, id)
    const { mode, result } = await this.#parts.commits.commit(
      body.request,
      tenant,
      header.timeoutMs,
    )
    this.#parts.onCommit?.(mode, header.clientRegion)
    const positions = { [result.position.source]: result.position.seq }
    this.#parts.positions.advance(positions)
    return {
      ok: true,
      value: { txId: result.txId, hlc: result.hlc, updated: result.updated },
      session: { positions, nowMs: 0 },
      receipt: {
        level: mode === 'eventual' ? 'session' : 'strong',
        region: this.#parts.region,
        source: mode === 'strong' ? 'log' : 'home',
        stalenessMs: 0,
        crossRegionRoundTrips: this.#parts.commitRoundTrips[mode],
      },
    }
  }

  async #createTenant(header: RequestHeader, body: BodyOf<'createTenant'>): Promise<WireTenant> {
    const { tenant: id, home, txId } = body
    const tenant = { id, home, tenantClass: body.tenantClass ?? DEFAULT_CLASS }
    const entry = await this.#parts.directory.create(tenant, txId, header.timeoutMs)
    return this.#wireTenant(entry)
  }

  async #keys(header: RequestHeader, body: BodyOf<'keys'>): Promise<readonly WireKey[]> {
    const { directory } = this.#parts
    if (body.tenant !== '') await this.#requireTenant(header, body.tenant)
    // A fresh look-up of the tenant has applied all that the directory's log held at this moment.
    if (body.fresh) await directory.lookupFresh(body.tenant, header.timeoutMs)
    return ownKeys(header, await directory.keys(body.tenant))
  }

  async #createKeys(
    header: RequestHeader,
    body: BodyOf<'createKeys'>,
  ): Promise<readonly WireKey[]> {
    if (body.tenant !== '') await this.#requireTenant(header, body.tenant)
    return ownKeys(
      header,
      await this.#parts.directory.putKeys(body.tenant, body.keys, header.timeoutMs),
    )
  }

  /** @throws MeridianError `TENANT_NOT_FOUND`, `RESIDENCY_DENIED` for the caller's region */
  async #requireTenant(
    header: Pick<RequestHeader, 'clientRegion' | 'timeoutMs'>,
    id: string,
  ): Promise<TenantEntry> {
    const { directory } = this.#parts
    const tenant =
      (await directory.lookup(id)) ?? (await directory.lookupFresh(id, header.timeoutMs))
    if (tenant === undefined) {
      throw new MeridianError('TENANT_NOT_FOUND', `There is no tenant ${JSON.stringify(id)}.`, {
        fix: 'Create it with `db.tenants.create({ id, home })`.',
        details: { tenant: id },
      })
    }
    this.#requirePermitted(tenant, id, header.clientRegion)
    return tenant
  }

  #requirePermitted(tenant: TenantEntry, id: string, region: string): void {
    const { residency } = this.#parts
    if (residency.allows(tenant.tenantClass, region)) return
    const regions = residency.allowedRegions(tenant.tenantClass)
    throw new MeridianError(
      'RESIDENCY_DENIED',
      `Region ${region} may not read or write tenants of class '${tenant.tenantClass}'.`,
      { fix: `Call from one of: ${regions.join(', ')}.`, details: { tenant: id, region, regions } },
    )
  }

  async #findTenant(header: RequestHeader, id: string, fresh: boolean): Promise<WireTenant | null> {
    const { directory } = this.#parts
    const tenant = fresh
      ? await directory.lookupFresh(id, header.timeoutMs)
      : await directory.lookup(id)
    return tenant === undefined ? null : this.#wireTenant(tenant)
  }

  #wireTenant(entry: TenantEntry): WireTenant {
    return { ...entry, regions: this.#parts.residency.allowedRegions(entry.tenantClass) }
  }

  #requireSchema(header: RequestHeader): void {
    const { version } = this.#parts.schema
    if (header.schemaVersion === version || header.schemaVersion === version - 1) return
    throw new MeridianError(
      'SCHEMA_INCOMPATIBLE',
      `The client has schema version ${header.schemaVersion}, the node ${version}.`,
      { fix: 'Deploy clients and nodes that are at most one schema version apart.' },
    )
  }

  /** Of one version yet different: client and node do not mean the same by the same ids. */
  #requireSameSchema(header: RequestHeader, body: BodyOf<'hello'>): void {
    const { version, fingerprint } = this.#parts.schema
    const { schemaFingerprint = fingerprint } = body
    if (header.schemaVersion !== version || schemaFingerprint === fingerprint) return
    throw new MeridianError(
      'SCHEMA_INCOMPATIBLE',
      `The client's schema is not the node's, though both have version ${version}.`,
      { fix: "Give the client the schema and the `meridian.lock.json` of the node's deployment." },
    )
  }

  #answer(value: ResponseValues[keyof ResponseValues]): Handled {
    const receipt: WireReceipt = {
      level: 'strong',
      region: this.#parts.region,
      source: 'log',
      stalenessMs: null,
      crossRegionRoundTrips: 0,
    }
    return { ok: true, value, session: NOTHING, receipt }
  }
}

/** What the home said to a read that was forwarded to it. */
class ForwardedError extends MeridianError {
  override readonly receipt: FailedReceipt | null

  constructor(error: WireError, receipt: FailedReceipt | null) {
    super(error.code, error.message, error)
    this.receipt = receipt
  }
}

function tooLate(home: string): MeridianError {
  return new MeridianError('DEADLINE_EXCEEDED', `The home ${home} has not answered in time.`, {
    fix: 'Give the call more time with `deadlineMs`, or take a level that needs no home.',
    details: { home },
  })
}

function untrusted(region: string, home: string, error: WireError): MeridianError {
  return new MeridianError('REGION_UNREACHABLE', `The home ${home} does not know ${region}.`, {
    fix: 'Compare the node keys and the clocks of both.',
    details: { home },
    cause: new ForwardedError(error, null),
  })
}

function oneTripFurther<R extends FailedReceipt>(receipt: R): R {
  return { ...receipt, crossRegionRoundTrips: receipt.crossRegionRoundTrips + 1 }
}

/** The wrapped keys that the caller's region may use, and no other region's. */
function ownKeys(header: RequestHeader, keys: readonly WireKey[]): readonly WireKey[] {
  return keys.filter((key) => key.region === header.clientRegion)
}

const NOTHING: SessionState = { positions: {}, nowMs: 0 }

/** Whoever called gives up at its deadline: what it waited for must have reached it by then. */
function answerWithinMs(leftMs: number): number {
  return leftMs - Math.min(ANSWER_MS, ANSWER_SHARE * leftMs)
}
