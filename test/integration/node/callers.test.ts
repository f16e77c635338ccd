import { describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import {
  CHANNEL_PATH_PREFIX,
  HEALTH_PATH,
  METRICS_PATH,
  READY_PATH,
  SQL_PATH_PREFIX,
  STATUS_PATH,
  STRONG_PATH,
} from '../../../src/core/wire-http.ts'
import { generateKeyPair } from '../../../src/drivers/auth/signing-keys.ts'
import { clusterKeys, type ClusterKeys } from '../../support/node-auth.ts'
import {
  clientOf,
  layCluster,
  page,
  REGIONS,
  send,
  type Cluster,
} from '../../support/node-cluster.ts'
import { schema } from '../../support/node-schema.ts'
import { until } from '../../support/until.ts'

/** The status with which a WebSocket is refused; 101 where it opens. */
function upgradeStatus(url: string, headers: Readonly<Record<string, string>>): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url.replace('http', 'ws'), { headers })
    socket.once('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0))
    socket.once('open', () => {
      socket.terminate()
      resolve(101)
    })
    socket.once('error', reject)
  })
}

async function startWithKeys(): Promise<{ cluster: Cluster; keys: ClusterKeys }> {
  const keys = clusterKeys()
  const cluster = await layCluster({ schema, ...keys.layout })
  const nodes = await cluster.startAll()
  await Promise.all(nodes.map((node) => node.ready()))
  return { cluster, keys }
}

