/**
 * Where calls go: a write of a pinned table straight to its tenant's home, everything else to the
 * node of the client's own region. Routes are cached; a redirect (`NOT_HOME`) corrects them.
 */
import { isErrorCode, MeridianError } from '../core/errors.ts'
import type { WireTenant } from '../protocol/messages.ts'
import { Lru } from '../core/lru.ts'
import type { CallContext, Connection } from './connection.ts'

const MAX_CACHED_TENANTS = 10_000
const FIRST_PAUSE_MS = 5
const LAST_PAUSE_MS = 100

export class Router {
  readonly #connection: Connection
  readonly #tenants = new Lru<WireTenant>(MAX_CACHED_TENANTS)

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /**
   * The tenant's home, class and permitted regions.
   *
   * @throws MeridianError `TENANT_NOT_FOUND`
   */
  async tenant(id: string, context: CallContext): Promise<WireTenant> {
    const cached = this.#tenants.get(id)
    if (cached !== undefined) return cached
    // The local directory first; a tenant that was created elsewhere just now costs a read index.
    for (const fresh of [false, true]) {
      const body = { kind: 'tenant', tenant: id, fresh } as const
      const { value } = await this.#connection.send(this.#connection.region, body, context)
      if (value !== null) {
        this.remember(id, value)
        return value
      }
    }
    throw new MeridianError('TENANT_NOT_FOUND', `There is no tenant ${JSON.stringify(id)}.`, {
      fix: 'Create it with `db.tenants.create({ id, home })`.',
      details: { tenant: id },
    })
  }

  /** What is known of a tenant without a call. */
  known(id: string): WireTenant | undefined {
    return this.#tenants.get(id)
  }

  /** Keeps what is known of a tenant. */
  remember(id: string, tenant: WireTenant): void {
    this.#tenants.set(id, tenant)
  }

  /** Runs `send` against the tenant's home, following one redirect after another. */
  async atHome<T>(
    id: string,
    context: CallContext,
    send: (home: string) => Promise<T>,
  ): Promise<T> {
    for (let delayMs = FIRST_PAUSE_MS; ; delayMs = Math.min(2 * delayMs, LAST_PAUSE_MS)) {
      const { home } = await this.tenant(id, context)
      try {
        return await send(home)
      } catch (error) {
        if (!isErrorCode(error, 'NOT_HOME')) throw error
        this.#tenants.delete(id)
        const next = await this.tenant(id, context)
        // The directory here has not heard of the move yet: let it catch up.
        if (next.home === home) await this.#connection.pause(delayMs)
        if (this.#connection.timeLeftMs(context) <= 0) throw error
      }
    }
  }

  /** @throws MeridianError `RESIDENCY_DENIED` when the client's region may not see the tenant */
  requirePermitted(id: string, tenant: WireTenant): void {
    if (tenant.regions.includes(this.#connection.region)) return
    throw residencyDenied(id, tenant, this.#connection.region)
  }
}

function residencyDenied(id: string, tenant: WireTenant, region: string): MeridianError {
  return new MeridianError(
    'RESIDENCY_DENIED',
    `Region ${region} may not read or write tenant ${JSON.stringify(id)} (class ${tenant.tenantClass}).`,
    {
      fix: `Call from one of: ${tenant.regions.join(', ')}.`,
      details: { tenant: id, region, regions: tenant.regions },
    },
  )
}
