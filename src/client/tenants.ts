/** Tenants as users create and find them. */
import { MeridianError } from '../core/errors.ts'
import { newTxId } from '../core/ids.ts'
import { MAX_TENANT_ID_LENGTH } from '../core/limits.ts'
import { textProblem } from '../core/values.ts'
import type { WireTenant } from '../protocol/messages.ts'
import { asCall, type ReadOptions, type Receipted, type WriteOptions } from './call.ts'
import { isTransient, isTransientWrite } from './connection.ts'
import type { ClientContext } from './context.ts'
import type { Tenant, Tenants } from './types.ts'

type NewTenant = Parameters<Tenants['create']>[0]

/** The calls of `db.tenants`. */
export function tenantCalls(context: ClientContext): Tenants {
  return Object.freeze({
    create: (tenant: NewTenant, options?: WriteOptions) => asCall(create(context, tenant, options)),
    get: (id: string, options?: ReadOptions) => asCall(get(context, id, options)),
  })
}

/** @throws MeridianError `TENANT_REQUIRED` when it is none, `INVALID_ARGUMENT` when it cannot be one */
export function requireTenantId(id: unknown): asserts id is string {
  if (typeof id !== 'string' || id === '') {
    throw new MeridianError('TENANT_REQUIRED', 'A tenant id is a text that is not empty.', {
      fix: "Name the tenant: `db.tenant('acme')`.",
    })
  }
  const problem =
    id.length > MAX_TENANT_ID_LENGTH
      ? `is longer than ${MAX_TENANT_ID_LENGTH} characters`
      : textProblem(id)
  if (problem === undefined) return
  throw new MeridianError('INVALID_ARGUMENT', `The tenant id ${problem}.`, {
    fix: `Use 1 to ${MAX_TENANT_ID_LENGTH} characters of well-formed text.`,
  })
}

async function create(
  context: ClientContext,
  tenant: NewTenant,
  options: WriteOptions | undefined,
): Promise<Receipted<Tenant>> {
  const { connection, router } = context.parts
  const { clock, random } = connection.runtime
  return context.run('tenants.create', options, async (call) => {
    requireTenantId(tenant?.id)
    const { id, home, tenantClass = null } = tenant
    if (typeof home !== 'string' || (tenantClass !== null && typeof tenantClass !== 'string')) {
      throw new MeridianError('INVALID_ARGUMENT', 'A tenant has a `home`, and may have a class.', {
        fix: 'Give `{ id, home }` or `{ id, home, tenantClass }` as texts.',
      })
    }
    // The directory knows a repetition by this id: a key given takes its place.
    const txId = options?.idempotencyKey ?? newTxId(clock, random)
    const body = { kind: 'createTenant', tenant: id, home, tenantClass, txId } as const
    const { value, receipt } = await connection.retry(call, isTransientWrite, () =>
      connection.send(connection.region, body, call),
    )
    router.remember(id, value)
    return { value: asTenant(id, value), receipt }
  })
}

async function get(
  context: ClientContext,
  id: string,
  options: ReadOptions | undefined,
): Promise<Receipted<Tenant | undefined>> {
  const { connection } = context.parts
  return context.run('tenants.get', options, async (call) => {
    requireTenantId(id)
    const body = { kind: 'tenant', tenant: id, fresh: true } as const
    const { value, receipt } = await connection.retry(call, isTransient, () =>
      connection.send(connection.region, body, call),
    )
    return { value: value === null ? undefined : asTenant(id, value), receipt }
  })
}

function asTenant(id: string, tenant: WireTenant): Tenant {
  const { home, epoch, tenantClass, regions } = tenant
  return { id, home, epoch, tenantClass, regions }
}