describe('nodes with configured callers', () => {
  it('serve those with a token, by its rights, and each other by their own keys', async () => {
    const { cluster, keys } = await startWithKeys()
    const admin = await keys.token(null, ['read', 'write', 'admin'])
    const operator = await clientOf(cluster, schema, 'us-east', { token: admin })
    await operator.tenants.create({ id: 'acme', home: 'us-east' })
    await operator.plans.insert({ id: 'pro', seats: 1 })

    const token = await keys.token(['acme'])
    const db = await clientOf(cluster, schema, 'ap-south', { token })
    await db.tenant('acme').orders.insert({ id: 'o', amount: 7 })
    expect(await db.plans.get('pro', { consistency: 'strong' })).toEqual({ id: 'pro', seats: 1 })
    await expect(db.plans.insert({ id: 'max', seats: 1 })).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
    })
    await expect(db.tenant('other').orders.get('o')).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
    })
    // Forwarded by the node of one region to that of another.
    const order = await db.tenant('acme').orders.get('o', { consistency: 'strong' })
    expect(order).toEqual({ id: 'o', amount: 7 })
    // Replicated from one to the other.
    const eu = await clientOf(cluster, schema, 'eu-west', { token })
    await until(async () => {
      const replica = await eu.tenant('acme').orders.get('o', { consistency: 'stale' })
      expect(replica).toEqual({ id: 'o', amount: 7 })
    })
  })

  it('speak for the region that calls where a process serves several', async () => {
    const both = ['us-east', 'ap-south'] as const
    const keys = clusterKeys(both)
    const cluster = await layCluster({ schema, ...keys.layout, sharedUrl: both })
    const nodes = [await cluster.start('eu-west'), await cluster.start('us-east')]
    await Promise.all(nodes.map((node) => node.ready()))
    await until(() => {
      const streams = nodes.flatMap((node) =>
        node
          .status()
          .regions.flatMap(({ region, imports, exports }) => [
            ...imports.map(({ from, connected }) => `${from} > ${region}: ${connected}`),
            ...exports.map(({ to, connected }) => `${region} > ${to}: ${connected}`),
          ]),
      )
      const links = REGIONS.flatMap((a) => REGIONS.flatMap((b) => (a === b ? [] : [`${a} > ${b}`])))
      const expected = links.flatMap((link) => [`${link}: true`, `${link}: true`])
      expect(streams.sort()).toEqual(expected.sort())
    })
  })

  it.each([
    ['no token', undefined],
    ['something else', 'abc'],
    ['an unsigned token', `${btoa('{"alg":"none"}')}.${btoa('{"sub":"x"}')}.`],
  ])('refuse %s with 401 and a typed answer', async (_case, token) => {
    const keys = clusterKeys()
    const cluster = await layCluster({ schema, ...keys.layout })
    const { url } = await cluster.start('us-east')
    const options = token === undefined ? {} : { token }
    const { status, headers, response } = await send(url, 'us-east', { kind: 'hello' }, options)
    expect(status).toBe(401)
    expect(headers.get('www-authenticate')).toBe('Bearer')
    expect(response).toMatchObject({ ok: false, error: { code: 'UNAUTHENTICATED' } })
  })

  it('answer what a token does not allow with 403', async () => {
    const { cluster, keys } = await startWithKeys()
    const token = await keys.token(['acme'], ['read'])
    const body = { kind: 'tenant', tenant: 'other', fresh: false } as const
    const { status, response } = await send(cluster.url('us-east'), 'us-east', body, { token })
    expect(status).toBe(403)
    expect(response).toMatchObject({ ok: false, error: { code: 'PERMISSION_DENIED' } })
  })

  it('open channels to nodes alone', async () => {
    const { cluster, keys } = await startWithKeys()
    const token = await keys.token(null, ['read', 'write', 'admin', 'metrics'])
    const url = cluster.url('eu-west')
    for (const service of ['stream', 'commit-log', 'snapshot']) {
      const path = `${url}${CHANNEL_PATH_PREFIX}/eu-west/${service}`
      expect(await upgradeStatus(path, {})).toBe(401)
      expect(await upgradeStatus(path, { authorization: `Bearer ${token}` })).toBe(403)
    }
  })

  it('take in no node that has not the key of its region', async () => {
    const keys = clusterKeys()
    const cluster = await layCluster({ schema, ...keys.layout })
    await (await cluster.start('eu-west')).ready()
    const environment = { NODE_KEY: generateKeyPair().privateKeyJwk }
    const stranger = await cluster.start('us-east', { environment })
    await until(() => {
      expect(stranger.status().regions[0]?.imports[0]?.error).toBe('UNAUTHENTICATED')
    })
    expect(stranger.status().ready).toBe(false)
  })

  it('show metrics and status to the scope `metrics`, and health to anyone', async () => {
    const { cluster, keys } = await startWithKeys()
    const url = cluster.url('us-east')
    const reader = await keys.token(['acme'], ['read', 'write'])
    const watcher = await keys.token([], ['metrics'])
    for (const path of [METRICS_PATH, STATUS_PATH, STRONG_PATH]) {
      expect((await page(url, path)).status).toBe(401)
      expect((await page(url, path, reader)).status).toBe(403)
      expect((await page(url, path, watcher)).status).toBe(200)
    }
    for (const path of [HEALTH_PATH, READY_PATH]) expect((await page(url, path)).status).toBe(200)
  })

  it('do not start without their own key, and say which variable it is in', async () => {
    const keys = clusterKeys()
    const cluster = await layCluster({ schema, ...keys.layout })
    const starting = cluster.start('us-east', { environment: {} })
    await expect(starting).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    await expect(starting).rejects.toThrow(/auth\.nodeKey.*NODE_KEY/)
  })
})

describe('a node without configured callers', () => {
  it('says in its first line that it serves this machine alone', async () => {
    const cluster = await layCluster({ schema, node: () => ({ listen: '0.0.0.0:0' }) })
    const node = await cluster.start('us-east')
    expect(new URL(node.url).hostname).toBe('127.0.0.1')
    expect(cluster.log.lines[0]).toMatchObject({
      level: 'warn',
      event: 'node starts on the loopback interface only',
    })
  })

  it('refuses what a page in a browser could send', async () => {
    const cluster = await layCluster({ schema, sharedUrl: REGIONS })
    const { url } = await cluster.start('us-east')
    const form = await fetch(`${url}/v1/request`, { method: 'POST', body: 'text' })
    expect(form.status).toBe(400)
    const sql = await fetch(`${url}${SQL_PATH_PREFIX}/v2/pipeline`, {
      method: 'POST',
      headers: { origin: 'https://page.example' },
      body: '{"baton":null,"requests":[]}',
    })
    expect(sql.status).toBe(403)
    const channel = `${url}${CHANNEL_PATH_PREFIX}/us-east/stream`
    expect(await upgradeStatus(channel, { origin: 'https://page.example' })).toBe(403)
    expect(await upgradeStatus(channel, { host: 'rebound.example' })).toBe(403)
    expect(await upgradeStatus(channel, {})).toBe(101)
  })
})
