/** A shop: a schema with a table of every mode and column type, prepared in a store in memory. */
import type { RowImage } from '../../src/core/change.ts'
import type { Statement } from '../../src/core/ports/store.ts'
import type { SqlRow } from '../../src/core/values.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import {
  bigint,
  blob,
  boolean,
  collaborativeText,
  counter,
  integer,
  json,
  real,
  set,
  text,
  timestamp,
} from '../../src/schema/columns.ts'
import { compileSchema } from '../../src/schema/compile.ts'
import type { CompiledSchema, CompiledTable } from '../../src/schema/compiled.ts'
import { defineSchema, table } from '../../src/schema/define.ts'
import { prepareStore } from '../../src/schema/migrate.ts'
import { rowToImage } from '../../src/schema/rows.ts'
import { MemoryStore } from './memory-store.ts'

/** The schema. */
export const shop: CompiledSchema = compileSchema(
  defineSchema({
    tables: {
      orders: table(
        {
          id: text().primaryKey(),
          day: text().optional(),
          amount: integer().optional(),
          total: bigint().optional(),
          weight: real().optional(),
          paid: boolean().optional(),
          photo: blob().optional(),
          extra: json().optional(),
          expiresAt: timestamp().optional(),
        },
        { consistency: 'pinned', ttl: 'expiresAt', indexes: [['day'], ['amount']] },
      ),
      stock: table(
        {
          place: text().primaryKey(),
          item: bigint().primaryKey(),
          serial: text().optional().unique(),
          count: integer(),
          worth: real().default(0),
          big: bigint().default(0n),
        },
        { consistency: 'pinned' },
      ),
      plans: table(
        { id: text().primaryKey(), priceCents: integer(), t1: text().optional() },
        { consistency: 'strong', scope: 'global' },
      ),
      carts: table(
        {
          id: text().primaryKey(),
          title: text(),
          count: counter(),
          tags: set(),
          notes: collaborativeText(),
        },
        { consistency: 'eventual' },
      ),
      alerts: table(
        {
          id: integer().primaryKey(),
          code: text().optional().unique(),
          level: integer().optional(),
          expiresAt: timestamp().optional(),
        },
        { consistency: 'pinned', ttl: 'expiresAt' },
      ),
    },
    views: (v) => ({
      revenue: v('orders')
        .groupBy('day')
        .select((a) => ({ total: a.sum('amount'), orders: a.count() })),
    }),
  }),
).compiled

/** A table of the shop. */
export function shopTable(name: string): CompiledTable {
  const found = shop.tableByName.get(name)
  if (found === undefined) throw new Error(`no table ${name}`)
  return found
}

/** A row image of a table of the shop. */
export function imageOf(name: string, row: Readonly<Record<string, unknown>>): RowImage {
  return rowToImage(shopTable(name), row)
}

/** A prepared store in memory. */
export async function openShop(): Promise<MemoryStore> {
  const store = new MemoryStore()
  await prepareStore(store, shop, systemRuntime)
  return store
}

/** The rows of one read. */
export async function rowsOf(store: MemoryStore, statement: Statement): Promise<readonly SqlRow[]> {
  const [result] = await store.read([statement])
  return result?.rows ?? []
}
