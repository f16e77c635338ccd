/** Whoever writes the role's place in etcd says who holds a region: tokens go to known nodes alone. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { READY_PATH, REGION_HEADER, SQL_PATH_PREFIX } from '../../../src/core/wire-http.ts'
import type { NodeReport } from '../../../src/node/node-status.ts'
import { page } from '../../support/node-cluster.ts'
import { schema } from '../../support/node-schema.ts'
import { layRegionNodes, SHARED } from '../../support/region-nodes.ts'
import { until } from '../../support/until.ts'

/** A server that notes what it is asked. */
async function listen(asked: string[]): Promise<string> {
  const server = createServer(({ url, headers }, response) => {
    asked.push(`${url} ${headers.authorization}`)
    response.end('mine')
  })
  server.on('upgrade', ({ url, headers }, socket) => {
    asked.push(`${url} ${headers.authorization}`)
    socket.destroy()
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('a holder that the configuration does not name is asked nothing', async () => {
  const layout = await layRegionNodes(schema)
  await layout.start('single')
  const asked: string[] = []
  const url = await listen(asked)
  const held = layout.role.campaign('', url, new AbortController().signal)
  const b = await layout.start('b')
  await held
  await until(async () => {
    const report = JSON.parse((await page(b.url, READY_PATH)).text) as NodeReport
    expect(report.checks).toContainEqual({
      name: `leader ${SHARED}`,
      ok: false,
      waitsFor: `a node of the configuration: ${url}, which holds the region, is none`,
    })
  })
  const giveUp = new AbortController()
  const answer = fetch(`${b.url}${SQL_PATH_PREFIX}/acme/v2/pipeline`, {
    method: 'POST',
    headers: { authorization: 'Bearer secret', [REGION_HEADER]: SHARED },
    body: '{}',
    signal: giveUp.signal,
  })
  const given = answer.then(
    ({ status }) => `answered ${status}`,
    () => 'given up',
  )
  await until(() => {
    expect(layout.log.lines).toContainEqual({
      level: 'error',
      event: 'holder of region is no node of the configuration: it is asked nothing',
      fields: { region: SHARED, holder: url },
    })
  })
  giveUp.abort()
  expect(await given).toBe('given up')
  expect(asked).toEqual([])
  await (await held).resign()
  await b.ready()
}, 120_000)

test('would be with the fault `believeAnyHolder`, and this check sees it', async () => {
  const layout = await layRegionNodes(schema)
  const asked: string[] = []
  const url = await listen(asked)
  const held = layout.role.campaign('', url, new AbortController().signal)
  const b = await layout.start('b', { faults: { believeAnyHolder: true } })
  await held
  await fetch(`${b.url}${SQL_PATH_PREFIX}/acme/v2/pipeline`, {
    method: 'POST',
    headers: { authorization: 'Bearer secret', [REGION_HEADER]: SHARED },
    body: '{}',
  })
  expect(asked.join()).toContain('Bearer secret')
}, 120_000)

test('what somebody sends without a name is bound by every node, not by the holder alone', async () => {
  const limits = { maxBodyBytes: 65_536 }
  const layout = await layRegionNodes(schema, { sections: { limits } })
  const { b } = await layout.startAll()
  const socket = new WebSocket(`${b.url.replace('http', 'ws')}${SQL_PATH_PREFIX}/acme`, 'hrana3', {
    headers: { [REGION_HEADER]: SHARED },
  })
  onTestFinished(() => socket.terminate())
  const closed = new Promise<number>((resolve) => {
    socket.on('close', resolve)
  })
  await new Promise((resolve, reject) => {
    socket.once('open', resolve).once('error', reject)
  })
  socket.send('x'.repeat(100_000))
  // Too big, by the node that was asked: one that passed it would close without a reason.
  expect(await closed).toBe(1009)
}, 120_000)
