import { expect, test } from 'vitest'
import { systemRuntime } from '../../../../../src/drivers/runtime/system-runtime.ts'
import { takeLease, type StoreLease } from '../../../../../src/drivers/store/remote/store-lease.ts'
import { failureOf } from '../../../../conformance/support/failure.ts'
import { EngineBatches } from '../../../../support/engine-batches.ts'

const LEASE_MS = 300

const take = (connection: EngineBatches, owner: string, leaseMs = LEASE_MS): Promise<StoreLease> =>
  takeLease({
    connection,
    url: 'http://store',
    timers: systemRuntime.timers,
    owner,
    leaseMs,
    applicationId: 0,
    format: 0,
  })

test('a second node is refused while the first one shows that it lives', async () => {
  const server = new EngineBatches()
  const lease = await take(server, 'first', 60_000)
  // Every look of the second one finds the first one alive for longer.
  let renewals = 0
  server.onBatch = () => {
    server.db.prepare('UPDATE _store SET alive_until_ms = alive_until_ms + 1').run([])
    renewals++
  }
  const error = await failureOf(take(server, 'second'))
  expect(error).toMatchObject({ code: 'STORE_LOCKED', retry: 'safe', details: { owner: 'first' } })
  expect(String(error)).toContain('first')
  expect(renewals).toBeGreaterThan(1)
  expect((await server.batch([lease.check]))[0]).toMatchObject({ ok: true })
})

test('the lease of a node that says nothing runs out, and its checks fail from then on', async () => {
  const server = new EngineBatches()
  const first = await take(server, 'first')
  const second = await take(server, 'second')
  expect((await server.batch([first.check]))[0]).toMatchObject({ ok: false })
  expect((await server.batch([second.check]))[0]).toMatchObject({ ok: true })
})

test('a lease that was given back is taken at once', async () => {
  const server = new EngineBatches()
  const first = await take(server, 'first', 60_000)
  await first.release()
  server.sent.length = 0
  await take(server, 'second', 60_000)
  expect(server.sent).toHaveLength(1)
})

test('a doubt is settled once, also when the answer to that is lost', async () => {
  const server = new EngineBatches()
  const lease = await take(server, 'first', 60_000)
  const before = lease.check
  lease.doubt()
  server.onAnswer = () => {
    throw new Error('lost')
  }
  await failureOf(lease.settle())
  server.onAnswer = () => undefined
  await lease.settle()
  const sent = server.sent.length
  await lease.settle()
  expect(server.sent).toHaveLength(sent)
  expect((await server.batch([lease.check]))[0]).toMatchObject({ ok: true })
  expect((await server.batch([before]))[0]).toMatchObject({ ok: false })
})

test('a doubt of a node that lost the store cannot be settled', async () => {
  const server = new EngineBatches()
  const first = await take(server, 'first')
  await take(server, 'second')
  first.doubt()
  expect(await failureOf(first.settle())).toMatchObject({ code: 'STORE_LOCKED' })
})
