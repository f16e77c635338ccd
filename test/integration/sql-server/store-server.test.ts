import { Agent, request } from 'node:http'
import { createClient } from '@libsql/client'
import { afterEach, expect, test } from 'vitest'
import {
  openStoreServer,
  type RunningStoreServer,
  type StoreServerOptions,
} from '../../../src/node/store-server.ts'

const TOKEN = 'a-token-that-is-long-enough'
let servers: RunningStoreServer[] = []

afterEach(async () => {
  for (const server of servers) await server.close()
  servers = []
})

async function open(options: StoreServerOptions = {}): Promise<RunningStoreServer> {
  const server = await openStoreServer(options)
  servers.push(server)
  return server
}

function pipeline(url: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${url}/v2/pipeline`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({
      requests: [{ type: 'execute', stmt: { sql: 'SELECT 1' } }, { type: 'close' }],
    }),
  })
}

test('health is told to anybody', async () => {
  const server = await open({ token: TOKEN })
  expect((await fetch(`${server.url}/health`)).status).toBe(200)
})

test('only who knows the token is served, over HTTP and WebSocket', async () => {
  const server = await open({ token: TOKEN })
  for (const authToken of [undefined, 'another', `${TOKEN}x`, '']) {
    for (const url of [server.url, server.url.replace('http', 'ws')]) {
      const client = createClient({ url, ...(authToken === undefined ? {} : { authToken }) })
      await expect(client.execute('SELECT 1'), `${url} ${authToken}`).rejects.toMatchObject({
        code: 'UNAUTHENTICATED',
      })
      client.close()
    }
  }
  const refused = await pipeline(server.url, { authorization: 'Bearer another' })
  expect(refused.status).toBe(401)
  const text = await refused.text()
  expect(JSON.parse(text)).toMatchObject({ code: 'UNAUTHENTICATED' })
  expect(text).not.toContain('another-')
  for (const url of [server.url, server.url.replace('http', 'ws')]) {
    const client = createClient({ url, authToken: TOKEN })
    expect((await client.execute('SELECT 1 AS one')).rows[0]?.['one']).toBe(1)
    client.close()
  }
})

test('without a token other machines and pages of a browser are refused', async () => {
  await expect(openStoreServer({ host: '0.0.0.0' })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
  })
  const server = await open()
  expect((await pipeline(server.url)).status).toBe(200)
  const fromPage = await pipeline(server.url, { origin: 'http://elsewhere.example' })
  expect(fromPage.status).toBe(403)
})

test('a port that is taken is an error that says so, and leaves no file locked', async () => {
  const first = await open()
  await expect(openStoreServer({ port: first.port })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('EADDRINUSE'),
  })
})

/** Posts a body over one of the agent's connections; resolves to the answer's status and text. */
function post(url: string, agent: Agent, body: string): Promise<{ status: number; text: string }> {
  return new Promise((done, fail) => {
    const headers = { 'content-type': 'application/json' }
    const outgoing = request(`${url}/v2/pipeline`, { method: 'POST', agent, headers }, (answer) => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (part: string) => (text += part))
      answer.once('end', () => done({ status: answer.statusCode ?? 0, text }))
      answer.once('error', fail)
    })
    outgoing.once('error', fail)
    outgoing.end(body)
  })
}

test('of 5,000 requests at once each is answered or refused in a typed way, and no write is lost', async () => {
  const server = await open()
  const client = createClient({ url: server.url })
  await client.execute('CREATE TABLE t (a INTEGER PRIMARY KEY)')
  // More connections than sessions; a listening socket's queue holds no more than about 500.
  const agent = new Agent({ keepAlive: true, maxSockets: 300 })
  const answers = await Promise.all(
    Array.from({ length: 5_000 }, (_, i) => {
      const sql = i % 50 === 0 ? `INSERT INTO t VALUES (${i})` : `SELECT ${i}`
      const requests = [{ type: 'execute', stmt: { sql } }, { type: 'close' }]
      return post(server.url, agent, JSON.stringify({ requests }))
    }),
  )
  agent.destroy()
  let written = 0
  for (const [i, { status, text }] of answers.entries()) {
    if (status !== 200 || text.includes('"type":"error"')) expect(text).toContain('OVERLOADED')
    else if (i % 50 === 0) written++
    else expect(text).toContain(`"${i}"`)
  }
  const { rows } = await client.execute('SELECT count(*) AS n FROM t')
  expect(rows[0]?.['n']).toBe(written)
  client.close()
})
