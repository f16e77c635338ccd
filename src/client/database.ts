/** Builds the handles: a database, its tenants, their tables, views, queries and transactions. */
import { MeridianError } from '../core/errors.ts'
import { newTxId } from '../core/ids.ts'
import type { WireReceipt, WireTenant } from '../protocol/messages.ts'
import type { CompiledView, Consistency, Scope } from '../schema/compiled.ts'
import { Session } from '../session/session.ts'
import { asCall, type Call, type ReadOptions, type Receipted, type WriteOptions } from './call.ts'
import { isTransient, isTransientWrite } from './connection.ts'
import type { ClientContext } from './context.ts'
import { guardNames } from './guard-names.ts'
import { runQuery } from './queries.ts'
import type { Sealing } from './sealing.ts'
import { createSession, importSession, type ClientSession } from './sessions.ts'
import { TableCalls } from './table-handle.ts'
import { runTransaction } from './transaction.ts'
import type { Compilable, Tenant } from './types.ts'
import { ViewCalls } from './view-handle.ts'

/** What the handles are made of. */
export interface DatabaseParts {
  readonly context: ClientContext
  readonly sealing: Sealing
  readonly sessionKey: Uint8Array | undefined
  readonly close: () => Promise<void>
}

/** The untyped database; `Database` in `types.ts` is its typed face. */
export function createDatabase(parts: DatabaseParts): object {
  const { context, sessionKey } = parts
  const { connection } = context.parts
  const handles = new Map<string, object>()
  return guardNames({
    ...scopedCalls(parts, ''),
    region: connection.region,
    tenants: tenantCalls(context),
    tenant(id: string): object {
      if (typeof id !== 'string' || id === '') {
        throw new MeridianError('TENANT_REQUIRED', 'A tenant id is a text that is not empty.')
      }
      let handle = handles.get(id)
      if (handle === undefined) {
        const explain = (name: string): MeridianError => unknownTable(parts, name, 'tenant')
        handle = guardNames({ ...scopedCalls(parts, id), id }, explain)
        if (handles.size < MAX_KEPT_HANDLES) handles.set(id, handle)
      }
      return handle
    },
    session: (): ClientSession => createSession(new Session(), sessionKey),
    importSession: (token: string): Promise<ClientSession> => importSession(token, sessionKey),
    close: parts.close,
    [Symbol.asyncDispose]: parts.close,
  }, (name) => unknownTable(parts, name, 'global'))
}

const MAX_KEPT_HANDLES = 1_000

/** Tables, views, queries and transactions of one tenant, or of the global scope (''). */
function scopedCalls(parts: DatabaseParts, tenant: string): object {
  const { context, sealing } = parts
  const { schema } = context.parts
  const scope: Scope = tenant === '' ? 'global' : 'tenant'
  const tables = schema.tables.filter((table) => table.scope === scope)
  const byName = tables.map((table) => [
    table.name,
    new TableCalls(context, sealing, table, tenant),
  ])
  return {
    ...(Object.fromEntries(byName) as Record<string, TableCalls>),
    view: (name: string) => {
      const view = requireView(schema.viewByName.get(name), name, tenant)
      return new ViewCalls(context, sealing, view, tenant)
    },
    query: (
      build: (q: never) => Compilable<unknown>,
      options?: ReadOptions,
    ): Call<readonly unknown[]> => asCall(runQuery(context, sealing, tenant, build, options)),
    transaction: <R>(
      mode: Consistency,
      fn: (tx: never) => Promise<R> | R,
      options?: WriteOptions,
    ): Call<R> => {
      const touched = tables.filter((table) => table.consistency === mode)
      const transaction = { tenant, mode, tables: touched }
      return asCall(runTransaction(context, sealing, transaction, fn, options))
    },
  }
}

function unknownTable(parts: DatabaseParts, name: string, scope: Scope): MeridianError {
  const { tables, tableByName } = parts.context.parts.schema
  const table = tableByName.get(name)
  if (table !== undefined) {
    return new MeridianError(
      table.scope === 'tenant' ? 'TENANT_REQUIRED' : 'INVALID_ARGUMENT',
      `The table \`${name}\` ${table.scope === 'tenant' ? 'belongs to tenants' : 'is global'}.`,
      { fix: table.scope === 'tenant' ? `Use \`db.tenant(id).${name}\`.` : `Use \`db.${name}\`.` },
    )
  }
  const known = tables.filter((t) => t.scope === scope).map((t) => t.name)
  return new MeridianError('UNKNOWN_TABLE', `There is no table \`${name}\`.`, {
    fix: known.length === 0 ? 'Declare it in the schema.' : `There are: ${known.join(', ')}.`,
  })
}

function requireView(
  view: CompiledView | undefined,
  name: string,
  tenant: string,
): CompiledView {
  if (view === undefined) {
    throw new MeridianError('UNKNOWN_VIEW', `There is no view \`${name}\`.`)
  }
  if ((view.span === 'tenant') !== (tenant === '')) return view
  throw new MeridianError(
    'INVALID_ARGUMENT',
    `The view \`${name}\` is ${view.span === 'tenant' ? "each tenant's own" : 'one for the region'}.`,
    {
      fix:
        view.span === 'tenant'
          ? `Use \`db.tenant(id).view('${name}')\`.`
          : `Use \`db.view('${name}')\`.`,
    },
  )
}

function tenantCalls(context: ClientContext): object {
  const { connection, router } = context.parts
  const create = async (
    tenant: { readonly id: string; readonly home: string; readonly tenantClass?: string },
    options?: WriteOptions,
  ): Promise<Receipted<Tenant>> => {
    const session = context.sessionOf(options)
    const call = connection.begin(session, options?.deadlineMs, options?.signal)
    const { clock, random } = connection.runtime
    const body = {
      kind: 'createTenant',
      tenant: tenant.id,
      home: tenant.home,
      tenantClass: tenant.tenantClass ?? null,
      txId: newTxId(clock, random),
    } as const
    const { value, receipt } = await connection.retry(call, isTransientWrite, () =>
      connection.send(connection.region, body, call),
    )
    router.remember(tenant.id, value)
    return { value: asTenant(tenant.id, value), receipt }
  }
  const get = async (
    id: string,
    options?: ReadOptions,
  ): Promise<{ value: Tenant | undefined; receipt: WireReceipt }> => {
    const session = context.sessionOf(options)
    const call = connection.begin(session, options?.deadlineMs, options?.signal)
    const { value, receipt } = await connection.retry(call, isTransient, () =>
      connection.send(connection.region, { kind: 'tenant', tenant: id, fresh: true }, call),
    )
    return { value: value === null ? undefined : asTenant(id, value), receipt }
  }
  return Object.freeze({
    create: (tenant: Parameters<typeof create>[0], options?: WriteOptions) =>
      asCall(create(tenant, options)),
    get: (id: string, options?: ReadOptions) => asCall(get(id, options)),
  })
}

function asTenant(id: string, tenant: WireTenant): Tenant {
  const { home, epoch, tenantClass, regions } = tenant
  return { id, home, epoch, tenantClass, regions }
}
