import { describe, expect, it } from 'vitest'
import { Router } from '../../../src/client/router.ts'
import { MeridianError } from '../../../src/core/errors.ts'
import type { WireTenant } from '../../../src/protocol/messages.ts'
import { Session } from '../../../src/session/session.ts'
import { connectTo, FakeNodes, ok, type Reply } from '../../support/fake-node.ts'

function tenant(home: string, regions: readonly string[] = ['a', 'b', 'c']): WireTenant {
  return { home, epoch: 1, state: 'active', tenantClass: 'default', regions }
}

function notHome(): MeridianError {
  return new MeridianError('NOT_HOME', 'Elsewhere.')
}

function make(...replies: Reply[]): {
  router: Router
  nodes: FakeNodes
  call: ReturnType<ReturnType<typeof connectTo>['begin']>
} {
  const nodes = new FakeNodes(...replies)
  const connection = connectTo(nodes)
  const call = connection.begin('test', new Session(), { deadlineMs: 200 })
  return { router: new Router(connection), nodes, call }
}

describe('a router', () => {
  it('asks its own region for a tenant once', async () => {
    const { router, nodes, call } = make(ok(tenant('b')))
    expect(router.known('x')).toBeUndefined()
    await router.tenant('x', call)
    await router.tenant('x', call)
    expect(nodes.received.map(({ region }) => region)).toEqual(['a'])
    expect(router.known('x')?.home).toBe('b')
  })

  it('asks the log before it says that there is no tenant', async () => {
    const { router, nodes, call } = make(ok(null), ok(null))
    await expect(router.tenant('x', call)).rejects.toMatchObject({ code: 'TENANT_NOT_FOUND' })
    expect(nodes.received.map(({ body }) => body)).toMatchObject([
      { fresh: false },
      { fresh: true },
    ])
  })

  it('sends to the home, and follows it when it has moved', async () => {
    const { router, nodes, call } = make(ok(tenant('b')), ok(tenant('c')))
    const asked: string[] = []
    const answer = await router.atHome('x', call, async (home) => {
      asked.push(home)
      if (home === 'b') throw notHome()
      return 'done'
    })
    expect(answer).toBe('done')
    expect(asked).toEqual(['b', 'c'])
    expect(nodes.received).toHaveLength(2)
    expect(router.known('x')?.home).toBe('c')
  })

  it('waits for a directory that has not heard of the move yet, ever longer', async () => {
    const { router, call } = make(ok(tenant('b')))
    let asked = 0
    const startMs = performance.now()
    await router.atHome('x', call, async () => {
      asked++
      if (asked < 4) throw notHome()
    })
    expect(asked).toBe(4)
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(5 + 10 + 20)
  })

  it('gives up with the redirect when the time is over', async () => {
    const { router, call } = make(ok(tenant('b')))
    const running = router.atHome('x', call, async () => {
      throw notHome()
    })
    await expect(running).rejects.toMatchObject({ name: 'MeridianError' })
  })

  it('hands every other error on', async () => {
    const { router, call } = make(ok(tenant('b')))
    const running = router.atHome('x', call, async () => {
      throw new MeridianError('NOT_FOUND', 'No row.')
    })
    await expect(running).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('knows where the tenant may be read', () => {
    const { router } = make()
    router.requirePermitted('x', tenant('b'))
    expect(() => router.requirePermitted('x', tenant('b', ['b', 'c']))).toThrow(
      expect.objectContaining({ code: 'RESIDENCY_DENIED', fix: 'Call from one of: b, c.' }),
    )
  })
})
