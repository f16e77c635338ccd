/** What {{name}} does with orders. It takes a connection, so that tests can give it theirs. */
import { increment, type Database } from 'meridian'
import { asGift, type schema } from './schema.ts'

export type Db = Database<typeof schema>

/** Places an order for what is in a cart, at the price that holds in every region now. */
export async function placeOrder(
  db: Db,
  tenant: string,
  order: {
    readonly id: string
    readonly day: string
    readonly email: string
    readonly plan: string
  },
): Promise<number> {
  const plan = await db.plans.get(order.plan, { consistency: 'strong' })
  if (plan === undefined) throw new Error(`There is no plan ${order.plan}.`)
  const { id, day, email } = order
  await db.tenant(tenant).orders.insert({ id, day, email, amountCents: plan.priceCents })
  return plan.priceCents
}

/** Adds to a cart; two regions may do so at once. */
export async function addToCart(
  db: Db,
  tenant: string,
  cart: string,
  count: number,
): Promise<void> {
  const { carts } = db.tenant(tenant)
  if ((await carts.get(cart)) === undefined) {
    await carts.upsert({ id: cart, quantity: 0, tags: [] })
  }
  await carts.update(cart, { quantity: increment(count), ...asGift })
}
