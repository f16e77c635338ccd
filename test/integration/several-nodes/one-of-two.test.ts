/** Two nodes of a region: one holds it, the other passes to it, and takes over. */
import { expect, test } from 'vitest'
import { increment } from '../../../src/client/index.ts'
import { runCli } from '../../../src/cli/run-cli.ts'
import { METRICS_PATH, READY_PATH } from '../../../src/core/wire-http.ts'
import type { NodeReport } from '../../../src/node/node-status.ts'
import { page } from '../../support/node-cluster.ts'
import { schema } from '../../support/node-schema.ts'
import { layRegionNodes, SHARED, SINGLE } from '../../support/region-nodes.ts'
import { until } from '../../support/until.ts'

test('a node that stands by serves all modes through the one that holds the region', async () => {
  const layout = await layRegionNodes(schema)
  const { a, b } = await layout.startAll()
  const db = await layout.client(['b'])
  await db.tenants.create({ id: 'acme', home: SHARED })
  await db.tenant('acme').orders.insert({ id: 'o', amount: 7 })
  await db.plans.insert({ id: 'p', seats: 3 })
  await db.tenant('acme').visits.insert({ id: 'v', times: 1 })
  expect(await db.tenant('acme').orders.get('o', { consistency: 'strong' })).toEqual({
    id: 'o',
    amount: 7,
  })
  expect(await db.plans.get('p', { consistency: 'strong' })).toEqual({ id: 'p', seats: 3 })
  await until(async () => {
    const [view] = await db.tenant('acme').view('revenue').list({ consistency: 'stale' })
    expect(view).toEqual({ orders: 1, amount: 7 })
  })

  expect(a.status().shared).toMatchObject([{ region: SHARED, state: 'leading', fence: 1 }])
  expect(b.status().shared).toMatchObject([
    { region: SHARED, state: 'standing-by', holder: layout.url('a'), fence: 1, handovers: 0 },
  ])
  expect(b.status().regions).toEqual([])
  expect((await page(b.url, READY_PATH)).status).toBe(200)

  const [ofA, ofB] = await Promise.all([page(a.url, METRICS_PATH), page(b.url, METRICS_PATH)])
  expect(ofA.text).toContain(`meridian_region_leader{region="${SHARED}"} 1`)
  expect(ofA.text).toContain(`meridian_region_handovers{region="${SHARED}"} 1`)
  expect(ofB.text).toContain(`meridian_region_leader{region="${SHARED}"} 0`)
  expect(ofB.text).toMatch(new RegExp(`meridian_passed_requests_total{region="${SHARED}"} [1-9]`))
  expect(await statusOf(a.url)).toMatch(/us-east +http.* ready +leading \(1\) since 20/)
  expect(await statusOf(b.url)).toMatch(/us-east +http.* ready +standing by \(1\) since 20/)
})

/** What `meridian status` prints. */
async function statusOf(url: string): Promise<string> {
  let printed = ''
  const stream = { write: (text: string) => (printed += text) }
  await runCli(['status', '--url', url], { stdout: stream, stderr: stream })
  return printed
}

test('the other node takes over in order, and nothing that was acknowledged is missing', async () => {
  const layout = await layRegionNodes(schema)
  const { a, b } = await layout.startAll()
  const db = await layout.client(['a', 'b'])
  await db.tenants.create({ id: 'acme', home: SHARED })
  await db.tenant('acme').orders.insert({ id: 'o', amount: 7 })
  await a.close()
  expect(await db.tenant('acme').orders.get('o', { consistency: 'strong' })).toEqual({
    id: 'o',
    amount: 7,
  })
  await db.tenant('acme').orders.insert({ id: 'o2', amount: 1 })
  await b.ready()
  expect(b.status().shared).toMatchObject([{ state: 'leading', fence: 2, handovers: 1 }])
  // The region's source, and with it every position of sessions and streams, is the store's.
  const [region] = b.status().regions
  expect(region?.source).toMatch(new RegExp(`^${SHARED}\\.`))
})

test('a node that knows no holder is not ready, and says so', async () => {
  const layout = await layRegionNodes(schema)
  layout.role.expire()
  await layout.start('single')
  // Somebody else has the role: a node that does not run.
  const other = new AbortController()
  const held = layout.role.campaign('', layout.url('a'), other.signal)
  const b = await layout.start('b')
  await held
  await until(async () => {
    const report = JSON.parse((await page(b.url, READY_PATH)).text) as NodeReport
    expect(report.checks).toContainEqual({
      name: `leader ${SHARED}`,
      ok: false,
      waitsFor: `${layout.url('a')}, which holds the region`,
    })
  })
  await (await held).resign()
  await b.ready()
})

test('another region reaches the holder through either node, with writes and with streams', async () => {
  const layout = await layRegionNodes(schema)
  const { a, single } = await layout.startAll()
  const db = await layout.client(['a', 'b'])
  await db.tenants.create({ id: 'far', home: SINGLE })
  await db.tenants.create({ id: 'near', home: SHARED })
  await db.tenant('far').orders.insert({ id: 'o', amount: 1 })
  await until(async () => {
    const read = db.tenant('far').orders.get('o', { consistency: 'stale' })
    expect(await read).toEqual({ id: 'o', amount: 1 })
  })
  await a.close()
  await db.tenant('near').orders.insert({ id: 'n', amount: 2 })
  await db.tenant('far').orders.insert({ id: 'o2', amount: 3 })
  await until(async () => {
    const read = db.tenant('far').orders.get('o2', { consistency: 'stale' })
    expect(await read).toEqual({ id: 'o2', amount: 3 })
    const [region] = single.status().regions
    expect(region?.imports).toMatchObject([{ from: SHARED, connected: true, lag: 0, error: null }])
  })
  await db.plans.upsert({ id: 'p', seats: 1 })
  await db.plans.update('p', { seats: increment(1) })
  expect(await db.plans.get('p', { consistency: 'strong' })).toEqual({ id: 'p', seats: 2 })
})
