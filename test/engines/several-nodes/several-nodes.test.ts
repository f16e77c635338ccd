/**
 * Nodes of one region as processes, elected by etcd: killed, stopped and restarted under load. No
 * call fails that had its deadline, no write that was acknowledged is lost, none happens twice.
 */
import { expect, test } from 'vitest'
import type { Database } from '../../../src/client/index.ts'
import type { schema } from '../../support/node-schema.ts'
import type { RunningProgram } from '../../support/program.ts'
import { RegionLoad } from '../../support/region-load.ts'
import { until } from '../../support/until.ts'
import {
  layProcesses,
  SHARED,
  SINGLE,
  SLOW_MS,
  type NodeName,
  type Processes,
} from './nodes-of-a-region.ts'

/** Each waits for leases to run out, and for processes to start. */
const TIMEOUT_MS = 400_000

interface World {
  readonly processes: Processes
  readonly running: Map<NodeName, RunningProgram>
  readonly db: Database<typeof schema>
  readonly load: RegionLoad
}

/** All nodes, `a` as the holder, and a load that has begun. */
async function begin(isCut: boolean): Promise<World> {
  const processes = await layProcesses()
  const running = new Map<NodeName, RunningProgram>()
  running.set('single', await processes.start('single'))
  running.set('a', await processes.start('a'))
  await processes.leads('a')
  running.set('b', await processes.start('b'))
  for (const node of ['single', 'a', 'b'] as const) await processes.ready(node)
  const db = await processes.client(['b', 'a'])
  await db.tenants.create({ id: 'acme', home: SHARED })
  await db.tenants.create({ id: 'far', home: SINGLE })
  const clients = [db, await processes.client(['a', 'b'])]
  const load = new RegionLoad(clients, processes.urls, isCut)
  await load.begin()
  await more(load)
  return { processes, running, db, load }
}

function more(load: RegionLoad): Promise<void> {
  const before = load.calls()
  return until(() => expect(load.calls()).toBeGreaterThan(before + 40), SLOW_MS)
}

/** What was acknowledged is there, once. */
async function check({ db, load }: World): Promise<void> {
  const { acknowledged } = load
  const acme = db.tenant('acme')
  expect({
    pinned: (await acme.orders.get('o', { consistency: 'strong' }))?.amount,
    eventual: (await acme.visits.get('v', { consistency: 'session' }))?.times,
    strong: (await db.plans.get('p', { consistency: 'strong' }))?.seats,
    far: (await db.tenant('far').orders.get('o', { consistency: 'strong' }))?.amount,
  }).toEqual(acknowledged)
  // The views of the region and its replica of the other one have all of it as well.
  await until(async () => {
    const [view] = await acme.view('revenue').list({ consistency: 'stale' })
    expect(view).toEqual({ orders: 1, amount: acknowledged.pinned })
    const far = await db.tenant('far').orders.get('o', { consistency: 'stale' })
    expect(far?.amount).toBe(acknowledged.far)
  }, SLOW_MS)
}

test('the other node takes over from one that was killed', { timeout: TIMEOUT_MS }, async () => {
  const world = await begin(true)
  const { processes, running, load } = world
  running.get('a')?.kill('SIGKILL')
  await processes.leads('b')
  await processes.ready('b')
  await more(load)
  await load.end()
  expect(load.failures()).toEqual([])
  await check(world)
})

test(
  'a node that stood still for longer than its leases does not write any more',
  { timeout: TIMEOUT_MS },
  async () => {
    const world = await begin(true)
    const { processes, running, load } = world
    running.get('a')?.kill('SIGSTOP')
    await processes.leads('b')
    const before = load.acknowledged.pinned
    running.get('a')?.kill('SIGCONT')
    await processes.ready('a')
    await until(() => expect(load.acknowledged.pinned).toBeGreaterThan(before), SLOW_MS)
    // It may think for a moment that it still leads: what it writes is refused all the same.
    await until(async () => {
      const { shared } = await processes.report('a')
      expect(shared).toMatchObject([{ region: SHARED, state: 'standing-by' }])
    }, SLOW_MS)
    await load.end()
    expect(load.failures()).toEqual([])
    await check(world)
  },
)

test('a rolling restart fails no call', { timeout: TIMEOUT_MS }, async () => {
  const world = await begin(false)
  const { processes, running, load } = world
  for (const node of ['a', 'b'] as const) {
    running.get(node)?.kill('SIGTERM')
    const ended = await running.get(node)?.ended
    expect(ended).toMatchObject({ code: 0 })
    running.set(node, await processes.start(node))
    await processes.ready(node)
    await more(load)
  }
  await load.end()
  expect(load.failures()).toEqual([])
  await check(world)
})
