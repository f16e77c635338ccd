/** A group with local reads that the log has left behind: its leases are part of what seeds it. */
import { afterEach, expect, it } from 'vitest'
import { createOutboxFeed } from '../../../../../cdc/capture/outbox-feed.ts'
import { createSnapshotServer } from '../../../../../replication/strong/snapshot-server.ts'
import { LEASE_TABLE } from '../../../../../replication/strong/snapshot-tables.ts'
import { systemRuntime as runtime } from '../../../../../src/drivers/runtime/system-runtime.ts'
import { createInProcessNetwork } from '../../../../../src/drivers/transport/in-process-network.ts'
import { LAST_UNSTABLE_SEQ } from '../../../../../src/schema/system-tables.ts'
import { LocalRegion, MemoryMesh, schema } from '../../../../support/local-reads.ts'
import { MemoryCommitLog } from '../../../../support/memory-commit-log.ts'
import { until } from '../../../../support/until.ts'

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

async function leases({ store }: LocalRegion): Promise<unknown> {
  const sql = 'SELECT * FROM _leases ORDER BY region, database_id'
  const [result] = await store.read([{ sql, args: [] }])
  return result?.rows
}

it('has the lease table of its peer, a life of its own, and emits what was repaired', async () => {
  const log = new MemoryCommitLog()
  const mesh = new MemoryMesh(runtime, () => 1)
  const network = createInProcessNetwork({ oneWayDelayMs: () => 0, timers: runtime.timers })
  const shared = { log, mesh, runtime, settings: { durationMs: 60_000 } }
  const us = await LocalRegion.open({ region: 'us', ...shared })
  ends.push(() => us.engine.close())
  const before = await LocalRegion.open({ region: 'ap', ...shared })
  await until(async () => expect(await before.readLocally('a')).toBeDefined())
  await us.write('a', 1)
  await us.write('gone', 1)
  await before.engine.close()

  // What ap misses; and the log does not go back so far.
  await us.write('a', 2)
  await us.write('b', 3)
  await log.trim('local', us.engine.applied())
  const source = 'us.1'
  const feed = createOutboxFeed({ store: us.store, schema, source, outbox: '_unstable_outbox' })
  const changes = { feed, last: LAST_UNSTABLE_SEQ, whole: LEASE_TABLE, onPosition: () => undefined }
  const groups = [us.engine.offer(() => changes)]
  const server = createSnapshotServer({ source, regions: ['ap'], groups, runtime })
  ends.push(() => server.stop())
  ends.push(
    network.listen('us', {
      onRequest: () => Promise.reject(new Error('no requests')),
      onChannel: (channel, _service, caller) => server.accept(channel, caller),
    }),
  )
  const told: unknown[] = []
  const seeding = {
    region: 'ap',
    peers: ['us'],
    transport: network.transport('ap'),
    onProgress: (group: string, progress: object | null) => told.push([group, progress === null]),
  }
  const ap = await LocalRegion.open({ region: 'ap', ...shared, store: before.store, seeding })
  ends.push(() => ap.engine.close())

  await until(async () => expect(await ap.readLocally('a')).toEqual({ value: 2 }))
  expect(await ap.readLocally('b')).toEqual({ value: 3 })
  await until(async () => expect(await leases(ap)).toEqual(await leases(us)))
  expect(ap.failures).toEqual([])
  expect(told).toContainEqual(['local', true])
  // Both regions keep to it: us waits for ap, whose lease was taken since.
  await us.write('a', 4)
  expect(await ap.readLocally('a')).toEqual({ value: 4 })
  await until(async () => {
    const keys = (await ap.emitted()).map((row) => JSON.stringify(row))
    expect(keys).toEqual(['["a",1]', '["gone",1]', '["a",2]', '["b",3]', '["a",4]'])
  })
})
