import { describe, expect, it } from 'vitest'
import { httpDeployment } from '../../../../src/client/http/index.ts'

/** The URL and the options that a request is made with. */
async function requested(node: string): Promise<[string, RequestInit]> {
  let seen: [string, RequestInit] | undefined
  const deployment = httpDeployment({
    nodes: { a: node },
    token: 'abc',
    fetch: async (url, init) => {
      seen = [url, init]
      const headers = { 'content-type': 'application/vnd.msgpack; charset=binary' }
      return new Response('answer', { headers })
    },
  })
  const answer = await deployment.transport('a').request('a', Uint8Array.of(1))
  expect(new TextDecoder().decode(answer)).toBe('answer')
  return seen!
}

describe('a node’s URL', () => {
  it.each([
    ['http://localhost:4600', 'http://localhost:4600/v1/request'],
    ['https://eu.example.com/', 'https://eu.example.com/v1/request'],
    ['https://example.com/data/eu/', 'https://example.com/data/eu/v1/request'],
  ])('%s is asked at %s', async (node, endpoint) => {
    const [url, init] = await requested(node)
    expect(url).toBe(endpoint)
    expect(init).toMatchObject({ method: 'POST', redirect: 'manual', body: Uint8Array.of(1) })
    expect(init.headers).toEqual({
      authorization: 'Bearer abc',
      'content-type': 'application/vnd.msgpack',
      'meridian-region': 'a',
    })
  })

  it.each([
    '',
    'localhost:4600',
    'eu.example.com',
    'ftp://example.com',
    'https://canary:canary@example.com',
    'https://example.com/?canary=1',
    'https://example.com/#canary',
  ])('%j is refused, and not repeated', (node) => {
    try {
      httpDeployment({ nodes: { a: node } })
      expect.unreachable()
    } catch (error) {
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', details: { region: 'a' } })
      expect(String(error)).not.toContain('canary')
    }
  })
})

describe('a region', () => {
  const deployment = httpDeployment({ nodes: { a: 'http://a', b: 'http://b' } })

  it('without a URL is unknown, as the caller’s and as the one that is asked', async () => {
    expect(() => deployment.transport('c')).toThrow('There are: a, b.')
    const request = deployment.transport('a').request('c', Uint8Array.of(1))
    await expect(request).rejects.toMatchObject({ code: 'REGION_UNKNOWN' })
  })

  it('opens no channels to clients', async () => {
    const channel = deployment.transport('a').connect('b', 'stream')
    await expect(channel).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})

describe('a request whose signal has aborted', () => {
  it('is not sent, and fails with the reason itself', async () => {
    const reason = new Error('over')
    let sent = 0
    const deployment = httpDeployment({
      nodes: { a: 'http://a' },
      fetch: async () => new Response(String(sent++)),
    })
    const request = deployment
      .transport('a')
      .request('a', Uint8Array.of(1), AbortSignal.abort(reason))
    await expect(request).rejects.toBe(reason)
    expect(sent).toBe(0)
  })
})
