import { describe, expect, it } from 'vitest'
import { httpDeployment } from '../../../../src/client/http/index.ts'
import { PASSED_HEADER } from '../../../../src/core/wire-http.ts'

const ANSWER = { 'content-type': 'application/vnd.msgpack' }
const refused = (): never => {
  throw Object.assign(new TypeError('fetch failed'), {
    cause: Object.assign(new Error('connect'), { code: 'ECONNREFUSED', syscall: 'connect' }),
  })
}

/** A region with two nodes, and who is asked. */
function regionOf(answer: (node: string, count: number) => Response | Promise<Response>): {
  readonly asked: string[]
  readonly ask: (message?: Uint8Array) => Promise<Uint8Array>
} {
  const asked: string[] = []
  const deployment = httpDeployment({
    nodes: { r: ['http://a', 'http://b'] },
    fetch: async (url) => {
      const node = new URL(url).hostname
      asked.push(node)
      return answer(node, asked.length)
    },
  })
  const transport = deployment.transport('r')
  return { asked, ask: (message = Uint8Array.of(1)) => transport.request('r', message) }
}

describe('a region with two nodes', () => {
  it('is asked of the other one where one does not listen', async () => {
    const { asked, ask } = regionOf((node) =>
      node === 'a' ? refused() : new Response('x', { headers: ANSWER }),
    )
    await ask()
    await ask()
    expect(asked).toEqual(['a', 'b', 'b'])
  })

  it('is asked of the one that holds it, once an answer says that another one does', async () => {
    const { asked, ask } = regionOf((node) => {
      const passed = node === 'a' ? { [PASSED_HEADER]: '7' } : {}
      return new Response('x', { headers: { ...ANSWER, ...passed } })
    })
    for (let i = 0; i < 3; i++) await ask()
    expect(asked).toEqual(['a', 'b', 'b'])
  })

  it('is not asked again where the first node may have done it', async () => {
    const { asked, ask } = regionOf(() => {
      throw new TypeError('fetch failed')
    })
    await expect(ask()).rejects.toMatchObject({ retry: 'unknown-outcome' })
    expect(asked).toEqual(['a'])
  })

  it('gives copies of one message to different nodes', async () => {
    let go: (() => void) | undefined
    const gate = new Promise<void>((resolve) => {
      go = resolve
    })
    const { asked, ask } = regionOf(async () => {
      await gate
      return new Response('x', { headers: ANSWER })
    })
    const message = Uint8Array.of(1)
    const both = Promise.all([ask(message), ask(message), ask(Uint8Array.of(1))])
    await Promise.resolve()
    go?.()
    await both
    expect([...asked].sort()).toEqual(['a', 'a', 'b'])
  })
})

it('a region without any node is refused', () => {
  expect(() => httpDeployment({ nodes: { r: [] } })).toThrow(/no URL of a node/)
})
