/** Orders of shops, and what each shop has sold of each thing. */
import { defineSchema, integer, table, text } from 'meridian'

export const schema = defineSchema({
  tables: {
    orders: table(
      { id: text().primaryKey(), thing: text(), cents: integer() },
      { consistency: 'pinned' },
    ),
  },
  views: (v) => ({
    sales: v('orders')
      .groupBy('thing')
      .select((a) => ({ orders: a.count(), cents: a.sum('cents') })),
  }),
})
