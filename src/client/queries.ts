/** Read-only SQL, built with Kysely in the client, run by a node over scoped tables. */
import type { CompiledQuery } from 'kysely'
import { MeridianError } from '../core/errors.ts'
import type { SqlGuard } from '../core/operations.ts'
import { textProblem, type SqlValue } from '../core/values.ts'
import { isSqlValue } from '../protocol/check-messages.ts'
import type { ResponseValues, WireColumn } from '../protocol/messages.ts'
import type { CompiledColumn } from '../schema/compiled.ts'
import { kindOf } from '../schema/convert.ts'
import type { ReadOptions, Receipted } from './call.ts'
import type { CallContext } from './connection.ts'
import type { ClientContext } from './context.ts'
import { queryBuilder } from './query-builder.ts'
import type { Sealing } from './sealing.ts'
import type { Row } from './table-operations.ts'
import type { Compilable } from './types.ts'

/** Runs a query that `build` makes. */
export async function runQuery(
  context: ClientContext,
  sealing: Sealing,
  tenant: string,
  build: (q: never) => Compilable<unknown>,
  call: CallContext,
  consistency: ReadOptions['consistency'],
): Promise<Receipted<readonly Row[]>> {
  const { sql, args } = compiled(build)
  const { value, receipt } = await context.read<'query'>(tenant, call, consistency, (level) => {
    return { kind: 'query', tenant, sql, args, level }
  })
  return { value: await publicRows(context, sealing, tenant, value), receipt }
}

/** As `runQuery`, of a strong transaction: reads what this region has applied of the log. */
export async function runGuardedQuery(
  context: ClientContext,
  sealing: Sealing,
  tenant: string,
  build: (q: never) => Compilable<unknown>,
  call: CallContext,
): Promise<Receipted<{ readonly rows: readonly Row[]; readonly guard: SqlGuard }>> {
  const { sql, args } = compiled(build)
  const { value, receipt } = await context.read<'query'>(tenant, call, 'session', (level) => {
    return { kind: 'query', tenant, sql, args, level, guarded: true }
  })
  const { guard } = value
  if (guard === undefined) {
    throw new MeridianError('PROTOCOL_VERSION', 'The node knows no queries in transactions.', {
      fix: 'Bring all nodes to the version of the client.',
    })
  }
  return { value: { rows: await publicRows(context, sealing, tenant, value), guard }, receipt }
}

function compiled(build: (q: never) => Compilable<unknown>): {
  readonly sql: string
  readonly args: readonly SqlValue[]
} {
  const { sql, parameters } = compile(build)
  return { sql, args: parameters.map(toArgument) }
}

/** The rows as users see them: decrypted, converted, by the names of their columns. */
async function publicRows(
  context: ClientContext,
  sealing: Sealing,
  tenant: string,
  value: ResponseValues['query'],
): Promise<readonly Row[]> {
  const sources = value.columns.map((column) => sourceOf(context, column))
  const rows = await sealing.openRows(tenant, value.rows, sources)
  const names = value.columns.map((column) => column.name)
  return rows.map((row) => namedRow(names, row))
}

function compile(build: (q: never) => Compilable<unknown>): CompiledQuery {
  const query: Partial<Compilable<unknown>> | null | undefined = build(queryBuilder as never)
  if (typeof query?.compile === 'function') return query.compile()
  throw new MeridianError('INVALID_ARGUMENT', 'The function given to `query` returned no query.', {
    fix: "Return what Kysely builds: `(q) => q.selectFrom('orders').selectAll()`.",
  })
}

/** A row by the names of its columns. */
export function namedRow(names: readonly string[], values: readonly unknown[]): Row {
  const row: Record<string, unknown> = {}
  for (let i = 0; i < names.length; i++) row[names[i] as string] = values[i]
  return row
}

function sourceOf(context: ClientContext, column: WireColumn): CompiledColumn | undefined {
  const table = column.table === null ? undefined : context.parts.schema.tableById.get(column.table)
  return column.column === null ? undefined : table?.columnById.get(column.column)
}

function toArgument(value: unknown): SqlValue {
  const stored = storedArgument(value)
  const problem = typeof stored === 'string' ? textProblem(stored) : undefined
  if (problem === undefined && isSqlValue(stored)) return stored
  throw new MeridianError(
    'INVALID_VALUE',
    `A query parameter ${problem ?? `is ${kindOf(value)} that cannot be stored`}.`,
    { fix: 'Use null, text, finite numbers, bigints of 64 bits, booleans, Dates and Uint8Arrays.' },
  )
}

function storedArgument(value: unknown): unknown {
  if (typeof value === 'boolean') return value ? 1 : 0
  return value instanceof Date ? value.getTime() : value
}
