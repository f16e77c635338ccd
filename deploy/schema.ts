/** The schema of the composed deployment: replace it by that of your service. */
import { counter, defineSchema, integer, table, text, timestamp } from 'meridian'

export const schema = defineSchema({
  tables: {
    // One order of all writes, the same in every region.
    plans: table(
      { id: text().primaryKey(), priceCents: integer() },
      { consistency: 'strong', scope: 'global' },
    ),
    // Written at the home of each tenant.
    orders: table(
      { id: text().primaryKey(), plan: text(), placedAt: timestamp() },
      { consistency: 'pinned' },
    ),
    // Written anywhere, merged everywhere.
    visits: table({ page: text().primaryKey(), count: counter() }, { consistency: 'eventual' }),
  },
})
