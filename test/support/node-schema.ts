/** A schema with a table of each mode, as nodes and their clients share it. */
import { counter, defineSchema, integer, table, text } from '../../src/client/index.ts'

export const schema = defineSchema({
  tables: {
    plans: table(
      { id: text().primaryKey(), seats: integer() },
      { consistency: 'strong', scope: 'global' },
    ),
    orders: table({ id: text().primaryKey(), amount: integer() }, { consistency: 'pinned' }),
    visits: table({ id: text().primaryKey(), times: counter() }, { consistency: 'eventual' }),
  },
  views: (v) => ({
    revenue: v('orders')
      .groupBy()
      .select((a) => ({ orders: a.count(), amount: a.sum('amount') })),
  }),
})
