/**
 * Program: loads batches into tables of each mode and prints each that was acknowledged. Started
 * again in the same directory, it sends the same batches under the same idempotency keys.
 */
import { connect, increment, isErrorCode } from '../../../src/client/index.ts'
import { openEmbedded } from '../../../src/node/embedded.ts'
import { BATCHES, HOME, rowsOf, schema, TENANT } from './loader-schema.ts'

const AT_ONCE = 4

const [directory = ''] = process.argv.slice(2)
const deployment = await openEmbedded({ schema, directory, delayScale: 0.02 })
const db = await connect({ schema, region: HOME, deployment })

await unlessThere(() => db.tenants.create({ id: TENANT, home: HOME }))
const acme = db.tenant(TENANT)
await unlessThere(() => db.totals.insert({ id: 'all', batches: 0 }, { idempotencyKey: 'totals' }))
await unlessThere(() => acme.sums.insert({ id: 'all', batches: 0 }, { idempotencyKey: 'sums' }))
process.stdout.write('ready\n')

let next = 0
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    while (next < BATCHES) await loadBatch(next++)
  }),
)
await deployment.settle()
await db.close()
await deployment.close()
process.stdout.write('done\n')

async function loadBatch(batch: number): Promise<void> {
  const rows = rowsOf(batch)
  const key = (mode: string): { idempotencyKey: string } => ({
    idempotencyKey: `${mode}-${batch}`,
  })
  const bare = rows.map(({ id }) => ({ id, batch }))
  await acme.transaction(
    'pinned',
    (tx) => {
      tx.orders.insertMany(rows)
      tx.sums.update('all', { batches: increment(1) })
    },
    key('pinned'),
  )
  process.stdout.write(`pinned ${batch}\n`)
  await db.transaction(
    'strong',
    (tx) => {
      tx.plans.insertMany(bare)
      tx.totals.update('all', { batches: increment(1) })
    },
    key('strong'),
  )
  process.stdout.write(`strong ${batch}\n`)
  await acme.visits.insertMany(
    bare.map((row) => ({ ...row, times: 1 })),
    key('eventual'),
  )
  process.stdout.write(`eventual ${batch}\n`)
}

async function unlessThere(call: () => Promise<unknown>): Promise<void> {
  try {
    await call()
  } catch (error) {
    if (!isErrorCode(error, 'TENANT_EXISTS')) throw error
  }
}
