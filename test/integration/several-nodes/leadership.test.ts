/**
 * The rules of docs/spec/leadership.md: who serves a region, what becomes of requests while nobody
 * does, and that the checks see a node that breaks a rule.
 */
import { createServer } from 'node:http'
import { createServer as createTcpServer, type Server } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { increment } from '../../../src/client/index.ts'
import {
  HEALTH_PATH,
  MESSAGE_CONTENT_TYPE,
  PASSED_HEADER,
  REGION_HEADER,
  REQUEST_PATH,
} from '../../../src/core/wire-http.ts'
import type { RunningNode } from '../../../src/node/open-node.ts'
import type { SharedRegionFaults } from '../../../src/node/shared-region/faults.ts'
import { page, send, type Answer } from '../../support/node-cluster.ts'
import { schema } from '../../support/node-schema.ts'
import { layRegionNodes, SHARED, type RegionNodes } from '../../support/region-nodes.ts'
import { until } from '../../support/until.ts'

/** How long a request is inside while its node leaves; less than a node waits. */
const INSIDE_MS = 5_000
const READ = { kind: 'tenant', tenant: 'acme', fresh: false } as const

/** Somebody else who stands for the role, at the address of node `a`, which a test serves or nobody. */
async function lead(layout: RegionNodes<typeof schema>): Promise<() => Promise<void>> {
  const leadership = await layout.role.campaign('', layout.url('a'), new AbortController().signal)
  return () => leadership.resign()
}

async function listen(server: Server, url: string): Promise<void> {
  await new Promise<void>((resolve) => {
    server.listen(Number(new URL(url).port), '127.0.0.1', resolve)
  })
  onTestFinished(() => {
    server.close()
  })
}

function ask(url: string, timeoutMs = 20_000): Promise<Answer> {
  return send(url, SHARED, READ, { header: { timeoutMs } })
}

/** Whether the node that was asked answered by itself. */
async function answersItself(url: string): Promise<boolean> {
  const answer = await ask(url)
  expect(answer.response.ok).toBe(true)
  return answer.headers.get(PASSED_HEADER) === null
}

describe('two nodes that both believe they hold the region', () => {
  test('do not both write: the store is the first one’s until that one hears of it', async () => {
    const layout = await layRegionNodes(schema)
    const { a, b } = await layout.startAll()
    const db = await layout.client(['a'])
    await db.tenants.create({ id: 'acme', home: SHARED })
    await db.tenant('acme').visits.insert({ id: 'v' })
    layout.role.expire()
    await until(() => expect(b.status().shared).toMatchObject([{ state: 'opening' }]))
    expect(a.status().shared).toMatchObject([{ state: 'leading' }])
    for (let i = 0; i < 5; i++) {
      await db.tenant('acme').visits.update('v', { times: increment(1) })
    }
    expect(b.status().regions).toEqual([])

    layout.role.tell()
    await until(() => expect(b.status().shared).toMatchObject([{ state: 'leading' }]))
    // The client knows `a` alone, which passes what it is asked.
    await db.tenant('acme').visits.update('v', { times: increment(1) })
    expect(await db.tenant('acme').visits.get('v')).toEqual({ id: 'v', times: 6 })
    expect(a.status().shared).toMatchObject([{ state: 'standing-by', holder: layout.url('b') }])
  })

  test('a node that lost the store gives the region up, and its caller is told to ask again', async () => {
    const layout = await layRegionNodes(schema)
    const { a, b } = await layout.startAll()
    const db = await layout.client(['a'])
    await db.tenants.create({ id: 'acme', home: SHARED })
    await db.tenant('acme').visits.insert({ id: 'v' })
    await stealStore(layout)
    // Refused by the fence, and then served by whoever holds the region next.
    await db.tenant('acme').visits.update('v', { times: increment(1) }, { deadlineMs: 60_000 })
    expect(await db.tenant('acme').visits.get('v')).toEqual({ id: 'v', times: 1 })
    const states = [a, b].flatMap((node) => node.status().shared.map(({ state }) => state))
    expect(states).toContain('leading')
    expect(layout.role.holder()?.fence).toBeGreaterThan(1)
  })
})

/** A read that waits at a node for a position that does not come. */
function readInside(node: RunningNode): Promise<Answer> {
  const [region] = node.status().regions
  const session = { positions: { [region?.source ?? '']: 1_000_000 }, nowMs: 0 }
  const body = { kind: 'query', tenant: 'acme', sql: 'SELECT id FROM orders', args: [] } as const
  const header = { timeoutMs: INSIDE_MS, session }
  return send(node.url, SHARED, { ...body, level: 'session' }, { header })
}

async function untilInside(node: RunningNode): Promise<void> {
  await until(() => expect(node.status().requestsInProgress).toBe(1))
  // A whole exchange later its body has been read, and it is inside.
  await page(node.url, HEALTH_PATH)
}

