/**
 * Who may do what. A request is judged by what its caller may do, never by what it says of itself:
 * only a node that forwards, and the own process, may speak for others. Pure; the one place that
 * calls it is the node's request handler.
 */
import { MeridianError } from '../core/errors.ts'
import type { Caller, Principal, Scope } from '../core/principal.ts'
import type { RequestBody, RequestHeader } from '../protocol/messages.ts'
import type { CompiledView } from '../schema/compiled.ts'

type Verb = RequestBody['kind']

/** What each verb needs. */
const SCOPE_BY_VERB: Readonly<Record<Verb, Scope>> = {
  get: 'read',
  list: 'read',
  query: 'read',
  view: 'read',
  hello: 'read',
  tenant: 'read',
  keys: 'read',
  commit: 'write',
  createKeys: 'write',
  createTenant: 'admin',
}

/** What a node may ask another: a tenant's reads, which only the tenant's home can serve. */
const FORWARDED_VERBS: readonly Verb[] = ['get', 'list', 'query', 'view']

/** On whose behalf a request is served: of a client its own token, whatever its header claims. */
export function effectivePrincipal(caller: Caller, header: RequestHeader): Principal {
  if (caller.kind === 'client') return caller.principal
  return header.principal ?? caller.principal
}

/**
 * Checks a request against what it may be done for. Nothing was looked up before: a tenant that is
 * none of the principal's is denied alike whether or not it exists.
 *
 * @throws MeridianError `PERMISSION_DENIED`
 */
export function authorize(
  principal: Principal,
  { header, body }: { header: Pick<RequestHeader, 'clientRegion'>; body: RequestBody },
): void {
  const verb = body.kind
  const scope = SCOPE_BY_VERB[verb]
  if (!principal.scopes.includes(scope)) {
    throw denied(verb, scope, `needs the scope '${scope}'`, 'Take a token with it.')
  }
  const tenant = tenantOf(body)
  if (tenant === '') {
    if (scope !== 'read' && principal.tenants !== null) {
      const problem = `writes for all tenants and needs the scope '${scope}' over all of them`
      throw denied(verb, scope, problem, 'Take a token for all tenants.')
    }
  } else if (tenant !== undefined && principal.tenants?.includes(tenant) === false) {
    const problem = `needs the scope '${scope}' over its tenant`
    throw denied(verb, scope, problem, 'Take a token for the tenant.')
  }
  if (principal.regions?.includes(header.clientRegion) === false) {
    const problem = `needs the scope '${scope}' in the region that it names as the caller's`
    throw denied(verb, scope, problem, 'Call from a region of the token.')
  }
}

/**
 * Checks what a node asks of another: it forwards reads of a tenant, once, and does nothing else.
 * What names no tenant every region serves itself; of another's it would have rows of tenants that
 * it may not hold.
 *
 * @throws MeridianError `PERMISSION_DENIED`
 */
export function authorizeForwarding(
  caller: Caller,
  { header, body }: { header: Pick<RequestHeader, 'forwarded'>; body: RequestBody },
): void {
  if (caller.kind !== 'node') return
  if (header.forwarded && FORWARDED_VERBS.includes(body.kind) && tenantOf(body) !== '') return
  const problem = 'is not for nodes: they forward reads of tenants and nothing else'
  throw denied(body.kind, SCOPE_BY_VERB[body.kind], problem, 'Call with the token of a client.')
}

/**
 * Checks the views that a read names: one of a region over tenant tables holds rows of every tenant.
 *
 * @throws MeridianError `PERMISSION_DENIED`
 */
export function authorizeViews(
  principal: Principal,
  verb: Verb,
  views: readonly CompiledView[],
): void {
  if (principal.tenants === null || !views.some(spansTenants)) return
  const problem = "reads a view across tenants and needs the scope 'read' over all of them"
  throw denied(verb, 'read', problem, 'Take a token for all tenants.')
}

/** Whether a view holds rows of every tenant that its region has. */
export function spansTenants(view: CompiledView): boolean {
  return view.span === 'region' && view.source.scope === 'tenant'
}

/** The tenant that a request names: '' the global scope, `undefined` where it names none. */
function tenantOf(body: RequestBody): string | undefined {
  if (body.kind === 'hello') return undefined
  return body.kind === 'commit' ? body.request.tenant : body.tenant
}

function denied(verb: Verb, scope: Scope, problem: string, fix: string): MeridianError {
  return new MeridianError('PERMISSION_DENIED', `\`${verb}\` ${problem}.`, {
    fix,
    details: { verb, scope },
  })
}
