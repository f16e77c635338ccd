/** Program: uses a deployment in every way, closes it, and must come to its own end. */
import { openMarket } from '../../support/market.ts'

const open = await openMarket({ delayScale: 0.05 })
const acme = open.eu.tenant('acme')
await acme.orders.insert({ id: 'o', label: 'x' })
await acme.carts.insert({ id: 'c', label: 'x' })
await open.ap.plans.insert({ id: 'p', label: 'x' })
await acme.residents.insert({ id: 'r', name: 'Ann', street: 's' })
await acme.view('totals').list()
await open.meridian.settle()
open.meridian.partition('us-east', 'eu-west')
// Calls that nobody waits for: under way when everything closes.
const abandoned = [
  acme.orders.insert({ id: 'late', label: 'x' }),
  open.us.plans.insert({ id: 'late', label: 'x' }),
  acme.carts.get('c', { consistency: { maxStalenessMs: 1 } }),
]
for (const call of abandoned) call.catch(() => undefined)
await open.meridian.close()
console.log('closed')