/** Gives the store's row to nobody, under a higher fence: as an owner who came and went. */
async function stealStore(layout: RegionNodes<typeof schema>): Promise<void> {
  const { url = '' } = layout.config.stores[SHARED] ?? {}
  const sql = 'UPDATE _store SET owner = NULL, alive_until_ms = 0, fence = fence + 1'
  const answer = await fetch(`${url}/v2/pipeline`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      requests: [{ type: 'execute', stmt: { sql } }, { type: 'close' }],
    }),
  })
  expect(JSON.stringify(await answer.json())).not.toContain('"error"')
}

describe('a passed request', () => {
  const passed = async (url: string): Promise<number> => {
    const answer = await fetch(`${url}${REQUEST_PATH}`, {
      method: 'POST',
      headers: {
        'content-type': MESSAGE_CONTENT_TYPE,
        [REGION_HEADER]: SHARED,
        [PASSED_HEADER]: '1',
      },
      body: Uint8Array.of(1),
    })
    return answer.status
  }

  test('is not passed again: who does not hold the region says so', async () => {
    const layout = await layRegionNodes(schema)
    const { a, b } = await layout.startAll()
    expect(await passed(b.url)).toBe(421)
    expect(await passed(a.url)).toBe(400)
    const socket = await page(b.url, '/v1/channels/us-east/stream')
    expect(socket.status).toBe(404)
  })

  test('would be with the fault `passAgain`, and this check sees it', async () => {
    const layout = await layRegionNodes(schema)
    await layout.start('single')
    const a = await layout.start('a')
    await a.ready()
    const b = await layout.start('b', { faults: { passAgain: true } })
    await b.ready()
    expect(await passed(b.url)).not.toBe(421)
  })

  test('that reaches a node which does not hold the region is asked of the next holder', async () => {
    const layout = await layRegionNodes(schema)
    let refusals = 0
    const stale = createServer((request, response) => {
      refusals += 1
      request.resume().on('end', () => response.writeHead(421).end())
    })
    await listen(stale, layout.url('a'))
    const resign = await lead(layout)
    await layout.start('single')
    const b = await layout.start('b')
    const answer = ask(b.url)
    await until(() => expect(refusals).toBeGreaterThan(1))
    await resign()
    expect((await answer).response).toMatchObject({ ok: true, value: null })
    await b.ready()
  })
})

describe('while nobody holds the region', () => {
  test('requests wait, and are served by the next holder', async () => {
    const layout = await layRegionNodes(schema)
    const resign = await lead(layout)
    await layout.start('single')
    const b = await layout.start('b')
    const answers = Promise.all([ask(b.url), ask(b.url), ask(b.url)])
    const sql = query(b.url)
    await until(() => expect(b.status().requestsInProgress).toBe(4))
    await resign()
    for (const { status } of await answers) expect(status).toBe(200)
    expect((await sql).status).toBe(200)
  })

  test('they wait no longer than their deadline, and are safe to repeat', async () => {
    const layout = await layRegionNodes(schema)
    await lead(layout)
    const b = await layout.start('b')
    const answer = await ask(b.url, 300)
    expect(answer.status).toBe(503)
    expect(answer.response).toMatchObject({
      ok: false,
      error: { code: 'REGION_UNREACHABLE', retry: 'safe' },
    })
  })

  test('no more of them wait than is allowed', async () => {
    const limits = { maxConcurrentRequests: 4, maxConcurrentPerPrincipal: 4 }
    const layout = await layRegionNodes(schema, { sections: { limits } })
    const resign = await lead(layout)
    await layout.start('single')
    const b = await layout.start('b')
    const waiting = [ask(b.url), ask(b.url)]
    await until(() => expect(b.status().requestsInProgress).toBe(2))
    const third = await ask(b.url)
    expect(third.status).toBe(503)
    expect(third.response).toMatchObject({ ok: false, error: { code: 'OVERLOADED' } })
    await resign()
    for (const answer of waiting) expect((await answer).response).toMatchObject({ ok: true })
  })

  test('a node that stops sends away what still waits, as safe to repeat', async () => {
    const limits = { drainTimeoutMs: 2_000 }
    const layout = await layRegionNodes(schema, { sections: { limits } })
    await lead(layout)
    const b = await layout.start('b')
    const answer = ask(b.url)
    await until(() => expect(b.status().requestsInProgress).toBe(1))
    const closed = b.close()
    expect((await answer).response).toMatchObject({
      ok: false,
      error: { code: 'REGION_UNREACHABLE', retry: 'safe' },
    })
    await closed
  })
})

