/**
 * A view whose table is written to all the time: what the writes take, what reads of the view take,
 * and how long after its commit a row is in the view, at home and in the other regions. In the end
 * the view must say in every region what the rows say.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { MeridianError } from '../../src/core/errors.ts'
import { oneWayMs } from '../../src/config/topology.ts'
import type { Operation } from '../measure/loop.ts'
import { seededRandom, type SeededRandom } from '../../src/core/seeded-random.ts'
import type { BenchContext, BenchStep, StepPlan, StepResult } from '../step.ts'
import { callersIn, readReport, writeReport, type Callers } from './callers.ts'
import { allRows, ensureTenants, freshName, idsOf } from './preparation.ts'
import { runKinds } from './run-kinds.ts'
import { tenantOf } from './schema.ts'
import { Tally } from './tally.ts'
import type { CallKind } from './workload.ts'

const STEP = 'view-load pinned'
const WARMUP_MS = 3000
const WINDOW_MS = 30_000
const OTHER_MS = 5000
const CUSTOMERS = 50
const LARGEST_AMOUNT = 500
/** Of the rate: rows whose way into the view is watched, which costs reads of its own. */
const WATCHED_SHARE = 0.1
/** Between two looks. It is the resolution of the lag, and less than what is to be measured. */
const LOOK_MS = 1
const LONGEST_LAG_MS = 30_000
const ORDERS = 'orders'

/** The step of the view under write load. */
export function viewLoadSteps(plan: StepPlan): readonly BenchStep[] {
  return [
    {
      name: STEP,
      durationMs: WARMUP_MS + WINDOW_MS + OTHER_MS,
      run: (context) => runViewLoad(context, plan.rateOpsPerSecond),
    },
  ]
}

/** What the calls share. */
interface ViewRun {
  readonly context: BenchContext
  /** Begins ids and customers. */
  readonly name: string
  readonly home: string
  readonly tenant: string
  readonly tally: Tally
  readonly random: SeededRandom
  newOrder(): number
}

async function runViewLoad(context: BenchContext, rateOpsPerSecond: number): Promise<StepResult> {
  const home = context.target.leader
  const tally = new Tally(STEP)
  let orders = 0
  const run: ViewRun = {
    context,
    name: freshName(STEP),
    home,
    tenant: tenantOf(home),
    tally,
    random: seededRandom(context.seed),
    newOrder: () => orders++,
  }
  await ensureTenants(context, [{ id: run.tenant, home }])
  await loadCustomers(run)
  const kinds = kindsOf(run, rateOpsPerSecond)
  const timing = { warmupMs: WARMUP_MS, durationMs: WINDOW_MS }
  const result = await runKinds(context, { step: STEP, kinds, tally, ...timing })
  await checkView(run)
  tally.finish()
  return result
}

/** One order of each customer, so that every group that is read is there. */
async function loadCustomers(run: ViewRun): Promise<void> {
  const { context, home, tenant, tally } = run
  const rows = Array.from({ length: CUSTOMERS }, (_, i) => newRow(run, customerName(run, i)))
  const { orders } = context.client(home).tenant(tenant)
  for (const row of rows) await tally.write(ORDERS, orders.insert(row))
  await context.target.settle()
}

function kindsOf(run: ViewRun, rateOpsPerSecond: number): readonly CallKind[] {
  const { context, home } = run
  const { topology } = context.target
  const open = (share: number) =>
    ({ loop: 'open', rateOpsPerSecond: rateOpsPerSecond * share }) as const
  const writers = callersIn(context, home)
  const write: CallKind = {
    op: 'view-load write',
    mode: 'pinned',
    origin: home,
    home,
    level: null,
    networkMs: 0,
    load: open(1),
    operation: writeOperation(run, writers),
  }
  const ofOrigin = (origin: string): readonly CallKind[] => [
    {
      op: 'view-load view read',
      mode: 'pinned',
      origin,
      home,
      level: 'session',
      networkMs: 0,
      load: open(1),
      operation: viewReadOperation(run, callersIn(context, origin)),
    },
    {
      op: 'view-load view lag',
      mode: 'pinned',
      origin,
      home,
      level: 'stale',
      networkMs: oneWayMs(topology, home, origin),
      load: open(WATCHED_SHARE),
      operation: lagOperation(run, writers, origin),
    },
  ]
  return [write, ...topology.regions.flatMap(ofOrigin)]
}

