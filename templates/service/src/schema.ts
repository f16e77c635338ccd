/** What {{name}} stores. `meridian.lock.json` numbers tables and columns for ever: commit it. */
import { add, counter, defineSchema, integer, set, table, text, timestamp } from 'meridian'

export const schema = defineSchema({
  tables: {
    // The same everywhere at every instant: one order of all writes.
    plans: table(
      { id: text().primaryKey(), priceCents: integer() },
      { consistency: 'strong', scope: 'global' },
    ),
    // Written in the tenant's home region, read from a copy nearby.
    orders: table(
      {
        id: text().primaryKey(),
        day: text(),
        email: text().encrypted({ lookup: 'exact' }),
        amountCents: integer(),
        expiresAt: timestamp().optional(),
      },
      { consistency: 'pinned', ttl: 'expiresAt' },
    ),
    // Written where you are; concurrent changes merge.
    carts: table(
      { id: text().primaryKey(), quantity: counter(), tags: set() },
      { consistency: 'eventual' },
    ),
  },
  views: (v) => ({
    revenue: v('orders')
      .groupBy('day')
      .select((a) => ({ totalCents: a.sum('amountCents'), orders: a.count() })),
  }),
})

/** Marks a cart as a gift. */
export const asGift = { tags: add('gift') }
