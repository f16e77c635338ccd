/** A world of the views' test schema for one test, and short ways to write its rows. */
import { onTestFinished } from 'vitest'
import type { SqlValue } from '../../../../src/core/values.ts'
import type { CompiledSchema } from '../../../../src/schema/compiled.ts'
import { viewSchema } from '../../../support/view-schema.ts'
import { ViewWorld, type ViewWorldOptions, type ViewWrite } from '../../../support/view-world.ts'

export async function openWorld(
  options: Partial<ViewWorldOptions> & { readonly schema?: CompiledSchema } = {},
): Promise<ViewWorld> {
  const world = await ViewWorld.open({ schema: viewSchema, tenants: ['a', 'b'], ...options })
  onTestFinished(() => world.close())
  return world
}

/** Columns of a row; those that are left out are NULL. */
type Values = Readonly<Record<string, SqlValue>>

export function put(world: ViewWorld, table: string, tenant: string, values: Values): ViewWrite {
  const { columns, primaryKey } = world.table(table)
  return {
    table,
    tenant,
    key: primaryKey.map((column) => values[column.name] ?? null),
    image: columns.map((column) => values[column.name] ?? null),
  }
}

export function remove(table: string, tenant: string, ...key: readonly SqlValue[]): ViewWrite {
  return { table, tenant, key, image: null }
}

/** Rows `number` to `number + amounts.length - 1` of sales, with their amounts. */
export function sales(
  world: ViewWorld,
  amounts: readonly (number | null)[],
  first = 0,
): ViewWrite[] {
  return amounts.map((amount, i) =>
    put(world, 'sales', 'a', { place: 'x', number: BigInt(first + i), amount, paid: 1 }),
  )
}
