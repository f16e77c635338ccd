/**
 * Read-only SQL for any client of libSQL, under the rules of every client's read. One Hrana service
 * serves all tenants; the path says whose rows, and the caller that the service sees is narrowed to
 * them, so that a stream never passes from one tenant, or one caller, to another.
 */
import { MeridianError } from '../../core/errors.ts'
import type { HttpRequest, HttpResponse, UpgradeDecision } from '../../core/ports/http.ts'
import type { Runtime } from '../../core/ports/runtime.ts'
import type { SqlBackend, SqlSession } from '../../core/ports/sql-session.ts'
import type { Caller, Principal } from '../../core/principal.ts'
import { REGION_HEADER } from '../../core/wire-http.ts'
import { createHranaService } from '../../hrana/service.ts'
import { RegionSession } from './region-session.ts'
import type { SqlConsistency } from './sql-reads.ts'
import type { SqlRegion } from './sql-region.ts'

/** What an endpoint is made of. */
export interface SqlEndpointOptions {
  /** The regions served here, the first one being the default. */
  readonly regions: readonly string[]
  /** Undefined while the region is not open. */
  readonly region: (name: string) => SqlRegion | undefined
  readonly runtime: Runtime
  readonly limits: {
    /** How long one query waits for what it needs. How long it runs is bounded by the store. */
    readonly queryTimeoutMs: number
    readonly maxBodyBytes: number
    /** How long a transaction may be open. Default 15,000. */
    readonly maxTransactionMs?: number
  }
  /** Told of failures that no client may see. */
  readonly onError?: (error: unknown) => void
}

/** The endpoint, as a node mounts it; `path` is what follows its prefix. */
export interface SqlEndpoint {
  request(request: HttpRequest, path: string, caller: Caller): Promise<HttpResponse>
  upgrade(
    request: HttpRequest,
    path: string,
    protocols: readonly string[],
    authenticate: (jwt: string | null) => Promise<Caller>,
  ): UpgradeDecision
  /** Ends all sessions; transactions end with them. */
  close(): Promise<void>
}

/** Header or query parameter: `local` (default) or `strong`. */
const CONSISTENCY_HEADER = 'meridian-consistency'
/** Header or query parameter: where the caller stands, when its token names several regions. */
const CLIENT_REGION_HEADER = 'meridian-client-region'

const DEFAULT_MAX_TRANSACTION_MS = 15_000

/** What a connection asks for, besides what its caller may. */
interface Target {
  /** '' for the global scope. */
  readonly tenant: string
  readonly region: string | undefined
  readonly clientRegion: string | undefined
  readonly consistency: SqlConsistency
  /** The caller's own rights. */
  readonly caller: Caller
}

export function createSqlEndpoint(options: SqlEndpointOptions): SqlEndpoint {
  const { limits, runtime, onError } = options
  const backend = new EndpointBackend(options)
  const service = createHranaService({
    backend,
    runtime,
    limits: { maxRequestBytes: limits.maxBodyBytes },
    ...(onError === undefined ? {} : { onError }),
  })
  return {
    async request(request, path, caller) {
      const [tenant, rest] = splitPath(path)
      const narrowed = backend.narrow(caller, requestTarget(request, tenant))
      return service.request(request, rest, narrowed)
    },
    upgrade(request, path, protocols, authenticate) {
      const target = requestTarget(request, tenantOf(path))
      return service.upgrade(protocols, async (jwt) =>
        backend.narrow(await authenticate(jwt), target),
      )
    },
    close: () => service.close(),
  }
}

/** Opens sessions for callers that `narrow` gave. */
class EndpointBackend implements SqlBackend {
  readonly #options: SqlEndpointOptions
  readonly #targets = new WeakMap<Caller, Target>()

  constructor(options: SqlEndpointOptions) {
    this.#options = options
  }

