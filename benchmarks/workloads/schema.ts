/** The tables that benchmarks write and read: one small and one wide a mode, movr's, and a view. */
import {
  counter,
  defineSchema,
  integer,
  table,
  text,
  type Database,
} from '../../src/client/index.ts'

const ROW = { id: text().primaryKey(), value: text(), amount: integer().default(0) }

/** As in YCSB's core workloads: ten fields. */
const FIELDS = {
  id: text().primaryKey(),
  field0: text(),
  field1: text(),
  field2: text(),
  field3: text(),
  field4: text(),
  field5: text(),
  field6: text(),
  field7: text(),
  field8: text(),
  field9: text(),
}

/** The schema of all benchmarks. */
export const schema = defineSchema({
  tables: {
    strongRows: table(ROW, { consistency: 'strong', scope: 'global' }),
    pinnedRows: table(ROW, { consistency: 'pinned' }),
    eventualRows: table(
      { id: text().primaryKey(), value: text(), hits: counter() },
      { consistency: 'eventual' },
    ),
    strongWide: table(FIELDS, { consistency: 'strong', scope: 'global' }),
    pinnedWide: table(FIELDS, { consistency: 'pinned' }),
    eventualWide: table(FIELDS, { consistency: 'eventual' }),
    orders: table(
      { id: text().primaryKey(), customer: text(), amount: integer() },
      { consistency: 'pinned' },
    ),
    users: table(
      { id: text().primaryKey(), name: text(), city: text() },
      { consistency: 'pinned' },
    ),
    vehicles: table(
      { id: text().primaryKey(), city: text(), kind: text(), status: text() },
      { consistency: 'pinned' },
    ),
    rides: table(
      {
        id: text().primaryKey(),
        userId: text(),
        vehicleId: text(),
        startedAtMs: integer(),
        endedAtMs: integer().optional(),
        fareCents: integer().default(0),
      },
      { consistency: 'pinned' },
    ),
    promoCodes: table(
      { code: text().primaryKey(), percent: integer(), uses: integer().default(0) },
      { consistency: 'strong', scope: 'global' },
    ),
  },
  views: (v) => ({
    ordersByCustomer: v('orders')
      .groupBy('customer')
      .select((a) => ({ amount: a.sum('amount'), orders: a.count() })),
  }),
})

/** The schema's type. */
export type BenchSchema = typeof schema
/** A client of a benchmark. */
export type BenchDatabase = Database<BenchSchema>

/** The tenant of the benchmarks whose home is a region. */
export function tenantOf(home: string): string {
  return `bench-${home}`
}