describe('an answer that was lost on the way from the holder', () => {
  /** A holder that takes requests and never answers, until it is gone; nodes ask it for its clock, too. */
  async function silent(url: string): Promise<{ requests: () => number; end: () => void }> {
    let requests = 0
    const server = createTcpServer((socket) => {
      sockets.add(socket)
      let path = ''
      socket
        .on('error', () => undefined)
        .on('data', (chunk) => {
          path ||= chunk.toString('latin1').split(' ')[1] ?? ''
          if (path === REQUEST_PATH) requests++
        })
    })
    const sockets = new Set<import('node:net').Socket>()
    await listen(server, url)
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy()
    })
    const end = (): void => {
      for (const socket of sockets) socket.destroy()
    }
    return { requests: () => requests, end }
  }

  async function lose(faults: SharedRegionFaults): Promise<Answer> {
    const layout = await layRegionNodes(schema)
    const holder = await silent(layout.url('a'))
    const resign = await lead(layout)
    await layout.start('single')
    const b = await layout.start('b', { faults })
    const answer = ask(b.url)
    // The head and the body of the request, besides the probe of the node.
    await until(() => expect(holder.requests()).toBeGreaterThan(1))
    holder.end()
    if (faults.repeatUnknown !== true) return answer
    await resign()
    return answer
  }

  test('leaves the outcome unknown: the caller alone may ask twice', async () => {
    expect((await lose({})).response).toMatchObject({
      ok: false,
      error: { code: 'REGION_UNREACHABLE', retry: 'unknown-outcome' },
    })
  })

  test('is asked for again with the fault `repeatUnknown`, and this check sees it', async () => {
    expect((await lose({ repeatUnknown: true })).response).toMatchObject({ ok: true })
  })

  test('is not waited for once another node holds the region', async () => {
    const layout = await layRegionNodes(schema)
    const holder = await silent(layout.url('a'))
    await lead(layout)
    await layout.start('single')
    const b = await layout.start('b')
    const answer = ask(b.url)
    await until(() => expect(holder.requests()).toBeGreaterThan(1))
    layout.role.expire()
    expect((await answer).response).toMatchObject({
      ok: false,
      error: { code: 'REGION_UNREACHABLE', retry: 'unknown-outcome' },
    })
    // The client repeats it, and the node that was asked holds the region by now.
    await b.ready()
    expect((await ask(b.url)).response).toMatchObject({ ok: true })
  })
})

describe('a node whose lease ran out', () => {
  async function afterLoss(faults: SharedRegionFaults): Promise<boolean> {
    const layout = await layRegionNodes(schema)
    await layout.start('single')
    const a = await layout.start('a', { faults })
    await a.ready()
    const b = await layout.start('b')
    await b.ready()
    layout.role.expire()
    layout.role.tell()
    if (faults.ignoreLostLease !== true) {
      await until(() => expect(b.status().shared).toMatchObject([{ state: 'leading' }]))
    }
    return answersItself(a.url)
  }

  test('serves nothing by itself any more', async () => {
    expect(await afterLoss({})).toBe(false)
  })

  test('would with the fault `ignoreLostLease`, and this check sees it', async () => {
    expect(await afterLoss({ ignoreLostLease: true })).toBe(true)
  })

  /** What becomes of a read that is inside while the lease runs out, before anybody says so. */
  async function lapseOver(faults: SharedRegionFaults): Promise<Answer> {
    const layout = await layRegionNodes(schema)
    await layout.start('single')
    const a = await layout.start('a', { faults })
    await a.ready()
    await (await layout.client(['a'])).tenants.create({ id: 'acme', home: SHARED })
    const answer = readInside(a)
    await untilInside(a)
    layout.role.lapse()
    return answer
  }

  test('does not give what it had read before', async () => {
    expect((await lapseOver({})).response).toMatchObject({
      ok: false,
      error: { code: 'REGION_UNREACHABLE', retry: 'unknown-outcome' },
    })
  })

  test('would give it with the fault `ignoreLostLease`, and this check sees it', async () => {
    expect((await lapseOver({ ignoreLostLease: true })).response).toMatchObject({
      ok: false,
      error: { code: 'SESSION_NOT_MET' },
    })
  })
})

describe('a node that hands over', () => {
  /** What becomes of a read that is inside while its node leaves: it waits for a later position. */
  async function leaveOver(faults: SharedRegionFaults): Promise<Answer> {
    const layout = await layRegionNodes(schema)
    await layout.start('single')
    const a = await layout.start('a', { faults })
    await a.ready()
    await (await layout.client(['a'])).tenants.create({ id: 'acme', home: SHARED })
    const answer = readInside(a)
    await untilInside(a)
    await a.close()
    return answer
  }

  test('waits for the requests inside', async () => {
    expect((await leaveOver({})).response).toMatchObject({
      ok: false,
      error: { code: 'SESSION_NOT_MET' },
    })
  })

  test('passes what comes meanwhile to the next holder', async () => {
    const layout = await layRegionNodes(schema)
    const { a, b } = await layout.startAll()
    const closed = a.close()
    const answer = await ask(a.url)
    expect(answer.response).toMatchObject({ ok: true })
    expect(answer.headers.get(PASSED_HEADER)).toBe('2')
    await closed
    expect(b.status().shared).toMatchObject([{ state: 'leading', fence: 2 }])
  })

  test('would not with the fault `cutOff`, and this check sees it', async () => {
    expect((await leaveOver({ cutOff: true })).response).toMatchObject({
      ok: false,
      error: { code: 'REGION_UNREACHABLE', retry: 'unknown-outcome' },
    })
  })
})

function query(url: string): Promise<{ readonly status: number }> {
  return fetch(`${url}/v1/sql/v2/pipeline`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      requests: [
        { type: 'execute', stmt: { sql: 'SELECT count(*) FROM plans' } },
        { type: 'close' },
      ],
    }),
  })
}