  /**
   * The caller, able to read one tenant and nothing else.
   *
   * @throws MeridianError `PERMISSION_DENIED`
   */
  narrow(caller: Caller, target: Omit<Target, 'caller'>): Caller {
    if (caller.kind === 'node') {
      throw new MeridianError('PERMISSION_DENIED', 'SQL is for clients, not for nodes.', {
        fix: 'Call with the token of a client.',
      })
    }
    const { scopes } = caller.principal
    const place = target.clientRegion ?? onlyRegion(caller.principal)
    const principal: Principal = {
      tenants: [target.tenant],
      scopes: scopes.includes('read') ? ['read'] : [],
      ...(place === undefined ? {} : { regions: [place] }),
    }
    const narrowed: Caller = { kind: caller.kind, subject: caller.subject, principal }
    this.#targets.set(narrowed, { ...target, caller })
    return narrowed
  }

  async open(narrowed: Caller): Promise<SqlSession> {
    const target = this.#targets.get(narrowed)
    if (target === undefined) throw new MeridianError('PERMISSION_DENIED', 'The caller is unknown.')
    const { runtime, limits } = this.#options
    const { queryTimeoutMs: timeoutMs, maxTransactionMs = DEFAULT_MAX_TRANSACTION_MS } = limits
    const region = await this.#regionOf(target)
    const { caller, tenant, consistency } = target
    const clientRegion = target.clientRegion ?? onlyRegion(caller.principal) ?? region.region
    const reader = { caller, tenant, clientRegion }
    // Whether the reader may read is asked with each query: a stream may outlive its rights.
    return new RegionSession({ region, reader, consistency, runtime, timeoutMs, maxTransactionMs })
  }

  /** The region that was asked for, else the tenant's home where it is served here. */
  async #regionOf({ region, tenant }: Target): Promise<SqlRegion> {
    const { regions } = this.#options
    const [first] = regions
    const home = regions.length === 1 || tenant === '' ? first : await this.#homeOf(tenant)
    const name = region ?? (home !== undefined && regions.includes(home) ? home : first)
    if (name === undefined || !regions.includes(name)) {
      throw new MeridianError('REGION_UNKNOWN', `The region is not served here.`, {
        fix: `Name one of: ${regions.join(', ')}.`,
      })
    }
    const open = this.#options.region(name)
    if (open !== undefined) return open
    throw new MeridianError('REGION_UNREACHABLE', `Region ${name} is not open.`, {
      fix: 'Repeat once the node is ready.',
    })
  }

  async #homeOf(tenant: string): Promise<string | undefined> {
    for (const name of this.#options.regions) {
      const home = await this.#options.region(name)?.homeOf(tenant)
      if (home !== undefined) return home
    }
    return undefined
  }
}

function onlyRegion({ regions }: Principal): string | undefined {
  return regions?.length === 1 ? regions[0] : undefined
}

/** The tenant ('' for the global scope) and Hrana's own path: `/acme/v3/pipeline`. */
function splitPath(path: string): readonly [tenant: string, rest: string] {
  const at = /\/v\d+(?:-protobuf)?(?:\/[a-z]+)?$/.exec(path)?.index
  return at === undefined ? [tenantOf(path), '/'] : [tenantOf(path.slice(0, at)), path.slice(at)]
}

function tenantOf(path: string): string {
  return path.replace(/^\//, '').replace(/\/$/, '')
}

/** @throws MeridianError `INVALID_ARGUMENT` */
function requestTarget(request: HttpRequest, tenant: string): Omit<Target, 'caller'> {
  const option = (header: string): string | undefined =>
    request.headers[header] ?? request.query.get(header.replace('meridian-', '')) ?? undefined
  const consistency = option(CONSISTENCY_HEADER) ?? 'local'
  if (consistency !== 'local' && consistency !== 'strong') {
    throw new MeridianError('INVALID_ARGUMENT', 'The consistency is neither local nor strong.', {
      fix: `Set \`${CONSISTENCY_HEADER}\` to one of them, or leave it out.`,
    })
  }
  return {
    tenant,
    consistency,
    region: option(REGION_HEADER),
    clientRegion: option(CLIENT_REGION_HEADER),
  }
}
