/** Whether movr's books agree: rides, vehicles and uses of codes. */
import type { BenchContext } from '../../step.ts'
import { allRows, idsOf } from '../preparation.ts'
import { countName, ENDS, STARTS, VEHICLES, type Fleet, type MovrRun } from './fleet.ts'

/** Keeps what is wrong in the run's tally. */
export async function checkMovr(context: BenchContext, run: MovrRun): Promise<void> {
  await context.target.settle()
  for (const region of context.target.topology.regions) {
    for (const fleet of run.fleets.values()) await checkFleet(context, run, fleet, region)
    const codes = await context.client(region).promoCodes.getMany(run.codes)
    codes.forEach((row, i) => {
      const code = run.codes[i] as string
      run.tally.expectTotal(`uses of ${code} that ${region} reads`, row?.uses ?? -1, code)
    })
  }
}

async function checkFleet(
  context: BenchContext,
  { name, tally }: MovrRun,
  fleet: Fleet,
  region: string,
): Promise<void> {
  const db = context.client(region).tenant(fleet.tenant)
  const where = { id: idsOf(name) }
  const rides = await allRows((page) => db.rides.list({ ...page, where }))
  const vehicles = await allRows((page) => db.vehicles.list({ ...page, where }))
  const fleetName = `${fleet.home}'s fleet as ${region} reads it`
  const ended = rides.filter(({ endedAtMs }) => endedAtMs !== null)
  tally.expectTotal(`${fleetName}: rides`, rides.length, countName(fleet, STARTS))
  tally.expectTotal(`${fleetName}: ended rides`, ended.length, countName(fleet, ENDS))
  if (vehicles.length !== VEHICLES) tally.wrong(`${fleetName}: ${vehicles.length} vehicles`)
  const ridden = rides.filter(({ endedAtMs }) => endedAtMs === null).map((ride) => ride.vehicleId)
  const inUse = new Set(
    vehicles.filter(({ status }) => status === 'in use').map((vehicle) => vehicle.id),
  )
  const twice = ridden.length - new Set(ridden).size
  if (twice > 0) tally.wrong(`${fleetName}: ${twice} vehicles are ridden by two`)
  const unknown = ridden.filter((id) => !inUse.has(id)).length
  if (unknown > 0) tally.wrong(`${fleetName}: ${unknown} vehicles are ridden and said to be free`)
  const idle = inUse.size - new Set(ridden).size + unknown
  if (idle > 0) tally.wrong(`${fleetName}: ${idle} vehicles are in use and ridden by nobody`)
}
