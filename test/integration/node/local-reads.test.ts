/** Local strong reads between nodes that reach each other over HTTP and WebSockets alone. */
import { expect, it } from 'vitest'
import { defineSchema, integer, table, text, type Database } from '../../../src/client/index.ts'
import { STRONG_PATH } from '../../../src/core/wire-http.ts'
import type { StrongReport } from '../../../src/node/strong-report.ts'
import { clientOf, layCluster, page, REGIONS } from '../../support/node-cluster.ts'
import { until } from '../../support/until.ts'

const schema = defineSchema({
  tables: {
    flags: table(
      { id: text().primaryKey(), value: integer() },
      { consistency: 'strong', scope: 'global', reads: 'local' },
    ),
  },
})

async function requireLocal(db: Database<typeof schema>): Promise<void> {
  const { receipt } = await db.flags.get('none', { consistency: 'strong' }).withReceipt()
  expect(receipt.crossRegionRoundTrips).toBe(0)
}

it('nodes tell each other of leases, and say how they stand', async () => {
  // A lease of a minute: a write that did not hear from a region would not end in this test.
  const sections = { commitLog: { leader: REGIONS[0], leaseDurationMs: 60_000 } }
  const cluster = await layCluster({ schema, sections })
  const [, , ap] = await cluster.startAll()
  const dbs = await Promise.all(REGIONS.map((region) => clientOf(cluster, schema, region)))
  const [eu, us] = dbs as [Database<typeof schema>, Database<typeof schema>]
  await until(() => Promise.all(dbs.map(requireLocal)).then(() => undefined))

  await us.flags.insert({ id: 'a', value: 1 })
  await eu.flags.update('a', { value: 2 })
  for (const db of dbs) {
    expect(await db.flags.get('a', { consistency: 'strong' })).toEqual({ id: 'a', value: 2 })
  }

  const { text: body } = await page(cluster.url('us-east'), STRONG_PATH)
  const [report] = (JSON.parse(body) as StrongReport).regions
  const leases = report?.leases
  expect(leases?.remainingMs).toBeGreaterThan(0)
  expect(leases?.stableIndex).toBe(leases?.applied)
  expect(leases?.holders.map(({ region, isHeld }) => [region, isHeld])).toEqual(
    REGIONS.toSorted().map((region) => [region, true]),
  )

  await ap?.close()
  await us.flags.update('a', { value: 3 })
  expect(await eu.flags.get('a', { consistency: 'strong' })).toEqual({ id: 'a', value: 3 })
})
