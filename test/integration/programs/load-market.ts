/** Program: loads orders, carts and plans into a folder, and says what was acknowledged. */
import { connect } from '../../../src/client/index.ts'
import { openEmbedded } from '../../../src/node/embedded.ts'
import { market, US } from '../../support/market.ts'

const [directory = '', count = '0'] = process.argv.slice(2)
const deployment = await openEmbedded({
  schema: market,
  directory,
  delayScale: 0,
  writer: 'inline',
  onNotice: () => undefined,
})
const db = await connect({ schema: market, region: US, deployment })
if ((await db.tenants.get('acme')) === undefined) await db.tenants.create({ id: 'acme', home: US })
const acme = db.tenant('acme')
console.log('loading')
for (let i = 0; i < Number(count); i++) {
  // Repeated by the next run of this program: the key keeps a row from being written twice.
  const options = { idempotencyKey: `load-${i}` }
  const row = { id: `r${String(i).padStart(4, '0')}`, label: 'loaded', amount: 1 }
  await Promise.all([
    acme.orders.insert(row, { idempotencyKey: `order-${i}` }),
    acme.carts.insert({ ...row, quantity: 1 }, { idempotencyKey: `cart-${i}` }),
    db.plans.insert(row, options),
  ])
  console.log(row.id)
}
await db.close()
await deployment.close()
console.log('closed')
