/** The kinds of call that the workload makes, from one region. */
import { add, appendText, increment, type ClientSession } from '../../client/index.ts'
import type { CountryData } from './dataset.ts'
import { commitLogMs, roundTripMs } from '../../../benchmarks/measure/network-time.ts'
import type { KnownResident } from './prepare.ts'
import type { CellResult } from './result.ts'
import type { DemoDatabase } from './schema.ts'
import type { SeededRandom } from '../../core/seeded-random.ts'
import type { DemoSession } from './session.ts'

/** One kind of call. */
export interface Operation extends Pick<
  CellResult,
  'op' | 'mode' | 'origin' | 'home' | 'networkMs'
> {
  /** A read that its own region answers: cheap, so that there can be more of them. */
  readonly isLocalRead?: boolean
  call(caller: Caller): Promise<unknown>
}

/** Who calls: one of several in a region, each with a session of its own. */
export interface Caller {
  readonly db: DemoDatabase
  readonly session: ClientSession
  readonly random: SeededRandom
  /** A name that no other row of this or an earlier run has. */
  readonly newId: () => string
}

/** What the calls are about. */
export interface WorkloadData {
  /** By home region. */
  readonly countries: ReadonlyMap<string, readonly CountryData[]>
  readonly residents: readonly KnownResident[]
}

const TAGS = ['coast', 'hills', 'market', 'music', 'old town', 'port', 'river', 'university']
const ALERT_LIFETIME_MS = 60 * 60 * 1000
const FEW = 10

/** All kinds of call from a region. */
export function operationsFrom(
  session: DemoSession,
  origin: string,
  data: WorkloadData,
): readonly Operation[] {
  return [
    ...session.regions.flatMap((home) => pinnedOperations(session, origin, home, data)),
    ...strongOperations(session, origin, data),
    ...eventualOperations(origin, data),
    ...viewOperations(origin, data),
  ]
}

function pinnedOperations(
  session: DemoSession,
  origin: string,
  home: string,
  data: WorkloadData,
): readonly Operation[] {
  const countries = data.countries.get(home) ?? []
  const codes = new Set(countries.map(({ code }) => code))
  const residents = data.residents.filter(({ tenant }) => codes.has(tenant))
  const atHome = {
    mode: 'pinned',
    origin,
    home,
    networkMs: roundTripMs(session.topology, origin, home),
  } as const
  const local = { ...atHome, networkMs: 0, isLocalRead: true } as const
  return [
    { ...atHome, op: 'insert', call: (caller) => insertAlert(caller, countries) },
    { ...atHome, op: 'update', call: (caller) => updateCity(caller, countries) },
    {
      ...atHome,
      op: 'get, strong',
      isLocalRead: origin === home,
      call: (caller) => getCity(caller, countries, 'strong'),
    },
    { ...local, op: 'get', call: (caller) => getCity(caller, countries, 'session') },
    { ...atHome, op: 'insert encrypted', call: (caller) => insertResident(caller, countries) },
    { ...local, op: 'find encrypted', call: (caller) => findResident(caller, residents) },
  ]
}

function insertAlert(
  { db, session, random, newId }: Caller,
  countries: readonly CountryData[],
): Promise<unknown> {
  const { code, cities } = random.pick(countries)
  const row = {
    id: newId(),
    cityId: random.pick(cities).id,
    message: 'Heavy rain until the evening',
    urgent: random.below(FEW) === 0,
    expiresAt: new Date(Date.now() + ALERT_LIFETIME_MS),
  }
  return db.tenant(code).alerts.insert(row, { session })
}

function updateCity(
  { db, session, random }: Caller,
  countries: readonly CountryData[],
): Promise<unknown> {
  const { code, cities } = random.pick(countries)
  const changes = { population: increment(1 + random.below(FEW)) }
  return db.tenant(code).cities.update(random.pick(cities).id, changes, { session })
}

function getCity(
  { db, session, random }: Caller,
  countries: readonly CountryData[],
  consistency: 'strong' | 'session',
): Promise<unknown> {
  const { code, cities } = random.pick(countries)
  const key = random.pick(cities).id
  return present(db.tenant(code).cities.get(key, { session, consistency }))
}

