/** A holder that is cut off from the store, and not from etcd (L15 of docs/spec/leadership.md). */
import { describe, expect, test } from 'vitest'
import { increment } from '../../../src/client/index.ts'
import { schema } from '../../support/node-schema.ts'
import { layRegionNodes, SHARED } from '../../support/region-nodes.ts'
import { openGate } from '../../support/tcp-gate.ts'
import { until } from '../../support/until.ts'

describe('a holder that does not reach the store any more', () => {
  test(
    'gives the region up, and a node that does reach it serves',
    { timeout: 300_000 },
    async () => {
      const layout = await layRegionNodes(schema)
      const { url = '' } = layout.config.stores[SHARED] ?? {}
      const way = await openGate(Number(new URL(url).port))
      const stores = { [SHARED]: { url: `http://127.0.0.1:${way.port}` } }
      const single = await layout.start('single')
      const a = await layout.start('a', { config: { ...layout.config, stores } })
      await until(() => expect(a.status().shared).toMatchObject([{ state: 'leading' }]))
      const b = await layout.start('b')
      await Promise.all([single, a, b].map((node) => node.ready()))
      const db = await layout.client(['a', 'b'])
      await db.tenants.create({ id: 'acme', home: SHARED })
      await db.tenant('acme').visits.insert({ id: 'v' })
      way.stall()
      const called = db
        .tenant('acme')
        .visits.update('v', { times: increment(1) }, { deadlineMs: 60_000 })
        .catch(() => undefined)
      await until(() => expect(b.status().shared).toMatchObject([{ state: 'leading' }]), 120_000)
      await called
      const acme = db.tenant('acme').visits
      await until(async () => {
        await acme.upsert({ id: 'after', times: 1 })
      }, 120_000)
      expect(await acme.get('after')).toEqual({ id: 'after', times: 1 })
      // Whatever became of the call whose way broke, it happened once at most.
      expect((await acme.get('v'))?.times).toBeLessThanOrEqual(1)
      way.open()
    },
  )
})
