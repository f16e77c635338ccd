/** Three regions in this process, on files that end with the test. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testMeridian } from 'meridian/testing'
import { addToCart, placeOrder } from '../src/orders.ts'
import { schema } from '../src/schema.ts'

const seed = {
  global: { plans: [{ id: 'pro', priceCents: 2000 }] },
  tenants: { acme: { home: 'eu-west' } },
} as const
const order = { id: 'o1', day: '2026-01-01', email: 'ada@example.org', plan: 'pro' }

test('an order is in the revenue that its session reads', async () => {
  await using meridian = await testMeridian({ schema })
  await meridian.seed(seed)
  const db = await meridian.connect('us-east')

  await placeOrder(db, 'acme', order)

  const found = await db.tenant('acme').orders.list({ where: { email: order.email } })
  assert.deepEqual(
    found.rows.map((row) => row.amountCents),
    [2000],
  )
  assert.deepEqual(await db.tenant('acme').view('revenue').get({ day: order.day }), {
    day: order.day,
    totalCents: 2000,
    orders: 1,
  })
})

test('carts that two regions fill while cut off from each other merge', async () => {
  await using meridian = await testMeridian({ schema })
  await meridian.seed(seed)
  const us = await meridian.connect('us-east')
  const eu = await meridian.connect('eu-west')
  await addToCart(us, 'acme', 'c1', 1)
  await meridian.settle()

  meridian.partition('us-east', 'eu-west')
  await addToCart(us, 'acme', 'c1', 2)
  await addToCart(eu, 'acme', 'c1', 3)
  meridian.heal()
  await meridian.settle()

  const cart = await us.tenant('acme').carts.get('c1')
  assert.equal(cart?.quantity, 6)
})
