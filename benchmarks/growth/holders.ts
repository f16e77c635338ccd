/** How the cost of a pinned write grows with the number of regions that may not hold the row. */
import { oneWayMs, type Topology } from '../../src/config/topology.ts'
import type { BenchContext, BenchStep, StepPlan, StepResult } from '../step.ts'
import { GrowthLog } from './growth-log.ts'
import { createTenant } from './growth-tenant.ts'
import { rowKey } from './load-rows.ts'
import { measureWriteCost, WRITE_COST_MS } from './write-cost.ts'

const ROWS = 1_000
const SERIES = 'pinned write, regions that may not hold the row'

/**
 * Classes of tenants for the configuration: `held-by-1`, whose rows stay in the leader's region,
 * `held-by-2`, which the nearest region may hold as well, and so on to all but one.
 */
export function holderClasses(
  topology: Topology,
  leader: string,
): Readonly<Record<string, readonly string[]>> {
  const nearest = [...topology.regions].sort(
    (a, b) => oneWayMs(topology, leader, a) - oneWayMs(topology, leader, b),
  )
  const others = nearest.filter((region) => region !== leader)
  return Object.fromEntries(
    others.map((_, held) => [className(held + 1), [leader, ...others.slice(0, held)]]),
  )
}

/** One step: the same write for tenants whose rows fewer and fewer regions may hold. */
export function holdersSteps({ leader, topology }: StepPlan): readonly BenchStep[] {
  return [
    {
      name: `growth: ${SERIES}`,
      durationMs: topology.regions.length * WRITE_COST_MS,
      run: (context) => runHolders(topology.regions.length, leader, context),
    },
  ]
}

async function runHolders(
  regions: number,
  home: string,
  context: BenchContext,
): Promise<StepResult> {
  const db = context.client(home)
  const log = new GrowthLog()
  return log.collect(async () => {
    for (let denied = 0; denied < regions; denied++) {
      const held = regions - denied
      const id = `growth-held-by-${held}`
      const inClass = held === regions ? {} : { tenantClass: className(held) }
      await createTenant(db, { id, home, ...inClass })
      const { pinnedRows } = db.tenant(id)
      const size = { series: SERIES, x: denied, xUnit: 'regions' }
      const cost = await measureWriteCost(context, size, async (index) => {
        await pinnedRows.upsert({ id: rowKey(index % ROWS), value: 'value' })
        return undefined
      })
      log.add(cost.points, cost.notes)
      // What this tenant's replicas still take is not the next one's cost.
      await context.target.settle()
    }
  })
}

function className(held: number): string {
  return `held-by-${held}`
}
