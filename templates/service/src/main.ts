/** Runs {{name}} once, on three regions in this process. A deployment of nodes: see README.md. */
import { connect } from 'meridian'
import { openEmbedded } from 'meridian/embedded'
import { placeOrder } from './orders.ts'
import { schema } from './schema.ts'

await using deployment = await openEmbedded({
  schema,
  config: 'meridian.yaml',
  lockFile: 'meridian.lock.json',
})
await using db = await connect({ schema, region: 'eu-west', deployment })

if ((await db.tenants.get('acme')) === undefined) {
  await db.tenants.create({ id: 'acme', home: 'eu-west' })
}
await db.plans.upsert({ id: 'pro', priceCents: 2000 })
const day = new Date().toISOString().slice(0, 10)
await placeOrder(db, 'acme', {
  id: crypto.randomUUID(),
  day,
  email: 'ada@example.org',
  plan: 'pro',
})

// A view follows the writes of its session; the receipt says who answered, and how fresh it is.
const { value, receipt } = await db.tenant('acme').view('revenue').list().withReceipt()
console.log('Revenue:', value)
console.log('Receipt:', receipt)
