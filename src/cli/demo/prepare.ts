/** What stands before the load: tenants, countries; and before the workload: notes, residents. */
import { isErrorCode } from '../../core/errors.ts'
import { forEachConcurrently } from '../../../benchmarks/concurrency.ts'
import type { CountryData, Dataset } from './dataset.ts'
import { RESTRICTED_CLASS, type DemoSession } from './session.ts'

/** The tenant that only Europe may hold. */
export const RESTRICTED_TENANT = 'eu-registry'

/** Creations under way in a region at once: each waits for a majority of the regions. */
const TENANTS_AT_ONCE = 32
const NOTES_PER_COUNTRY = 3
/** Residents that are there before the workload looks for them, in each country of it. */
const RESIDENTS_PER_COUNTRY = 5

/** Creates the tenants, one a country and the restricted one, and the table of countries. */
export async function createTenants(
  session: DemoSession,
  dataset: Dataset,
  signal: AbortSignal,
  onCreated: () => void,
): Promise<void> {
  const tenants = dataset.countries.map(({ code, home }) => ({ id: code, home }))
  const byRegion = session.regions.map((region) => {
    const own = tenants.filter((tenant) => tenant.home === region)
    return forEachConcurrently(own, TENANTS_AT_ONCE, signal, async (tenant) => {
      await unlessThere(session.db(region).tenants.create(tenant))
      onCreated()
    })
  })
  const restricted = { id: RESTRICTED_TENANT, home: 'eu-west', tenantClass: RESTRICTED_CLASS }
  const europe = session.db('eu-west')
  const rows = dataset.countries.map(({ row }) => row)
  await Promise.all([
    ...byRegion,
    unlessThere(europe.tenants.create(restricted)),
    unlessThere(europe.countries.insertMany(rows)),
  ])
}

/** Adds a note on the largest cities of each country, in the country's home region. */
export async function addNotes(
  session: DemoSession,
  dataset: Dataset,
  signal: AbortSignal,
): Promise<void> {
  await forEachConcurrently(dataset.countries, 8, signal, async ({ code, home, cities }) => {
    const notes = cities.slice(0, NOTES_PER_COUNTRY).map((city) => ({
      cityId: city.id,
      title: `Notes on ${city.name}`,
      story: `${city.name} is a city.`,
    }))
    await unlessThere(session.db(home).tenant(code).cityNotes.insertMany(notes))
  })
}

/** A resident that the workload can find. */
export interface KnownResident {
  readonly tenant: string
  readonly email: string
}

/** Adds residents to the countries, which also makes the countries' data keys. */
export async function addResidents(
  session: DemoSession,
  countries: readonly CountryData[],
  signal: AbortSignal,
): Promise<readonly KnownResident[]> {
  const known: KnownResident[] = []
  await forEachConcurrently(countries, 8, signal, async ({ code, home, cities }) => {
    const rows = Array.from({ length: RESIDENTS_PER_COUNTRY }, (_, i) => ({
      id: `first-${i}`,
      cityId: cities[0]?.id ?? 0,
      name: `Resident ${i} of ${code}`,
      email: `first-${i}@${code.toLowerCase()}.example`,
    }))
    await unlessThere(session.db(home).tenant(code).residents.insertMany(rows))
    for (const { email } of rows) known.push({ tenant: code, email })
  })
  return known
}

/** A run that goes on in a directory finds what it has made before. */
export async function unlessThere(call: Promise<unknown>): Promise<void> {
  try {
    await call
  } catch (error) {
    if (!isErrorCode(error, 'ALREADY_EXISTS', 'TENANT_EXISTS')) throw error
  }
}
