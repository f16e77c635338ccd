/** The demo's schema: each consistency mode where it fits, and two views over all tenants. */
import {
  boolean,
  collaborativeText,
  counter,
  defineSchema,
  integer,
  real,
  set,
  table,
  text,
  timestamp,
  type Database,
} from '../../client/index.ts'

/** GeoNames' code of a part of a city: its people are counted in the city itself. */
export const CITY_SECTION = 'PPLX'
/** How many cities the view of the largest keeps. */
export const TOP_CITIES = 100

/** Countries are strong, cities, alerts and residents pinned, notes eventual. */
export const schema = defineSchema({
  tables: {
    countries: table(
      {
        code: text().primaryKey(),
        name: text(),
        capital: text().optional(),
        continent: text(),
        currencies: text(),
        visits: integer().default(0),
      },
      { consistency: 'strong', scope: 'global' },
    ),
    cities: table(
      {
        id: integer().primaryKey(),
        name: text(),
        country: text(),
        kind: text(),
        population: integer(),
        latitude: real(),
        longitude: real(),
      },
      { consistency: 'pinned' },
    ),
    cityNotes: table(
      {
        cityId: integer().primaryKey(),
        title: text(),
        rating: counter(),
        tags: set(),
        story: collaborativeText(),
      },
      { consistency: 'eventual' },
    ),
    alerts: table(
      {
        id: text().primaryKey(),
        cityId: integer(),
        message: text(),
        urgent: boolean().default(false),
        expiresAt: timestamp().optional(),
      },
      { consistency: 'pinned', ttl: 'expiresAt' },
    ),
    residents: table(
      {
        id: text().primaryKey(),
        cityId: integer(),
        name: text().encrypted(),
        email: text().encrypted({ lookup: 'exact' }),
      },
      { consistency: 'pinned' },
    ),
  },
  views: (v) => ({
    populationByCountry: v('cities')
      .where('kind', '!=', CITY_SECTION)
      .groupBy('country')
      .select((a) => ({ population: a.sum('population'), cities: a.count() }))
      .acrossTenants(),
    largestCities: v('cities')
      .orderBy('population', 'desc')
      .limit(TOP_CITIES)
      .select('id', 'name', 'country', 'population')
      .acrossTenants(),
  }),
})

/** The schema's type. */
export type DemoSchema = typeof schema
/** A client of the demo. */
export type DemoDatabase = Database<DemoSchema>
