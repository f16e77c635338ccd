/** What goes wrong between a client and a node over HTTP, and what the client makes of it. */
import { expect, it, describe } from 'vitest'
import {
  connect,
  httpDeployment,
  type HttpDeploymentOptions,
} from '../../../src/client/http/index.ts'
import { defineSchema, integer, MeridianError, table, text } from '../../../src/client/index.ts'
import { ok, refused } from '../../support/fake-node.ts'
import { startScriptedServer, type Action, type Arrived } from '../../support/scripted-server.ts'

const schema = defineSchema({
  tables: {
    plans: table(
      { id: text().primaryKey(), price: integer() },
      { consistency: 'strong', scope: 'global' },
    ),
  },
})

/** Time for a call that must succeed, whatever else the machine does. */
const AMPLE_MS = 20_000
/** Time for a call that cannot succeed. */
const SHORT_MS = 300

const READ = ok({ rows: [{ image: ['p', 7], version: 'v' }] })
const COMMIT = ok({ txId: 't', hlc: '0', updated: [] })
const PAGE: Action = { status: 502, html: '<h1>Bad Gateway</h1>' }
const UNAUTHENTICATED: Action = {
  status: 401,
  response: refused(new MeridianError('UNAUTHENTICATED', 'The token has expired.')),
}

/** A node that greets, and does with other requests what the script says. */
async function open(
  script: (request: Arrived, index: number) => Action,
  options: Partial<HttpDeploymentOptions> = {},
) {
  let index = 0
  const server = await startScriptedServer((request) =>
    request.body.kind === 'hello' ? ok({ positions: {} }) : script(request, index++),
  )
  const deployment = httpDeployment({ nodes: { a: server.url }, ...options })
  const db = await connect({ schema, region: 'a', deployment })
  return {
    server,
    plans: db.plans,
    /** What arrived but the greeting. */
    calls: () => server.arrived.filter(({ body }) => body.kind !== 'hello'),
    async [Symbol.asyncDispose]() {
      await db.close()
      await server.close()
    },
  }
}

