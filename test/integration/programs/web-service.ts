/** Program: a service as a browser or a worker runs it, bundled into one file by its tests. */
import {
  add,
  connect,
  defineSchema,
  httpDeployment,
  increment,
  integer,
  isErrorCode,
  set,
  table,
  text,
  type HttpDeploymentOptions,
  type KeyContext,
  type KeyWrapper,
} from '../../../src/client/http/index.ts'

export const schema = defineSchema({
  tables: {
    orders: table(
      { id: text().primaryKey(), email: text().encrypted({ lookup: 'exact' }), cents: integer() },
      { consistency: 'pinned' },
    ),
    carts: table({ id: text().primaryKey(), tags: set() }, { consistency: 'eventual' }),
    plans: table(
      { id: text().primaryKey(), price: integer() },
      { consistency: 'strong', scope: 'global' },
    ),
  },
})

/** A key wrapper on WebCrypto, as a service without a key manager would have it. */
async function createKeyWrapper(regions: readonly string[]): Promise<KeyWrapper> {
  const usages: KeyUsage[] = ['encrypt', 'decrypt']
  const algorithm = { name: 'AES-GCM', length: 256 }
  const kek = await crypto.subtle.generateKey(algorithm, false, usages)
  const parameters = (iv: Uint8Array<ArrayBuffer>, context: KeyContext): AesGcmParams => ({
    name: 'AES-GCM',
    iv,
    additionalData: new TextEncoder().encode(JSON.stringify(context)),
  })
  return {
    regions: async () => regions,
    async wrap(key, context) {
      const iv = crypto.getRandomValues(new Uint8Array(12))
      const sealed = await crypto.subtle.encrypt(parameters(iv, context), kek, new Uint8Array(key))
      return Uint8Array.of(...iv, ...new Uint8Array(sealed))
    },
    async unwrap(wrapped, context) {
      const [iv, sealed] = [wrapped.slice(0, 12), wrapped.slice(12)]
      return new Uint8Array(await crypto.subtle.decrypt(parameters(iv, context), kek, sealed))
    },
  }
}

/** Uses every part of the client, and tells what it saw. */
export async function serve(options: HttpDeploymentOptions): Promise<string> {
  const keyWrapper = await createKeyWrapper(Object.keys(options.nodes))
  const deployment = httpDeployment({ ...options, keyWrapper })
  const [home = '', elsewhere = ''] = Object.keys(options.nodes)
  const near = await connect({ schema, region: home, deployment })
  const far = await connect({ schema, region: elsewhere, deployment })
  await near.tenants.create({ id: 'acme', home })
  const [orders, carts] = [near.tenant('acme').orders, near.tenant('acme').carts]
  await orders.insert({ id: 'o1', email: 'ada@example.org', cents: 900 })
  await far.tenant('acme').orders.update('o1', { cents: increment(100) })
  await carts.insert({ id: 'c1', tags: ['new'] })
  await carts.update('c1', { tags: add('gift') })
  await near.tenant('acme').transaction('pinned', async (tx) => {
    const order = await tx.orders.get('o1')
    tx.orders.insert({ id: 'o2', email: 'bob@example.org', cents: (order?.cents ?? 0) * 2 })
  })
  await near.plans.insert({ id: 'pro', price: 5 })
  const query = await near.tenant('acme').query((q) =>
    q
      .with('large', (db) => db.selectFrom('orders').selectAll().where('cents', '>', 1500))
      .selectFrom('large')
      .select(['id', 'email']),
  )
  const found = await orders.list({ where: { email: 'ada@example.org' } })
  const session = await near.importSession(await near.session().export())
  const again = orders.insert({ id: 'o1', email: 'x', cents: 1 }, { session })
  const seen = {
    query,
    found: found.rows,
    tags: (await carts.get('c1'))?.tags,
    plan: await far.plans.get('pro', { consistency: 'strong' }),
    refused: await again.then(
      () => 'not refused',
      (error: unknown) => isErrorCode(error, 'ALREADY_EXISTS'),
    ),
  }
  await near.close()
  await far.close()
  return JSON.stringify(seen)
}
