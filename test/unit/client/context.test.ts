import { describe, expect, it } from 'vitest'
import { ClientContext, type Draft } from '../../../src/client/context.ts'
import { Router } from '../../../src/client/router.ts'
import { createSession } from '../../../src/client/sessions.ts'
import { MeridianError } from '../../../src/core/errors.ts'
import type { TransactionRequest } from '../../../src/core/operations.ts'
import type { Consistency } from '../../../src/schema/compiled.ts'
import { Session } from '../../../src/session/session.ts'
import { connectTo, FakeNodes, ok, refused, type Reply } from '../../support/fake-node.ts'
import { shop } from '../../support/shop.ts'

function tenant(home: string): Reply {
  return ok({ home, epoch: 1, state: 'active', tenantClass: 'default', regions: ['a', 'b', 'c'] })
}

const committed = ok({ txId: 't', hlc: '0', updated: [] }, { positions: { 'b.1': 9 } })
const notHome = refused(new MeridianError('NOT_HOME', 'Elsewhere.'))
const lost = new MeridianError('REGION_UNREACHABLE', 'Lost.', { retry: 'unknown-outcome' })

function make(...replies: Reply[]): { context: ClientContext; nodes: FakeNodes; session: Session } {
  const nodes = new FakeNodes(...replies)
  const connection = connectTo(nodes)
  const session = new Session()
  let basis = 100
  const context = new ClientContext({
    schema: shop,
    connection,
    router: new Router(connection),
    session: createSession(session, undefined),
    strongBasis: async () => basis++,
  })
  return { context, nodes, session }
}

function draft(mode: Consistency, content: unknown = 'content'): Draft {
  const tenantId = mode === 'strong' ? '' : 'x'
  return { tenant: tenantId, mode, reads: [], ops: [], content: async () => content }
}

function commit(context: ClientContext, one: Draft, key?: string): Promise<unknown> {
  return context.run('test', { deadlineMs: 1_000 }, (call) => context.commit(one, call, key))
}

function commitsOf(nodes: FakeNodes): readonly (readonly [string, TransactionRequest])[] {
  return nodes.received.flatMap(({ region, body }) =>
    body.kind === 'commit' ? [[region, body.request] as const] : [],
  )
}

describe('a pinned write', () => {
  it('keeps its identity over lost answers and redirects, so that it has one effect', async () => {
    const { context, nodes } = make(tenant('b'), lost, notHome, tenant('c'), lost, committed)
    await commit(context, draft('pinned'))
    const sent = commitsOf(nodes)
    expect(sent.map(([region]) => region)).toEqual(['b', 'b', 'c', 'c'])
    expect(new Set(sent.map(([, request]) => JSON.stringify(request))).size).toBe(1)
  })

  it('makes what it wrote part of the session', async () => {
    const { context, session } = make(tenant('b'), committed)
    await commit(context, draft('pinned'))
    expect(session.state().positions).toEqual({ 'b.1': 9 })
  })
})

describe('a strong write', () => {
  it('fixes its basis at the first send', async () => {
    const { context, nodes } = make(lost, committed)
    await commit(context, draft('strong'))
    expect(commitsOf(nodes).map(([region, { basis }]) => [region, basis])).toEqual([
      ['a', 100],
      ['a', 100],
    ])
  })
})

describe('an eventual write', () => {
  it('goes to its own region alone', async () => {
    const { context, nodes } = make(tenant('b'), lost, committed)
    await commit(context, draft('eventual'))
    expect(commitsOf(nodes).map(([region]) => region)).toEqual(['a', 'a'])
  })
})

describe('a key', () => {
  it('is made for each write, and stands for its content', async () => {
    const { context, nodes } = make(committed)
    await commit(context, draft('strong'))
    await commit(context, draft('strong'))
    const [first, second] = commitsOf(nodes).map(([, request]) => request)
    expect(first?.idempotencyKey).not.toBe(second?.idempotencyKey)
    expect(first?.contentHash).toBe(first?.idempotencyKey)
  })

  it('that is given comes with a hash of the content', async () => {
    const { context, nodes } = make(committed)
    for (const content of ['x', 'x', 'y']) await commit(context, draft('strong', content), 'mine')
    const hashes = commitsOf(nodes).map(([, request]) => request.contentHash)
    expect(commitsOf(nodes).every(([, request]) => request.idempotencyKey === 'mine')).toBe(true)
    expect(hashes[0]).toBe(hashes[1])
    expect(hashes[0]).not.toBe(hashes[2])
  })
})

describe('wishes', () => {
  const get = { kind: 'get', table: 1, tenant: '', keys: [['k']] } as const
  const unmet = refused(new MeridianError('SESSION_NOT_MET', 'Not here.'))
  const rows = ok({ rows: [null] })

  function read(
    context: ClientContext,
    consistency: Parameters<ClientContext['read']>[2],
  ): Promise<unknown> {
    return context.run('test', { deadlineMs: 300 }, (call) =>
      context.read('', call, consistency, (level) => ({ ...get, level })),
    )
  }

  it('are tried in order until one is met', async () => {
    const { context, nodes } = make(unmet, rows)
    await read(context, [{ level: 'session' }, { level: 'stale' }, { level: 'strong' }])
    expect(nodes.received.map(({ body }) => 'level' in body && body.level)).toEqual([
      'session',
      'stale',
    ])
  })

  it('have their own time, and the last one what is left', async () => {
    const { context, nodes } = make('silence', rows)
    await read(context, [{ level: 'strong', withinMs: 20 }, { level: 'stale' }])
    const [first, second] = nodes.received.map(({ header }) => header.timeoutMs)
    expect(first).toBeLessThanOrEqual(20)
    expect(second).toBeGreaterThan(150)
  })

  it('do not hide an error that has nothing to do with freshness', async () => {
    const { context, nodes } = make(refused(new MeridianError('UNKNOWN_TABLE', 'No.')), rows)
    await expect(read(context, [{ level: 'session' }, { level: 'stale' }])).rejects.toMatchObject({
      code: 'UNKNOWN_TABLE',
    })
    expect(nodes.received).toHaveLength(1)
  })

  it('fail with what kept the last', async () => {
    const { context } = make(unmet)
    await expect(read(context, [{ level: 'session' }, { level: 'session' }])).rejects.toMatchObject(
      {
        code: 'SESSION_NOT_MET',
      },
    )
  })
})
