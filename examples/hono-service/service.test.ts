/** The service under test: a deployment of three regions that starts in a fraction of a second. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Hono } from 'hono'
import { testMeridian, type TestMeridian } from 'meridian/testing'
import { schema, type Schema } from './schema.ts'
import { createService } from './service.ts'

const booking = { room: '12', day: '2026-07-01', guest: 'Ada', cents: 12_000 }

let meridian: TestMeridian<Schema>
let europe: Hono
let america: Hono

before(async () => {
  meridian = await testMeridian({ schema })
  await meridian.seed({ tenants: { seaside: { home: 'eu-west' } } })
  europe = createService(await meridian.connect('eu-west'))
  america = createService(await meridian.connect('us-east'))
})

after(() => meridian.close())

async function book(service: Hono, more: object, key: string): Promise<Response> {
  return service.request('/hotels/seaside/bookings', {
    method: 'POST',
    headers: { 'idempotency-key': key },
    body: JSON.stringify({ ...booking, ...more }),
  })
}

test('a room is booked once, wherever its guests are', async () => {
  const answers = await Promise.all([
    book(europe, { guest: 'Ada' }, 'ada'),
    book(america, { guest: 'Grace' }, 'grace'),
  ])
  const statuses = answers.map(({ status }) => status)
  assert.deepEqual(
    statuses.toSorted((a, b) => a - b),
    [201, 409],
  )
})

test('a booking that is repeated under its key is the same booking', async () => {
  const first = await book(america, { room: '14' }, 'once')
  const second = await book(america, { room: '14' }, 'once')
  assert.deepEqual([first.status, second.status], [201, 201])
  const rows = await europe.request('/hotels/seaside/bookings/2026-07-01')
  const rooms = ((await rows.json()) as { room: string }[]).map(({ room }) => room)
  assert.deepEqual(rooms, ['12', '14'])
})

test('visits are counted in every region', async () => {
  for (const service of [europe, europe]) {
    await service.request('/hotels/seaside/visits/home', { method: 'POST' })
  }
  await meridian.settle()
  const answer = await america.request('/hotels/seaside/visits/home', { method: 'POST' })
  assert.deepEqual(await answer.json(), { page: 'home', views: 3 })
})

test('an error is told with its code', async () => {
  const answer = await europe.request('/hotels/nowhere/bookings/2026-07-01')
  assert.equal(answer.status, 404)
  assert.equal(((await answer.json()) as { code: string }).code, 'TENANT_NOT_FOUND')
})
