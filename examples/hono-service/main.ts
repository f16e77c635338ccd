/**
 * The service as it runs: a client in its region, a server on a port. Everything is in this process
 * here; with nodes as processes `openEmbedded` becomes `httpDeployment`, and nothing else changes.
 */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { serve } from '@hono/node-server'
import { connect } from 'meridian'
import { openEmbedded } from 'meridian/embedded'
import { schema } from './schema.ts'
import { createService } from './service.ts'

const directory = await mkdtemp(join(tmpdir(), 'meridian-hono-'))
{
  await using deployment = await openEmbedded({ schema, directory, delayScale: 0.1 })
  await using db = await connect({ schema, region: 'eu-west', deployment })
  await db.tenants.create({ id: 'seaside', home: 'eu-west' })

  const server = serve({ fetch: createService(db).fetch, hostname: '127.0.0.1', port: 0 })
  if (!server.listening) await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hotels/seaside`

  const post = (path: string, body: object): Promise<Response> =>
    fetch(url + path, { method: 'POST', body: JSON.stringify(body) })
  const booking = { room: '12', day: '2026-07-01', guest: 'Ada', cents: 12_000 }
  console.log('booked:', (await post('/bookings', booking)).status)
  const again = await post('/bookings', { ...booking, guest: 'Grace' })
  console.log('booked by another guest:', again.status, (await again.json()) as object)
  console.log('that day:', await (await fetch(`${url}/bookings/2026-07-01`)).json())
  console.log('revenue:', await (await fetch(`${url}/revenue`)).json())

  server.close()
}
await rm(directory, { recursive: true, force: true })
