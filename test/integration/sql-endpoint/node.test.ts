/** The SQL endpoint as a node mounts it: its paths, its limits, its processes, its end. */
import { createClient, type Client } from '@libsql/client'
import { expect, onTestFinished, test } from 'vitest'
import { SQL_PATH_PREFIX } from '../../../src/core/wire-http.ts'
import type { RunningNode } from '../../../src/node/open-node.ts'
import { clientOf, layCluster } from '../../support/node-cluster.ts'
import { schema } from '../../support/node-schema.ts'
import { until } from '../../support/until.ts'

const ENDLESS =
  'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n'
const HOME = 'eu-west'

interface World {
  readonly node: RunningNode
  readonly client: (scheme: 'http' | 'ws') => Client
}

async function open(limits: Readonly<Record<string, number>>): Promise<World> {
  const cluster = await layCluster({ schema, sections: { limits } })
  const node = await cluster.start(HOME)
  const db = await clientOf(cluster, schema, HOME)
  await db.tenants.create({ id: 'acme', home: HOME })
  await db.tenant('acme').orders.insert({ id: 'o1', amount: 40 })
  return {
    node,
    client(scheme) {
      const base = node.url.replace('http', scheme)
      const url = `${base}${SQL_PATH_PREFIX}/acme/`
      const client = createClient({ url, tls: false })
      onTestFinished(() => client.close())
      return client
    },
  }
}

test('a query without end is ended in time; the node and other queries go on meanwhile', async () => {
  const { client } = await open({ queryTimeoutMs: 5000 })
  const [http, ws] = [client('http'), client('ws')]
  const count = 'SELECT count(*) AS n FROM orders'
  await Promise.all([http.execute(count), ws.execute(count), http.execute(count)])
  let isOver = false
  const endless = http.execute(ENDLESS).catch((error: unknown) => error)
  void endless.then(() => (isOver = true))
  let answered = 0
  while (!isOver) {
    expect((await ws.execute(count)).rows[0]?.['n']).toBe(1)
    answered += 1
  }
  expect(answered).toBeGreaterThan(0)
  expect(await endless).toMatchObject({ code: 'QUERY_FAILED' })
  expect(String(await endless)).toContain('it ran longer than 5000 ms')
})

test('a transaction holds its snapshot in a process of the node', async () => {
  const { client } = await open({})
  const ws = client('ws')
  const transaction = await ws.transaction('read')
  await transaction.execute('SELECT 1')
  const [one, two] = await transaction.batch(['SELECT id FROM orders', 'SELECT amount FROM orders'])
  expect([one?.rows[0]?.['id'], two?.rows[0]?.['amount']]).toEqual(['o1', 40])
  await transaction.rollback()
})

test('a node that stops ends its sockets and does not wait for them', async () => {
  const { client, node } = await open({ drainTimeoutMs: 60_000 })
  const ws = client('ws')
  const transaction = await ws.transaction('read')
  await transaction.execute('SELECT id FROM orders')
  const startedMs = performance.now()
  await node.close()
  expect(performance.now() - startedMs).toBeLessThan(40_000)
  await until(() => expect(ws.execute('SELECT 1')).rejects.toBeDefined())
})
