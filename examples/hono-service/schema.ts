/** What the service stores: bookings of rooms, a tenant for each hotel. */
import { counter, defineSchema, integer, table, text, timestamp } from 'meridian'

export const schema = defineSchema({
  tables: {
    // Written in the hotel's home region, so that a room is never booked twice.
    bookings: table(
      {
        id: text().primaryKey(),
        room: text(),
        day: text(),
        guest: text(),
        cents: integer(),
        expiresAt: timestamp().optional(),
      },
      { consistency: 'pinned', ttl: 'expiresAt', indexes: [['day']] },
    ),
    // Counted everywhere at once, without asking another region.
    visits: table({ page: text().primaryKey(), views: counter() }, { consistency: 'eventual' }),
  },
  views: (v) => ({
    revenue: v('bookings')
      .groupBy('day')
      .select((a) => ({ cents: a.sum('cents'), bookings: a.count() })),
  }),
})

export type Schema = typeof schema
