/**
 * Pinned writes spread over more and more tenants: a write must not cost more for there being many.
 * Every region writes to its own share of the tenants.
 */
import { forEachConcurrently } from '../concurrency.ts'
import type { Operation } from '../measure/loop.ts'
import { seededRandom, type SeededRandom } from '../../src/core/seeded-random.ts'
import type { BenchContext, BenchStep, StepPlan, StepResult } from '../step.ts'
import { callersIn, writeReport, type Callers } from './callers.ts'
import { allRows, ensureTenants, freshName, idsOf, type TenantPlace } from './preparation.ts'
import { runKinds } from './run-kinds.ts'
import { Tally } from './tally.ts'
import type { CallKind } from './workload.ts'

/** Tenants of all regions together, from step to step. */
const TENANT_COUNTS = [10, 100, 1000]
const FEWEST_TENANTS = 10
const WARMUP_MS = 2000
const WINDOW_MS = 20_000
const OTHER_MS = 3000
/** About what it takes to create one across regions, some at once. */
const CREATION_MS = 10
const CHECKED_AT_ONCE = 32

/** A step for each number of tenants. A time scale below 1 leaves out the large numbers. */
export function manyTenantsSteps(plan: StepPlan): readonly BenchStep[] {
  return TENANT_COUNTS.map((count) => ({
    name: stepOf(count),
    durationMs: WARMUP_MS + WINDOW_MS + OTHER_MS + count * CREATION_MS,
    run: (context) => runTenants(context, count, plan.rateOpsPerSecond),
  }))
}

function stepOf(count: number): string {
  return `many-tenants-${count} pinned`
}

async function runTenants(
  context: BenchContext,
  count: number,
  rateOpsPerSecond: number,
): Promise<StepResult> {
  const step = stepOf(count)
  const most = Math.max(FEWEST_TENANTS, Math.floor(1000 * context.timeScale))
  if (count > most) {
    return { notes: [`${step}: left out, at this time scale ${most} tenants are the most.`] }
  }
  const tenants = tenantsOf(context.target.topology.regions, count)
  context.note(`${step}: creating tenants`)
  await ensureTenants(context, tenants)
  await context.target.settle()
  const tally = new Tally(step)
  const name = freshName(step)
  const kinds = context.target.topology.regions.map((origin, i): CallKind => {
    const random = seededRandom(context.seed * count + i)
    const own = tenants.filter(({ home }) => home === origin).map(({ id }) => id)
    return {
      op: `many-tenants-${count} write`,
      mode: 'pinned',
      origin,
      home: origin,
      level: null,
      networkMs: 0,
      load: { loop: 'open', rateOpsPerSecond },
      operation: writeOperation({ name, own, random, tally }, callersIn(context, origin)),
    }
  })
  const timing = { warmupMs: WARMUP_MS, durationMs: WINDOW_MS }
  const result = await runKinds(context, { step, kinds, tally, ...timing })
  await checkTenants(context, name, tenants, tally)
  tally.finish()
  const growth = (result.cells ?? []).flatMap(({ origin, p95Ms }) => {
    if (p95Ms === null) return []
    const series = `pinned write at home in ${origin}, p95, tenants written to`
    return [{ series, x: count, xUnit: 'tenants', y: p95Ms, yUnit: 'ms' }]
  })
  return { ...result, growth }
}

/** The same tenants for the same number, those of a smaller number among them. */
function tenantsOf(regions: readonly string[], count: number): readonly TenantPlace[] {
  return Array.from({ length: count }, (_, i) => {
    const home = regions[i % regions.length] as string
    return { id: `bench-many-${home}-${Math.floor(i / regions.length)}`, home }
  })
}

interface TenantWrites {
  readonly name: string
  readonly own: readonly string[]
  readonly random: SeededRandom
  readonly tally: Tally
}

function writeOperation({ name, own, random, tally }: TenantWrites, callers: Callers): Operation {
  let rows = 0
  return async (index) => {
    const { db, session } = callers.of(index)
    const tenant = random.pick(own)
    const id = `${name}:${db.region}-${rows++}`
    const inserting = db.tenant(tenant).pinnedRows.insert({ id, value: 'one of many' }, { session })
    const { receipt } = await tally.write(tenant, inserting.withReceipt())
    return writeReport(receipt)
  }
}

/** Rows of each tenant, at home: in no other tenant, and each once. */
async function checkTenants(
  context: BenchContext,
  name: string,
  tenants: readonly TenantPlace[],
  tally: Tally,
): Promise<void> {
  await context.target.settle()
  await forEachConcurrently(tenants, CHECKED_AT_ONCE, context.signal, async ({ id, home }) => {
    const { pinnedRows } = context.client(home).tenant(id)
    const where = { id: idsOf(name) }
    const rows = await allRows((page) => pinnedRows.list({ ...page, where }))
    tally.expectTotal(`rows of the tenant ${id}`, rows.length, id)
  })
}
