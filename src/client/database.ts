/** Builds the handles: a database, its tenants, their tables, views, queries and transactions. */
import { MeridianError } from '../core/errors.ts'
import type { CompiledView, Consistency, Scope } from '../schema/compiled.ts'
import { Session } from '../session/session.ts'
import { asCall, type Call, type ReadOptions } from './call.ts'
import type { ClientContext } from './context.ts'
import { guardNames } from './guard-names.ts'
import { runQuery } from './queries.ts'
import type { Sealing } from './sealing.ts'
import { createSession, importSession, type ClientSession } from './sessions.ts'
import { TableCalls } from './table-handle.ts'
import { runTransaction } from './transaction.ts'
import { requireTenantId, tenantCalls } from './tenants.ts'
import type { Compilable, TransactionOptions } from './types.ts'
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
  return guardNames(
    {
      ...scopedCalls(parts, ''),
      region: connection.region,
      tenants: tenantCalls(context),
      tenant(id: string): object {
        requireTenantId(id)
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
    },
    (name) => unknownTable(parts, name, 'global'),
  )
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
    ): Call<readonly unknown[]> =>
      asCall(
        context.run('query', options, (call) =>
          runQuery(context, sealing, tenant, build, call, options?.consistency),
        ),
      ),
    transaction: <R>(
      mode: Consistency,
      fn: (tx: never) => Promise<R> | R,
      options?: TransactionOptions,
    ): Call<R> => {
      const touched = tables.filter((table) => table.consistency === mode)
      const transaction = { tenant, mode, tables: touched }
      return asCall(
        context.run('transaction', options, (call) => {
          requireMode(mode)
          return runTransaction(context, sealing, transaction, fn, call, options)
        }),
      )
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

function requireView(view: CompiledView | undefined, name: string, tenant: string): CompiledView {
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

const MODES: readonly string[] = ['strong', 'pinned', 'eventual']

function requireMode(mode: Consistency): void {
  if (MODES.includes(mode)) return
  throw new MeridianError('INVALID_ARGUMENT', `There is no mode ${JSON.stringify(mode)}.`, {
    fix: `Use one of: ${MODES.join(', ')}.`,
  })
}
