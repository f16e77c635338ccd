/** A consumer of a table's topic on a real broker tells when the record of a row arrived. */
import { expect, onTestFinished, test } from 'vitest'
import { openTableWatcher, type TableWatcher } from '../../../benchmarks/cells/table-watcher.ts'
import { engines } from '../../support/engines.ts'
import { order, PublishedStore } from '../topics/support.ts'

const WAIT_MS = 120_000

const recordKey = (id: string): string => JSON.stringify(['acme', id])

/** A store whose orders are published, and a watcher of their topic. */
async function watchOrders(): Promise<{ store: PublishedStore; watcher: TableWatcher }> {
  const { broker } = engines().kafka
  const store = await PublishedStore.open(broker)
  // The topic is there once something was published.
  await store.write(order('before', 1))
  await store.start()
  await store.published()
  let primed = 0
  const watcher = await openTableWatcher({
    broker,
    topicEnd: `${store.name}.eu.orders`,
    signal: new AbortController().signal,
    prime: async () => {
      const id = `prime-${++primed}`
      await store.write(order(id, 1))
      return recordKey(id)
    },
  })
  onTestFinished(() => watcher.close())
  return { store, watcher }
}

test('each record is told to whoever waits for it, after its row was written', async () => {
  const { store, watcher } = await watchOrders()
  const ids = ['one', 'two', 'three']
  const expected = ids.map((id) => watcher.expect(recordKey(id), WAIT_MS))
  const writtenAtMs = performance.now()
  await store.write(...ids.map((id) => order(id, 5)))
  for (const { atMs } of expected) expect(await atMs).toBeGreaterThan(writtenAtMs)
})

test('a record that does not come is given up in time', async () => {
  const { watcher } = await watchOrders()
  const never = watcher.expect(recordKey('never'), 1)
  await expect(never.atMs).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
})

test('a table that is not published is named', async () => {
  const opening = openTableWatcher({
    broker: engines().kafka.broker,
    topicEnd: '.nowhere.orders',
    signal: new AbortController().signal,
    prime: () => Promise.reject(new Error('not asked for')),
  })
  await expect(opening).rejects.toMatchObject({
    code: 'LOG_UNAVAILABLE',
    message: expect.stringMatching(/\.nowhere\.orders/),
  })
})
