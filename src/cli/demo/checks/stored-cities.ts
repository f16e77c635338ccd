/** Checks of the cities and of the views over them, in every region. */
import type { SelectRow } from '../../../client/index.ts'
import { forEachConcurrently } from '../../../../benchmarks/concurrency.ts'
import { CITY_SECTION, TOP_CITIES, type DemoSchema } from '../schema.ts'
import { count, refute, type Check, type CheckContext } from './check.ts'

type City = SelectRow<DemoSchema['tables']['cities']>

const TENANTS_AT_ONCE = 4
const NEVER = new AbortController().signal

/** What was read in a run, by region: the checks that compare come last and write nothing. */
const readInRun = new WeakMap<CheckContext, Map<string, Promise<readonly City[]>>>()

/** Every city that a region's client reads, tenant by tenant; once a run. */
function citiesOf(context: CheckContext, region: string): Promise<readonly City[]> {
  const byRegion = readInRun.get(context) ?? new Map<string, Promise<readonly City[]>>()
  readInRun.set(context, byRegion)
  const reading = byRegion.get(region) ?? readCities(context, region)
  byRegion.set(region, reading)
  return reading
}

async function readCities(context: CheckContext, region: string): Promise<readonly City[]> {
  const { session, dataset } = context
  const found: City[] = []
  await forEachConcurrently(dataset.countries, TENANTS_AT_ONCE, NEVER, async ({ code }) => {
    const rows = await session
      .db(region)
      .tenant(code)
      .query((q) => q.selectFrom('cities').selectAll())
    for (const row of rows) found.push(row)
  })
  return found
}

const everyCity: Check = {
  name: 'every city is in every region, once',
  async run(context) {
    const { session, dataset } = context
    for (const region of session.regions) {
      const missing = new Set(dataset.countries.flatMap(({ cities }) => cities.map(({ id }) => id)))
      const cities = await citiesOf(context, region)
      for (const { id } of cities) {
        if (!missing.delete(id)) refute(`${region} has city ${id} twice, or from nowhere`)
      }
      if (missing.size > 0) refute(`${region} lacks ${count(missing.size, 'row')}`)
    }
    return `${dataset.rows.toLocaleString('en')} rows read in each of ${session.regions.join(', ')}`
  },
}

const byCountry: Check = {
  name: 'the view by country equals a recompute in every region',
  async run(context) {
    let groups = 0
    for (const region of context.session.regions) {
      const expected = groupByCountry(await citiesOf(context, region))
      const view = await context.session.db(region).view('populationByCountry').list()
      groups = view.length
      const actual = view.map((row) => [row.country, row.population, row.cities])
      requireEqual(region, actual, expected)
    }
    return `${groups} countries, recomputed from all rows`
  },
}

const largest: Check = {
  name: 'the view of the largest cities equals a recompute in every region',
  async run(context) {
    for (const region of context.session.regions) {
      const expected = [...(await citiesOf(context, region))]
        .sort((a, b) => b.population - a.population || byTenantAndKey(a, b))
        .slice(0, TOP_CITIES)
        .map((city) => [city.country, city.id, city.name, city.population])
      const view = await context.session.db(region).view('largestCities').list()
      const actual = view.map((row) => [row.tenant, row.id, row.name, row.population])
      requireEqual(region, actual, expected)
    }
    return `${TOP_CITIES} rows in order, recomputed from all rows`
  },
}

function groupByCountry(cities: readonly City[]): readonly (readonly unknown[])[] {
  const totals = new Map<string, { population: number; cities: number }>()
  for (const { country, kind, population } of cities) {
    if (kind === CITY_SECTION) continue
    const total = totals.get(country)
    if (total === undefined) totals.set(country, { population, cities: 1 })
    else {
      total.population += population
      total.cities++
    }
  }
  return [...totals]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([country, total]) => [country, total.population, total.cities])
}

function byTenantAndKey(a: City, b: City): number {
  if (a.country !== b.country) return a.country < b.country ? -1 : 1
  return a.id - b.id
}

function requireEqual(
  region: string,
  actual: readonly (readonly unknown[])[],
  expected: readonly (readonly unknown[])[],
): void {
  if (actual.length !== expected.length) {
    refute(`${region}: ${actual.length} rows instead of ${expected.length}`)
  }
  const wrong = expected.findIndex((row, i) => row.join('|') !== actual[i]?.join('|'))
  if (wrong < 0) return
  refute(
    `${region}: row ${wrong} is ${actual[wrong]?.join(' ')}, not ${expected[wrong]?.join(' ')}`,
  )
}

export const CITY_CHECKS: readonly Check[] = [everyCity, byCountry, largest]
