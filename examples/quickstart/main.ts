/**
 * Ten minutes of Meridian: three tables, three consistency modes, three regions in this process.
 * Run it with `npx tsx examples/quickstart/main.ts`, or against the build as CI does.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  add,
  appendText,
  collaborativeText,
  connect,
  counter,
  defineSchema,
  increment,
  integer,
  set,
  table,
  text,
  timestamp,
} from 'meridian'
import { openEmbedded } from 'meridian/embedded'

const schema = defineSchema({
  tables: {
    // One order of all writes, everywhere the same.
    plans: table(
      { id: text().primaryKey(), priceCents: integer() },
      { consistency: 'strong', scope: 'global' },
    ),
    // Each tenant's rows are written in its home region; other regions hold copies.
    orders: table(
      {
        id: text().primaryKey(),
        day: text(),
        email: text().encrypted({ lookup: 'exact' }),
        amountCents: integer(),
        expiresAt: timestamp().optional(),
      },
      { consistency: 'pinned', ttl: 'expiresAt' },
    ),
    // Every region writes at once; concurrent changes merge.
    carts: table(
      { id: text().primaryKey(), quantity: counter(), tags: set(), notes: collaborativeText() },
      { consistency: 'eventual' },
    ),
  },
  views: (v) => ({
    revenue: v('orders')
      .groupBy('day')
      .select((a) => ({ total: a.sum('amountCents'), orders: a.count() })),
  }),
})

const directory = await mkdtemp(join(tmpdir(), 'meridian-quickstart-'))
{
  await using deployment = await openEmbedded({ schema, directory, delayScale: 0.1 })
  await using europe = await connect({ schema, region: 'eu-west', deployment })
  await using america = await connect({ schema, region: 'us-east', deployment })

  await europe.tenants.create({ id: 'acme', home: 'eu-west' })
  const acme = europe.tenant('acme')

  // Pinned: one durable write at home; one round trip from anywhere else.
  await acme.orders.insert({
    id: 'o1',
    day: '2026-01-01',
    email: 'ada@example.org',
    amountCents: 900,
  })
  await america.tenant('acme').orders.insert({
    id: 'o2',
    day: '2026-01-01',
    email: 'grace@example.org',
    amountCents: 600,
  })

  // The stores hold ciphertext; the client finds and decrypts it.
  const { rows } = await acme.orders.list({ where: { email: 'ada@example.org' } })
  console.log('found by an encrypted column:', rows[0]?.id)

  // Optimistic transactions: nothing is locked, and the function runs again on a conflict.
  await acme.transaction('pinned', async (tx) => {
    const order = await tx.orders.get('o1')
    if (order !== undefined) tx.orders.update('o1', { amountCents: order.amountCents + 100 })
  })

  // Views are kept current from the change log; a read waits for what its session has seen.
  console.log('revenue:', await acme.view('revenue').list())

  // Read-only SQL, typed from the schema.
  const large = await acme.query((q) =>
    q.selectFrom('orders').where('amountCents', '>', 700).select(['id', 'amountCents']),
  )
  console.log('large orders:', large)

  // Strong: strictly serializable over all regions; counters do not conflict.
  await europe.plans.insert({ id: 'pro', priceCents: 2000 })
  await america.plans.update('pro', { priceCents: increment(500) })
  const plan = await europe.plans.get('pro', { consistency: 'strong' }).withReceipt()
  console.log('plan:', plan.value, 'after', plan.receipt.crossRegionRoundTrips, 'round trips')

  // Eventual: both regions write without asking each other.
  await acme.carts.insert({ id: 'c1', quantity: 0, tags: [], notes: '' })
  await deployment.settle()
  await Promise.all([
    acme.carts.update('c1', { quantity: increment(2), tags: add('gift') }),
    america.tenant('acme').carts.update('c1', { quantity: increment(1), notes: appendText('hi') }),
  ])
  await deployment.settle()
  console.log('cart in Europe: ', await acme.carts.get('c1'))
  console.log('cart in America:', await america.tenant('acme').carts.get('c1'))
}
await rm(directory, { recursive: true, force: true })