function writeOperation(run: ViewRun, writers: Callers): Operation {
  return async (index) => {
    const { db, session } = writers.of(index)
    const row = newRow(run, customerName(run, run.random.below(CUSTOMERS)))
    const inserting = db.tenant(run.tenant).orders.insert(row, { session })
    const { receipt } = await run.tally.write(ORDERS, inserting.withReceipt())
    return writeReport(receipt)
  }
}

function viewReadOperation(run: ViewRun, readers: Callers): Operation {
  return async (index) => {
    const { db, session } = readers.of(index)
    const customer = customerName(run, run.random.below(CUSTOMERS))
    const reading = db.tenant(run.tenant).view('ordersByCustomer').get({ customer }, { session })
    const { value, receipt } = await reading.withReceipt()
    if (value === undefined) {
      run.tally.wrong(`${db.region} did not find the customer ${customer} in the view`)
      throw new MeridianError('NOT_FOUND', `The customer ${customer} is not in the view.`)
    }
    return readReport(receipt)
  }
}

/** The order of a customer of its own, and then looks until the region's view has that customer. */
function lagOperation(run: ViewRun, writers: Callers, origin: string): Operation {
  const view = run.context.client(origin).tenant(run.tenant).view('ordersByCustomer')
  return async (index) => {
    const { db, session } = writers.of(index)
    const customer = `${run.name}:watched-${origin}-${index}-${run.newOrder()}`
    const row = newRow(run, customer)
    await run.tally.write(ORDERS, db.tenant(run.tenant).orders.insert(row, { session }))
    const committedAtMs = performance.now()
    for (;;) {
      const { value, receipt } = await view
        .get({ customer }, { consistency: 'stale' })
        .withReceipt()
      const latencyMs = performance.now() - committedAtMs
      if (value !== undefined) {
        if (value.amount !== row.amount) run.tally.wrong(`the view sums ${customer} wrongly`)
        return { level: receipt.level, stalenessMs: receipt.stalenessMs, latencyMs }
      }
      if (latencyMs > LONGEST_LAG_MS) {
        throw new MeridianError('DEADLINE_EXCEEDED', `A view lags by more than ${latencyMs} ms.`)
      }
      await sleep(LOOK_MS)
    }
  }
}

function customerName({ name }: ViewRun, number: number): string {
  return `${name}:customer-${number}`
}

interface OrderRow {
  readonly id: string
  readonly customer: string
  readonly amount: number
}

function newRow(run: ViewRun, customer: string): OrderRow {
  const id = `${run.name}:${run.newOrder()}`
  return { id, customer, amount: 1 + run.random.below(LARGEST_AMOUNT) }
}

async function checkView(run: ViewRun): Promise<void> {
  const { context, tally, tenant, name } = run
  await context.target.settle()
  for (const region of context.target.topology.regions) {
    const { orders } = context.client(region).tenant(tenant)
    const rows = await allRows((page) => orders.list({ ...page, where: { id: idsOf(name) } }))
    tally.expectTotal(`orders that ${region} holds`, rows.length, ORDERS)
    const expected = new Map<string, { amount: number; orders: number }>()
    for (const { customer, amount } of rows) {
      const sum = expected.get(customer) ?? { amount: 0, orders: 0 }
      expected.set(customer, { amount: sum.amount + amount, orders: sum.orders + 1 })
    }
    const view = context.client(region).tenant(tenant).view('ordersByCustomer')
    for (const [customer, sum] of expected) {
      const group = await view.get({ customer })
      if (group?.amount === sum.amount && group.orders === sum.orders) continue
      tally.wrong(`${region}: the view says of ${customer} other than its rows`)
    }
  }
}
