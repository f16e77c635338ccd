import {
  counter,
  defineSchema,
  integer,
  table,
  text,
  type Database,
} from '../../../src/client/index.ts'

/** Each mode, with a number that shows whether a write took effect once. */
export const schema = defineSchema({
  tables: {
    plans: table(
      { id: integer().primaryKey(), batch: integer() },
      { consistency: 'strong', scope: 'global' },
    ),
    totals: table(
      { id: text().primaryKey(), batches: integer() },
      { consistency: 'strong', scope: 'global' },
    ),
    orders: table(
      { id: integer().primaryKey(), batch: integer(), amount: integer() },
      { consistency: 'pinned' },
    ),
    sums: table({ id: text().primaryKey(), batches: integer() }, { consistency: 'pinned' }),
    visits: table(
      { id: integer().primaryKey(), batch: integer(), times: counter() },
      { consistency: 'eventual' },
    ),
  },
  views: (v) => ({
    amounts: v('orders')
      .groupBy()
      .select((a) => ({ orders: a.count(), amount: a.sum('amount') })),
  }),
})

export type LoaderDatabase = Database<typeof schema>

/** The tenant, at home far from the log's leader. */
export const TENANT = 'acme'
export const HOME = 'us-east'
export const BATCHES = 80
export const BATCH_ROWS = 40

/** The rows of a batch. */
export function rowsOf(batch: number): readonly { id: number; batch: number; amount: number }[] {
  return Array.from({ length: BATCH_ROWS }, (_, i) => {
    const id = batch * BATCH_ROWS + i
    return { id, batch, amount: id % 7 }
  })
}
