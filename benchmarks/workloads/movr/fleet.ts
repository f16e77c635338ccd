/** What movr is about: in each region a tenant with its users and vehicles, and codes for all. */
import type { BenchContext } from '../../step.ts'
import type { SeededRandom } from '../../../src/core/seeded-random.ts'
import { ensureTenants, freshName, loadRows } from '../preparation.ts'
import { tenantOf } from '../schema.ts'
import { Tally } from '../tally.ts'

/** Vehicles and users of a region. */
export const VEHICLES = 500
const USERS = 200
/** Neighborhoods: a look for vehicles near shows those of one. */
const AREAS = 10
/** Promo codes of all regions. */
const CODES = 20
const KINDS = ['bike', 'scooter', 'skateboard']

/** Counts rides that were begun in a tenant. */
export const STARTS = 'starts'
export const ENDS = 'ends'

/** A ride that goes on. */
export interface OpenRide {
  readonly id: string
  readonly vehicleId: string
}

/** The tenant of a region, and what callers know of it. */
export interface Fleet {
  readonly home: string
  readonly tenant: string
  /** Rides that were begun and that nobody is ending, in no order. */
  readonly open: OpenRide[]
}

/** What all calls of the step share. */
export interface MovrRun {
  /** Begins every id of the run. */
  readonly name: string
  readonly fleets: ReadonlyMap<string, Fleet>
  readonly codes: readonly string[]
  readonly tally: Tally
  newRide(): string
}

/** Creates the tenants, vehicles, users and codes. */
export async function prepareMovr(context: BenchContext, step: string): Promise<MovrRun> {
  const { regions } = context.target.topology
  const name = freshName(step)
  const fleets = regions.map((home): Fleet => ({ home, tenant: tenantOf(home), open: [] }))
  await ensureTenants(
    context,
    fleets.map(({ tenant: id, home }) => ({ id, home })),
  )
  for (const { home, tenant } of fleets) {
    const db = context.client(home).tenant(tenant)
    const vehicles = Array.from({ length: VEHICLES }, (_, i) => ({
      id: vehicleId(name, i),
      city: areaName(name, i),
      kind: KINDS[i % KINDS.length] as string,
      status: 'available',
    }))
    await loadRows(context, `${step}: vehicles in ${home}`, db.vehicles, vehicles)
    const users = Array.from({ length: USERS }, (_, i) => ({
      id: `${name}:user-${i}`,
      name: `User ${i}`,
      city: home,
    }))
    await loadRows(context, `${step}: users in ${home}`, db.users, users)
  }
  const codes = Array.from({ length: CODES }, (_, i) => `${name}:code-${i}`)
  const rows = codes.map((code, i) => ({ code, percent: 5 + i }))
  await context.client(context.target.leader).promoCodes.insertMany(rows)
  await context.target.settle()
  let rides = 0
  return {
    name,
    fleets: new Map(fleets.map((fleet) => [fleet.home, fleet])),
    codes,
    tally: new Tally(step),
    newRide: () => `${name}:ride-${rides++}`,
  }
}

/** Any vehicle of a region. */
export function anyVehicle({ name }: MovrRun, random: SeededRandom): string {
  return vehicleId(name, random.below(VEHICLES))
}

/** Any user of a region. */
export function anyUser({ name }: MovrRun, random: SeededRandom): string {
  return `${name}:user-${random.below(USERS)}`
}

/** Any neighborhood. */
export function anyArea({ name }: MovrRun, random: SeededRandom): string {
  return areaName(name, random.below(AREAS))
}

/** The name under which a fleet's writes of one sort are counted. */
export function countName({ home }: Fleet, what: typeof STARTS | typeof ENDS): string {
  return `${what} ${home}`
}

function vehicleId(name: string, number: number): string {
  return `${name}:vehicle-${number}`
}

function areaName(name: string, number: number): string {
  return `${name}:area-${number % AREAS}`
}
