/** Movr as a step: mostly callers at home, some from the next region, and codes shared by all. */
import { commitLogMs, roundTripMs } from '../../measure/network-time.ts'
import { seededRandom } from '../../../src/core/seeded-random.ts'
import type { BenchContext, BenchStep, StepPlan, StepResult } from '../../step.ts'
import { callersIn } from '../callers.ts'
import { runKinds } from '../run-kinds.ts'
import type { CallKind } from '../workload.ts'
import { checkMovr } from './check.ts'
import { prepareMovr, type Fleet, type MovrRun } from './fleet.ts'
import { applyPromoCode, endRide, lookUpVehicles, startRide, type MovrPart } from './operations.ts'

const STEP = 'movr'
const WARMUP_MS = 3000
const WINDOW_MS = 40_000
const OTHER_MS = 10_000

/** Shares of a region's calls. */
const LOOK_UPS = 0.6
const STARTED = 0.15
const ENDED = 0.15
const CODES = 0.1
/** Of all but the codes: calls of people who ride in the next region. */
const REMOTE = 0.1

/** The step of movr. */
export function movrSteps(plan: StepPlan): readonly BenchStep[] {
  return [
    {
      name: STEP,
      durationMs: WARMUP_MS + WINDOW_MS + OTHER_MS,
      run: (context) => runMovr(context, plan.rateOpsPerSecond),
    },
  ]
}

async function runMovr(context: BenchContext, rateOpsPerSecond: number): Promise<StepResult> {
  const run = await prepareMovr(context, STEP)
  await rideOnce(context, run)
  const { regions } = context.target.topology
  const kinds = regions.flatMap((origin, i): readonly CallKind[] => {
    const isAlone = regions.length === 1
    const local = isAlone ? 1 : 1 - REMOTE
    const next = regions[(i + 1) % regions.length] as string
    return [
      ...fleetKinds(context, run, { origin, home: origin, rate: rateOpsPerSecond * local }),
      ...(isAlone
        ? []
        : fleetKinds(context, run, { origin, home: next, rate: rateOpsPerSecond * REMOTE })),
      codeKind(context, run, { origin, home: origin, rate: rateOpsPerSecond }),
    ]
  })
  const { tally } = run
  const timing = { warmupMs: WARMUP_MS, durationMs: WINDOW_MS }
  const result = await runKinds(context, { step: STEP, kinds, tally, ...timing })
  await checkMovr(context, run)
  tally.finish()
  return result
}

/**
 * A ride in each region before any is measured: with the first change of a table its topic is made,
 * which takes a while. One that fails is counted, and its like will fail in the cells, too.
 */
async function rideOnce(context: BenchContext, run: MovrRun): Promise<void> {
  for (const home of run.fleets.keys()) {
    const part = partOf(context, run, { origin: home, home, rate: 0 })
    await startRide(part)(0).catch(() => undefined)
    await endRide(part)(0).catch(() => undefined)
  }
}

interface Way {
  readonly origin: string
  readonly home: string
  readonly rate: number
}

function fleetKinds(context: BenchContext, run: MovrRun, way: Way): readonly CallKind[] {
  const { origin, home, rate } = way
  const part = partOf(context, run, way)
  // A transaction reads at home and commits there.
  const rideMs = 2 * roundTripMs(context.target.topology, origin, home)
  const atHome = { mode: 'pinned', origin, home } as const
  const open = (share: number): CallKind['load'] => ({
    loop: 'open',
    rateOpsPerSecond: rate * share,
  })
  return [
    {
      ...atHome,
      op: 'movr look up vehicles',
      level: 'session',
      networkMs: 0,
      load: open(LOOK_UPS),
      operation: lookUpVehicles(part),
    },
    {
      ...atHome,
      op: 'movr start ride',
      level: null,
      networkMs: rideMs,
      load: open(STARTED),
      operation: startRide(part),
    },
    {
      ...atHome,
      op: 'movr end ride',
      level: null,
      networkMs: rideMs,
      load: open(ENDED),
      operation: endRide(part),
    },
  ]
}

function codeKind(context: BenchContext, run: MovrRun, way: Way): CallKind {
  const { topology, leader } = context.target
  return {
    op: 'movr apply promo code',
    mode: 'strong',
    origin: way.origin,
    home: leader,
    level: null,
    networkMs: commitLogMs(topology, leader, way.origin),
    load: { loop: 'open', rateOpsPerSecond: way.rate * CODES },
    operation: applyPromoCode(partOf(context, run, way)),
  }
}

function partOf(context: BenchContext, run: MovrRun, { origin, home }: Way): MovrPart {
  const { regions } = context.target.topology
  const way = regions.indexOf(origin) * regions.length + regions.indexOf(home)
  const random = seededRandom(context.seed * regions.length ** 2 + way)
  return { run, fleet: run.fleets.get(home) as Fleet, callers: callersIn(context, origin), random }
}
