/** A deployment of one region whose rows are on a libSQL server: everything works, and lasts. */
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import {
  connect,
  counter,
  defineSchema,
  increment,
  integer,
  isErrorCode,
  table,
  text,
  type Database,
} from '../../../src/client/index.ts'
import { defaultConfig, type Config } from '../../../src/config/parse-config.ts'
import { openEmbedded, type EmbeddedDeployment } from '../../../src/node/embedded.ts'
import { openStoreServer } from '../../../src/node/store-server.ts'
import { failureOf } from '../../conformance/support/failure.ts'
import { emptyServer } from '../../conformance/support/store-servers.ts'
import { tempFolder } from '../../conformance/support/temp-folder.ts'
import { freePorts } from '../../support/free-ports.ts'
import { startStoreServer } from '../../support/store-server-process.ts'

const REGION = 'eu-west'

const schema = defineSchema({
  tables: {
    orders: table(
      { id: text().primaryKey(), day: text(), amount: integer(), secret: text().encrypted() },
      { consistency: 'pinned', indexes: [['day']] },
    ),
    plans: table(
      { id: text().primaryKey(), price: integer() },
      { consistency: 'strong', scope: 'global' },
    ),
    carts: table({ id: text().primaryKey(), pieces: counter() }, { consistency: 'eventual' }),
  },
  views: (v) => ({
    days: v('orders')
      .groupBy('day')
      .select((a) => ({ orders: a.count(), amount: a.sum('amount') })),
  }),
})

type Db = Database<typeof schema>

/** The deployment, open until the test ends or it is closed. */
async function open(
  url: string,
  directory: string,
  token?: Config['stores'][string]['token'],
): Promise<{ readonly deployment: EmbeddedDeployment; readonly db: Db }> {
  const config = {
    ...defaultConfig([REGION]),
    stores: { [REGION]: { url, ...(token === undefined ? {} : { token }) } },
  }
  const deployment = await openEmbedded({ schema, config, directory, onNotice: () => undefined })
  onTestFinished(() => deployment.close())
  return { deployment, db: await connect({ deployment, schema, region: REGION }) }
}

async function fill(db: Db): Promise<void> {
  await db.tenants.create({ id: 'acme', home: REGION })
  const acme = db.tenant('acme')
  const orders = Array.from({ length: 30 }, (_, i) => ({
    id: `o${i}`,
    day: i % 2 === 0 ? 'mon' : 'tue',
    amount: i,
    secret: `secret ${i}`,
  }))
  await acme.orders.insertMany(orders)
  await acme.transaction('pinned', async (tx) => {
    const order = await tx.orders.get('o1')
    tx.orders.update('o1', { amount: (order?.amount ?? 0) + 100 })
  })
  await acme.orders.delete('o2')
  await acme.carts.insert({ id: 'c' })
  await acme.carts.update('c', { pieces: increment(3) })
  await db.plans.insert({ id: 'p', price: 7 })
}

async function expectAll(deployment: EmbeddedDeployment, db: Db): Promise<void> {
  await deployment.settle()
  const acme = db.tenant('acme')
  const { rows } = await acme.orders.list({ where: { day: 'tue' }, orderBy: { amount: 'desc' } })
  expect(rows.map((row) => row.amount)).toEqual([
    101,
    ...Array.from({ length: 14 }, (_, i) => 29 - 2 * i),
  ])
  expect(await acme.orders.get('o1')).toMatchObject({ amount: 101, secret: 'secret 1' })
  expect(await acme.view('days').list()).toEqual([
    { day: 'mon', orders: 14, amount: 208 },
    { day: 'tue', orders: 15, amount: 325 },
  ])
  expect(await acme.carts.get('c')).toMatchObject({ pieces: 3 })
  expect(await db.plans.get('p')).toMatchObject({ price: 7 })
  const mine = await acme.query((q) =>
    q.selectFrom('orders').where('id', '=', 'o3').select(['id', 'secret as hidden', 'amount']),
  )
  expect(mine).toEqual([{ id: 'o3', hidden: 'secret 3', amount: 3 }])
}

for (const protocol of ['http', 'ws'] as const) {
  test(
    `every mode, views and SQL work over ${protocol}, and after a restart`,
    { timeout: 180_000 },
    async () => {
      const { url } = await emptyServer(protocol)
      const directory = tempFolder()
      const first = await open(url, directory)
      await fill(first.db)
      await expectAll(first.deployment, first.db)
      await first.deployment.close()
      const second = await open(url, directory)
      await expectAll(second.deployment, second.db)
    },
  )
}

test('the token of a server comes from where the configuration says', async () => {
  const server = await openStoreServer({ file: join(tempFolder(), 'store.db'), token: 'right' })
  onTestFinished(() => server.close())
  process.env['MERIDIAN_TEST_STORE_TOKEN'] = 'right'
  onTestFinished(() => {
    delete process.env['MERIDIAN_TEST_STORE_TOKEN']
  })
  const wrong = await failureOf(open(server.url, tempFolder()))
  expect(wrong).toMatchObject({ code: 'UNAUTHENTICATED' })
  const { db } = await open(server.url, tempFolder(), { env: 'MERIDIAN_TEST_STORE_TOKEN' })
  await db.plans.insert({ id: 'p', price: 7 })
  expect(await db.plans.get('p')).toMatchObject({ price: 7 })
})

test(
  'a deployment outlives a server that was killed: views and writes go on by themselves',
  { timeout: 180_000 },
  async () => {
    const file = join(tempFolder(), 'store.db')
    const [port = 0] = await freePorts(1)
    const first = await startStoreServer(file, port)
    const { deployment, db } = await open(`ws://127.0.0.1:${port}`, tempFolder())
    await fill(db)
    first.kill('SIGKILL')
    await first.ended
    const acme = db.tenant('acme')
    const order = { day: 'mon', amount: 1, secret: 'x' }
    const error = await failureOf(acme.orders.insert({ id: 'while-down', ...order }))
    expect(isErrorCode(error, 'STORE_UNAVAILABLE', 'DEADLINE_EXCEEDED')).toBe(true)
    await startStoreServer(file, port)
    await expect
      .poll(() => acme.orders.upsert({ id: 'while-down', ...order }).then(() => 'stored', String), {
        timeout: 30_000,
      })
      .toBe('stored')
    await acme.orders.delete('while-down')
    await expectAll(deployment, db)
  },
)
