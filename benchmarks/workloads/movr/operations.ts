/** What people do: look for a vehicle, ride, and apply a promo code. */
import { increment } from '../../../src/client/index.ts'
import { MeridianError } from '../../../src/core/errors.ts'
import type { CallReport, Operation } from '../../measure/loop.ts'
import type { SeededRandom } from '../../../src/core/seeded-random.ts'
import {
  readReport,
  TRANSACTION_REQUESTS,
  writeReport,
  type Caller,
  type Callers,
} from '../callers.ts'
import {
  anyArea,
  anyUser,
  anyVehicle,
  countName,
  ENDS,
  STARTS,
  type Fleet,
  type MovrRun,
  type OpenRide,
} from './fleet.ts'

const NEAR_ROWS = 20
const FARE_PER_RIDE_CENTS = 350
/** Vehicles that somebody tries before giving up. */
const VEHICLES_TRIED = 10

/** Who does it, in which region's fleet. */
export interface MovrPart {
  readonly run: MovrRun
  readonly fleet: Fleet
  readonly callers: Callers
  readonly random: SeededRandom
}

/** The vehicles of a neighborhood that can be had. */
export function lookUpVehicles({ run, fleet, callers, random }: MovrPart): Operation {
  return async (index) => {
    const { db, session } = callers.of(index)
    const city = anyArea(run, random)
    const where = { city, status: 'available' }
    const listing = db.tenant(fleet.tenant).vehicles.list({ where, limit: NEAR_ROWS, session })
    const { value, receipt } = await listing.withReceipt()
    const isRight = value.rows.every((row) => row.city === city && row.status === 'available')
    if (!isRight || value.rows.length > NEAR_ROWS) run.tally.wrong(`wrong vehicles in ${city}`)
    return readReport(receipt)
  }
}

/** Takes a vehicle that nobody has, and begins a ride. */
export function startRide(part: MovrPart): Operation {
  return async (index) => {
    const { ride, report } = await beginRide(part, part.callers.of(index))
    part.fleet.open.push(ride)
    return report
  }
}

/** Ends a ride and gives the vehicle back. Where none goes on, one is begun before, unmeasured. */
export function endRide(part: MovrPart): Operation {
  const { fleet, callers, random } = part
  return async (index) => {
    const caller = callers.of(index)
    const { open } = fleet
    let ride = takeAny(open, random)
    if (ride !== undefined) return finishRide(part, caller, ride)
    ride = (await beginRide(part, caller)).ride
    const startedAtMs = performance.now()
    const report = await finishRide(part, caller, ride)
    return { ...report, latencyMs: performance.now() - startedAtMs }
  }
}

/** Counts a use of a code, which all regions share. */
export function applyPromoCode({ run, callers, random }: MovrPart): Operation {
  return async (index) => {
    const { db, session } = callers.of(index)
    const code = random.pick(run.codes)
    const applying = db.promoCodes.update(code, { uses: increment(1) }, { session })
    const { value, receipt } = await run.tally.write(code, applying.withReceipt())
    if (value.uses < 1) run.tally.wrong(`the code ${code} was applied and has no use`)
    return writeReport(receipt)
  }
}

interface Begun {
  readonly ride: OpenRide
  readonly report: CallReport
}

async function beginRide(part: MovrPart, caller: Caller): Promise<Begun> {
  const { run, random } = part
  for (let tried = 1; tried <= VEHICLES_TRIED; tried++) {
    const ride = { id: run.newRide(), vehicleId: anyVehicle(run, random) }
    const begun = await tryVehicle(part, caller, ride)
    if (begun !== undefined) return { ride, report: begun }
  }
  throw new MeridianError('CONDITION_FAILED', 'Every vehicle that was tried is taken.')
}

/** `undefined` where somebody rides the vehicle. */
async function tryVehicle(
  { run, fleet, random }: MovrPart,
  { db, session }: Caller,
  { id, vehicleId }: OpenRide,
): Promise<CallReport | undefined> {
  const userId = anyUser(run, random)
  const tenant = db.tenant(fleet.tenant)
  const beginning = tenant.transaction(
    'pinned',
    async (tx) => {
      const vehicle = await tx.vehicles.get(vehicleId)
      if (vehicle === undefined) throw missing(run, vehicleId)
      if (vehicle.status !== 'available') return false
      tx.vehicles.update(vehicleId, { status: 'in use' })
      tx.rides.insert({ id, userId, vehicleId, startedAtMs: Date.now() })
      return true
    },
    { session },
  )
  // One that found the vehicle taken has written nothing.
  const counted = beginning.withReceipt().then((begun) => {
    if (!begun.value) throw new Taken()
    return begun
  })
  try {
    const { receipt } = await run.tally.write(countName(fleet, STARTS), counted)
    return { ...writeReport(receipt), needed: TRANSACTION_REQUESTS }
  } catch (error) {
    if (error instanceof Taken) return undefined
    throw error
  }
}

async function finishRide(
  { run, fleet }: MovrPart,
  { db, session }: Caller,
  { id, vehicleId }: OpenRide,
): Promise<CallReport> {
  const ending = db.tenant(fleet.tenant).transaction(
    'pinned',
    async (tx) => {
      const ride = await tx.rides.get(id)
      if (ride === undefined) throw missing(run, id)
      tx.rides.update(id, { endedAtMs: Date.now(), fareCents: FARE_PER_RIDE_CENTS })
      tx.vehicles.update(vehicleId, { status: 'available' })
    },
    { session },
  )
  const { receipt } = await run.tally.write(countName(fleet, ENDS), ending.withReceipt())
  return { ...writeReport(receipt), needed: TRANSACTION_REQUESTS }
}

/** Somebody rides the vehicle. It never leaves this file, and counts as nothing written. */
class Taken extends MeridianError {
  constructor() {
    super('CONDITION_FAILED', 'The vehicle is taken.')
  }
}

/** Takes one out, in constant time. */
function takeAny(open: OpenRide[], random: SeededRandom): OpenRide | undefined {
  if (open.length === 0) return undefined
  const at = random.below(open.length)
  const taken = open[at]
  open[at] = open.at(-1) as OpenRide
  open.pop()
  return taken
}

function missing({ tally }: MovrRun, id: string): MeridianError {
  tally.wrong(`${id} was not found at home`)
  return new MeridianError('NOT_FOUND', `${id} was not found.`)
}
