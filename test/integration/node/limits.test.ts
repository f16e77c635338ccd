import { describe, expect, it } from 'vitest'
import { READY_PATH } from '../../../src/core/wire-http.ts'
import type { RunningNode } from '../../../src/node/open-node.ts'
import { encodeRequest } from '../../../src/protocol/codec.ts'
import { PROTOCOL_VERSION, type RequestBody } from '../../../src/protocol/messages.ts'
import {
  clientOf,
  layCluster,
  page,
  post,
  REGIONS,
  send,
  type Cluster,
} from '../../support/node-cluster.ts'
import { schema } from '../../support/node-schema.ts'
import { beginRequest } from '../../support/slow-request.ts'
import { until } from '../../support/until.ts'

const HELLO: RequestBody = { kind: 'hello' }
const LIMITS = { maxConcurrentRequests: 4, maxBodyBytes: 10_000 }

async function start(limits: object): Promise<{ cluster: Cluster; node: RunningNode }> {
  const cluster = await layCluster({ schema, sharedUrl: REGIONS, sections: { limits } })
  const node = await cluster.start('us-east')
  await node.ready()
  return { cluster, node }
}

function helloMessage(): Uint8Array {
  return encodeRequest({
    header: {
      version: PROTOCOL_VERSION,
      schemaVersion: 1,
      principal: null,
      clientRegion: 'us-east',
      timeoutMs: 20_000,
      session: { positions: {}, nowMs: 0 },
      trace: null,
      forwarded: false,
    },
    body: HELLO,
  })
}

describe('a node', () => {
  it('sheds requests beyond those it may work on at once, typed, and serves again after', async () => {
    const { node } = await start(LIMITS)
    const held = await Promise.all(
      Array.from({ length: LIMITS.maxConcurrentRequests }, () =>
        beginRequest(node.url, 'us-east', helloMessage()),
      ),
    )
    await until(() => {
      expect(node.status().requestsInProgress).toBe(LIMITS.maxConcurrentRequests)
    })
    const { status, headers, response } = await send(node.url, 'us-east', HELLO)
    expect(status).toBe(503)
    expect(headers.get('retry-after')).toBe('1')
    expect(response).toMatchObject({ ok: false, error: { code: 'OVERLOADED', retry: 'safe' } })
    // Whoever watches it still can.
    expect((await page(node.url, READY_PATH)).status).toBe(200)

    for (const request of held) void request.finish()
    await until(async () => {
      expect((await send(node.url, 'us-east', HELLO)).status).toBe(200)
    })
  })

  it('sheds requests whose bodies would fill its memory, and serves others', async () => {
    const maxBodyBytes = 4000
    const { node } = await start({ maxBodyBytes })
    for (let i = 0; i < 32; i++) {
      await beginRequest(node.url, 'us-east', new Uint8Array(maxBodyBytes))
    }
    await until(() => {
      expect(node.status().requestsInProgress).toBe(32)
    })
    const { status, response } = await send(node.url, 'us-east', HELLO)
    expect(status).toBe(503)
    expect(response).toMatchObject({ ok: false, error: { code: 'OVERLOADED' } })
    expect((await page(node.url, READY_PATH)).status).toBe(200)
  })

  it('refuses a body beyond its limit', async () => {
    const { node } = await start(LIMITS)
    const body = new Uint8Array(LIMITS.maxBodyBytes + 1)
    const { status, response } = await post(node.url, 'us-east', body)
    expect(status).toBe(413)
    expect(response).toMatchObject({ ok: false, error: { code: 'REQUEST_TOO_LARGE' } })
  })

  it('says of a region that it does not serve, and of no region, which ones it serves', async () => {
    const { node } = await start({})
    for (const region of ['mars', '']) {
      const { status, response } = await send(node.url, region, HELLO)
      expect(status).toBe(404)
      expect(response).toMatchObject({ ok: false, error: { code: 'REGION_UNKNOWN' } })
    }
  })

  it('has nothing at other paths', async () => {
    const { node } = await start({})
    expect((await page(node.url, '/')).status).toBe(404)
    expect((await page(node.url, '/v1/channels/us-east/stream')).status).toBe(404)
  })
})

describe('a node that stops', () => {
  it('answers what is in progress and takes in nothing new', async () => {
    const { cluster, node } = await start({ drainTimeoutMs: 60_000 })
    const request = await beginRequest(node.url, 'us-east', helloMessage())
    await until(() => {
      expect(node.status().requestsInProgress).toBe(1)
    })
    const closing = node.close()
    expect(node.status().ready).toBe(false)
    await until(async () => {
      await expect(page(node.url, READY_PATH)).rejects.toThrow(/fetch failed/)
    })
    const answer = await request.finish()
    expect(answer).toMatch(/^HTTP\/1\.1 200 /)
    expect(answer.toLowerCase()).toContain('connection: close')
    await closing
    expect(cluster.log.lines.at(-1)?.event).toBe('node stopped')
  })

  it('cuts what is still in progress after the time it may take', async () => {
    const { node } = await start({ drainTimeoutMs: 50 })
    await beginRequest(node.url, 'us-east', helloMessage())
    await until(() => {
      expect(node.status().requestsInProgress).toBe(1)
    })
    await node.close()
  })

  it('keeps what it acknowledged for the next one', async () => {
    const { cluster, node } = await start({})
    const db = await clientOf(cluster, schema, 'us-east')
    await db.tenants.create({ id: 'acme', home: 'us-east' })
    await db.tenant('acme').orders.insert({ id: 'o', amount: 7 })
    await node.close()
    await cluster.start('us-east')
    expect(await db.tenant('acme').orders.get('o')).toEqual({ id: 'o', amount: 7 })
  })
})
