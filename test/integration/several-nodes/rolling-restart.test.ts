/**
 * A rolling restart of both nodes of a region under load: no call fails that had its deadline, no
 * write is lost, none happens twice.
 */
import { expect, test } from 'vitest'
import type { Database } from '../../../src/client/index.ts'
import type { SharedRegionFaults } from '../../../src/node/shared-region/faults.ts'
import { schema } from '../../support/node-schema.ts'
import { layRegionNodes, SHARED, SINGLE } from '../../support/region-nodes.ts'
import { RegionLoad } from '../../support/region-load.ts'
import { until } from '../../support/until.ts'

type Db = Database<typeof schema>

async function restartBoth(
  rounds: number,
  faults: SharedRegionFaults = {},
): Promise<{ readonly load: RegionLoad; readonly db: Db }> {
  // What waits at a node that stops is served by the next one, however long that takes to open.
  const limits = { drainTimeoutMs: 60_000 }
  const layout = await layRegionNodes(schema, { sections: { limits } })
  await layout.start('single')
  const running = new Map([['a', await layout.start('a', { faults })]])
  running.set('b', await layout.start('b', { faults }))
  await Promise.all([...running.values()].map((node) => node.ready()))
  const db = await layout.client(['a', 'b'])
  await db.tenants.create({ id: 'acme', home: SHARED })
  await db.tenants.create({ id: 'far', home: SINGLE })
  const clients = [db, await layout.client(['b', 'a']), await layout.client(['a'])]
  const load = new RegionLoad(clients, [layout.url('a'), layout.url('b')])
  await load.begin()
  for (let round = 0; round < rounds; round++) {
    for (const name of ['a', 'b'] as const) {
      const before = load.calls()
      // Under load between the restarts, too.
      await until(() => expect(load.calls()).toBeGreaterThan(before + 20))
      await running.get(name)?.close()
      const next = await layout.start(name, { faults })
      running.set(name, next)
      await next.ready()
    }
  }
  await load.end()
  return { load, db }
}

test('fails no call, loses no write and repeats none', async () => {
  const { load, db } = await restartBoth(2)
  expect(load.failures()).toEqual([])
  const acme = db.tenant('acme')
  const { acknowledged } = load
  expect(await acme.visits.get('v', { consistency: 'session' })).toEqual({
    id: 'v',
    times: acknowledged.eventual,
  })
  const order = await acme.orders.get('o', { consistency: 'strong' })
  expect(order).toEqual({ id: 'o', amount: acknowledged.pinned })
  const plan = await db.plans.get('p', { consistency: 'strong' })
  expect(plan).toEqual({ id: 'p', seats: acknowledged.strong })
  // What another region wrote meanwhile has come over its stream.
  await until(async () => {
    const far = await db.tenant('far').orders.get('o', { consistency: 'stale' })
    expect(far).toEqual({ id: 'o', amount: acknowledged.far })
  })
  expect(Math.min(...Object.values(acknowledged))).toBeGreaterThan(0)
  expect(load.sqlReads()).toBeGreaterThan(0)
})