async function failure(call: PromiseLike<unknown>): Promise<MeridianError> {
  const error = await call.then(
    () => new Error('The call did not fail.'),
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(MeridianError)
  return error as MeridianError
}

describe('a call', () => {
  it('is one request, on connections that stay', async () => {
    await using node = await open((request) => (request.body.kind === 'get' ? READ : COMMIT))
    for (let i = 0; i < 10; i++) {
      expect(await node.plans.get('p')).toEqual({ id: 'p', price: 7 })
      await node.plans.upsert({ id: 'p', price: i })
    }
    expect(node.calls()).toHaveLength(20)
    // A second one is made where an answer is done before its connection is free again.
    expect(node.server.connections()).toBeLessThanOrEqual(2)
  })

  it('names its region, its time and no token where there is none', async () => {
    await using node = await open(() => READ)
    await node.plans.get('p', { deadlineMs: 5_000 })
    const [{ headers, header }] = node.calls() as [Arrived]
    expect(headers['meridian-region']).toBe('a')
    expect(headers['content-type']).toBe('application/vnd.msgpack')
    expect(headers.authorization).toBeUndefined()
    expect(header.timeoutMs).toBeGreaterThan(0)
    expect(header.timeoutMs).toBeLessThanOrEqual(5_000)
  })
})

describe.each<[string, Action]>([
  ['whose connection is cut after it was read', 'cut'],
  ['whose answer is cut off', 'cut the answer'],
  ['that a proxy answers with an error page', PAGE],
])('a request %s', (_what, broken) => {
  it('is sent again when it reads', async () => {
    await using node = await open((_, i) => (i === 0 ? broken : READ))
    expect(await node.plans.get('p', { deadlineMs: AMPLE_MS })).toEqual({ id: 'p', price: 7 })
    expect(node.calls()).toHaveLength(2)
  })

  it('is sent again under the same key when it writes', async () => {
    await using node = await open((_, i) => (i < 2 ? broken : COMMIT))
    await node.plans.upsert({ id: 'p', price: 1 }, { deadlineMs: AMPLE_MS })
    const bodies = node.calls().map(({ body }) => JSON.stringify(body))
    expect(bodies).toHaveLength(3)
    expect(new Set(bodies).size).toBe(1)
  })

  it('leaves the outcome of a write unknown, and never that of a read', async () => {
    await using node = await open(() => broken)
    const bounds = { deadlineMs: SHORT_MS }
    const read = await failure(node.plans.get('p', bounds))
    expect(read.retry).toBe('safe')
    const write = await failure(node.plans.upsert({ id: 'p', price: 1 }, bounds))
    expect(write.retry).toBe('unknown-outcome')
    expect(write.fix).toContain('idempotency key')
    for (const { code } of [read, write]) {
      expect(['REGION_UNREACHABLE', 'DEADLINE_EXCEEDED']).toContain(code)
    }
  })
})

describe('a node that is not there', () => {
  it('has done nothing: a write may be sent again', async () => {
    await using node = await open(() => COMMIT)
    await node.server.close()
    const error = await failure(node.plans.upsert({ id: 'p', price: 1 }, { deadlineMs: SHORT_MS }))
    // The connection from before may be found broken by the first attempt, which proves nothing.
    expect(['safe', 'unknown-outcome']).toContain(error.retry)
    const nodes = { a: node.server.url }
    const deployment = httpDeployment({ nodes, deadlineMs: SHORT_MS })
    const fresh = await failure(connect({ schema, region: 'a', deployment }))
    expect(['REGION_UNREACHABLE', 'DEADLINE_EXCEEDED']).toContain(fresh.code)
    expect(fresh.retry).toBe('safe')
  })
})

describe('an answer that is no node’s', () => {
  it.each([
    [404, 'PROTOCOL_MALFORMED', 'never'],
    [403, 'PERMISSION_DENIED', 'never'],
    [413, 'REQUEST_TOO_LARGE', 'never'],
    [200, 'PROTOCOL_MALFORMED', 'never'],
  ])('of status %i is told as such, once', async (status, code, retry) => {
    await using node = await open(() => ({ status, html: 'secret of the page' }))
    const error = await failure(node.plans.get('p', { deadlineMs: AMPLE_MS }))
    expect(error).toMatchObject({ code, retry, details: { region: 'a', status } })
    expect(error.message).toContain(String(status))
    expect(error.message).not.toContain('secret')
    expect(error.fix).toBeDefined()
    expect(node.calls()).toHaveLength(1)
  })

  it('is not followed where it points elsewhere', async () => {
    await using other = await startScriptedServer(() => READ)
    const headers = { location: `${other.url}/v1/request` }
    await using node = await open(() => ({ status: 307, html: '', headers }), { token: 'abc' })
    const error = await failure(node.plans.upsert({ id: 'p', price: 1 }, { deadlineMs: AMPLE_MS }))
    expect(error).toMatchObject({ code: 'PROTOCOL_MALFORMED', retry: 'never' })
    expect(other.arrived).toEqual([])
  })
})

describe('a token', () => {
  it('is asked for once, and again once a node refuses it', async () => {
    let asked = 0
    const token = async (): Promise<string> => `token-${++asked}`
    await using node = await open(
      ({ headers }) => (headers.authorization === 'Bearer token-1' ? UNAUTHENTICATED : READ),
      { token },
    )
    expect(asked).toBe(1)
    const many = Array.from({ length: 5 }, () => node.plans.get('p', { deadlineMs: AMPLE_MS }))
    expect(await Promise.all(many)).toHaveLength(5)
    expect(asked).toBe(2)
    await node.plans.get('p')
    expect(asked).toBe(2)
    expect(node.calls().at(-1)?.headers.authorization).toBe('Bearer token-2')
  })

  it('carries a write over its renewal: it was refused before it did anything', async () => {
    let asked = 0
    await using node = await open((_, i) => (i === 0 ? UNAUTHENTICATED : COMMIT), {
      token: () => `token-${++asked}`,
    })
    await node.plans.upsert({ id: 'p', price: 1 }, { deadlineMs: AMPLE_MS })
    expect(node.calls()).toHaveLength(2)
  })

  it('that stays refused fails the call, and is in no error', async () => {
    await using node = await open(() => UNAUTHENTICATED, { token: () => 'canary-token' })
    const error = await failure(node.plans.upsert({ id: 'p', price: 1 }, { deadlineMs: AMPLE_MS }))
    expect(error).toMatchObject({ code: 'UNAUTHENTICATED', retry: 'never' })
    expect(JSON.stringify([error.message, error.details, error.stack])).not.toContain('canary')
    expect(node.calls()).toHaveLength(2)
  })

  it('that is a text is sent once', async () => {
    await using node = await open(() => UNAUTHENTICATED, { token: 'abc' })
    expect((await failure(node.plans.get('p'))).code).toBe('UNAUTHENTICATED')
    expect(node.calls()).toHaveLength(1)
  })
})

describe('a deadline', () => {
  it.each([
    ['read', 'safe'],
    ['write', 'unknown-outcome'],
  ])('ends a %s, and takes its request back', async (what, retry) => {
    await using node = await open(() => 'silence')
    const bounds = { deadlineMs: SHORT_MS }
    const call =
      what === 'read'
        ? node.plans.get('p', bounds)
        : node.plans.upsert({ id: 'p', price: 1 }, bounds)
    expect(await failure(call)).toMatchObject({ code: 'DEADLINE_EXCEEDED', retry })
    await (node.calls()[0] as Arrived).abandoned
    expect(node.calls()).toHaveLength(1)
  })
})

describe('hedging', () => {
  const hedge = { afterMs: 20 }

  it('takes the first answer to a read, and takes the other request back', async () => {
    await using node = await open((_, i) => (i === 0 ? 'silence' : READ), { hedge })
    expect(await node.plans.get('p', { deadlineMs: AMPLE_MS })).toEqual({ id: 'p', price: 7 })
    expect(node.calls()).toHaveLength(2)
    await (node.calls()[0] as Arrived).abandoned
  })

  it('never sends a write twice', async () => {
    await using node = await open(() => 'silence', { hedge })
    await failure(node.plans.upsert({ id: 'p', price: 1 }, { deadlineMs: SHORT_MS }))
    expect(node.calls()).toHaveLength(1)
  })

  it('is off unless asked for', async () => {
    await using node = await open(() => 'silence')
    await failure(node.plans.get('p', { deadlineMs: SHORT_MS }))
    expect(node.calls()).toHaveLength(1)
  })
})
