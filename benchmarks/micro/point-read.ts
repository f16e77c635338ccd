/**
 * What a point read costs through the client, in process, at the tenant's home: `orders.get`
 * against the same statement on `@libsql/client`, over the same file, in turns within the same run.
 * Budget: p95 at most 1.3 times.
 *
 *   npx tsx benchmarks/micro/point-read.ts [reads of each, default 20,000]
 */
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { createClient } from '@libsql/client'
import { selectByKeys } from '../../src/sql/select.ts'
import { testMeridian } from '../../src/testing/index.ts'
import { orderId, orderRows, percentile, printQuantiles, schema } from './point-reads-shared.ts'

const READS = Number(process.argv[2] ?? 20_000)
const WARM_UP = 2_000
const BUDGET_RATIO = 1.3

const meridian = await testMeridian({ schema })
const db = await meridian.connect('us-east')
await db.tenants.create({ id: 'acme', home: 'us-east' })
const { orders } = db.tenant('acme')
await orders.insertMany(orderRows)
await meridian.settle()

const compiled = meridian.deployment.compiled.tableByName.get('orders')
if (compiled === undefined) throw new Error('no orders')
const raw = createClient({ url: `file:${join(meridian.directory, 'us-east', 'store.db')}` })

const clientMs: number[] = []
const rawMs: number[] = []
for (let i = 0; i < WARM_UP + READS; i++) {
  const id = orderId(i)
  const { sql, args } = selectByKeys(compiled, 'acme', [[id]], Date.now())
  const startMs = performance.now()
  const { rows } = await raw.execute({ sql, args: [...args] })
  const betweenMs = performance.now()
  const row = await orders.get(id)
  const endMs = performance.now()
  if (row?.id !== id || rows.length !== 1) throw new Error(`no ${id}`)
  if (i < WARM_UP) continue
  rawMs.push(betweenMs - startMs)
  clientMs.push(endMs - betweenMs)
}
raw.close()
await meridian.close()

printQuantiles({ client: clientMs, '@libsql/client': rawMs })
const ratio = percentile(clientMs, 0.95) / percentile(rawMs, 0.95)
const verdict = ratio <= BUDGET_RATIO ? 'within' : 'over'
console.log(`ratio at p95 ${ratio.toFixed(2)}: ${verdict} the budget of ${BUDGET_RATIO}`)