function insertResident(
  { db, session, random, newId }: Caller,
  countries: readonly CountryData[],
): Promise<unknown> {
  const { code, cities } = random.pick(countries)
  const id = newId()
  const row = {
    id,
    cityId: random.pick(cities).id,
    name: `Resident ${id}`,
    email: `${id}@example.org`,
  }
  return db.tenant(code).residents.insert(row, { session })
}

async function findResident(
  { db, session, random }: Caller,
  residents: readonly KnownResident[],
): Promise<unknown> {
  const { tenant, email } = random.pick(residents)
  const { rows } = await db.tenant(tenant).residents.list({ where: { email }, session })
  if (rows.length === 1 && rows[0]?.email === email) return rows
  throw new Error(`${rows.length} residents with one e-mail address`)
}

function strongOperations(
  session: DemoSession,
  origin: string,
  data: WorkloadData,
): readonly Operation[] {
  const { leader } = session.config.commitLog
  const codes = [...data.countries.values()].flat().map(({ code }) => code)
  const logged = {
    mode: 'strong',
    origin,
    home: leader,
    networkMs: commitLogMs(session.topology, leader, origin),
  } as const
  return [
    {
      ...logged,
      op: 'update',
      call: ({ db, session: own, random }) =>
        db.countries.update(random.pick(codes), { visits: increment(1) }, { session: own }),
    },
    {
      ...logged,
      op: 'get, strong',
      call: ({ db, session: own, random }) =>
        present(db.countries.get(random.pick(codes), { session: own, consistency: 'strong' })),
    },
    {
      ...logged,
      op: 'get',
      networkMs: 0,
      isLocalRead: true,
      call: ({ db, session: own, random }) =>
        present(db.countries.get(random.pick(codes), { session: own })),
    },
  ]
}

function eventualOperations(origin: string, data: WorkloadData): readonly Operation[] {
  const countries = [...data.countries.values()].flat()
  const local = { mode: 'eventual', origin, home: origin, networkMs: 0 } as const
  const pickNote = (random: SeededRandom): { readonly code: string; readonly cityId: number } => {
    const { code, cities } = random.pick(countries)
    return { code, cityId: cities[0]?.id ?? 0 }
  }
  return [
    {
      ...local,
      op: 'update',
      call: ({ db, session, random }) => {
        const { code, cityId } = pickNote(random)
        const changes = { rating: increment(1), tags: add(random.pick(TAGS)) }
        return db.tenant(code).cityNotes.update(cityId, changes, { session })
      },
    },
    {
      ...local,
      op: 'edit text',
      call: ({ db, session, random }) => {
        const { code, cityId } = pickNote(random)
        const changes = { story: appendText(` It has ${random.pick(TAGS)}.`) }
        return db.tenant(code).cityNotes.update(cityId, changes, { session })
      },
    },
    {
      ...local,
      op: 'get',
      isLocalRead: true,
      call: ({ db, session, random }) => {
        const { code, cityId } = pickNote(random)
        return present(db.tenant(code).cityNotes.get(cityId, { session }))
      },
    },
  ]
}

function viewOperations(origin: string, data: WorkloadData): readonly Operation[] {
  const codes = [...data.countries.values()].flat().map(({ code }) => code)
  const local = {
    mode: 'view',
    origin,
    home: origin,
    networkMs: 0,
    isLocalRead: true,
  } as const
  return [
    {
      ...local,
      op: 'get a group',
      call: ({ db, session, random }) => {
        const view = db.view('populationByCountry')
        return present(view.get({ country: random.pick(codes) }, { session }))
      },
    },
    {
      ...local,
      op: 'list the top',
      call: ({ db, session }) => db.view('largestCities').list({ limit: FEW, session }),
    },
  ]
}

async function present<T>(reading: Promise<T | undefined>): Promise<T> {
  const row = await reading
  if (row === undefined) throw new Error('a row that is there was not found')
  return row
}
