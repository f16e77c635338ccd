import { describe, expect, it } from 'vitest'
import { createDevHandler } from '../../../../src/cli/dev/dev-handler.ts'
import type { DevSession } from '../../../../src/cli/dev/dev-session.ts'
import type { HttpRequest, HttpResponse } from '../../../../src/core/ports/http.ts'
import { MESSAGE_CONTENT_TYPE, REQUEST_PATH } from '../../../../src/core/wire-http.ts'
import { decodeResponse, encodeRequest } from '../../../../src/protocol/codec.ts'

const OWN = { host: '127.0.0.1:4400' }
const ANSWER = new Uint8Array([7])
const MESSAGE = encodeRequest({
  header: {
    version: 1,
    schemaVersion: 1,
    principal: null,
    clientRegion: 'us',
    timeoutMs: 1000,
    session: { positions: {}, nowMs: 0 },
    trace: null,
    forwarded: false,
  },
  body: { kind: 'hello' },
})

/** What the handler answers, and how many requests reached a region. */
async function ask(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
): Promise<HttpResponse & { readonly reached: number }> {
  let reached = 0
  const transport = {
    request: async () => {
      reached++
      return ANSWER
    },
  }
  const deployment = { transport: () => transport }
  const session = { deployment, look: async () => ({ regions: [] }) } as unknown as DevSession
  const handler = createDevHandler({ session, url: () => 'http://127.0.0.1:4400' })
  const request: HttpRequest = {
    method,
    path,
    query: new URLSearchParams(),
    headers,
    remoteAddress: '127.0.0.1',
    signal: new AbortController().signal,
    body: async () => MESSAGE,
  }
  return { ...(await handler.request(request)), reached }
}

describe('the server of `meridian dev`', () => {
  const message = { 'content-type': MESSAGE_CONTENT_TYPE }

  it.each([
    ['a client', OWN],
    ['a client by name', { host: 'localhost:4400' }],
    ['a client over IPv6', { host: '[::1]:4400' }],
    ['its own page', { ...OWN, origin: 'http://127.0.0.1:4400' }],
  ])('serves %s', async (_who, headers) => {
    expect((await ask('GET', '/dev/snapshot', headers)).status).toBe(200)
    expect(await ask('POST', REQUEST_PATH, { ...headers, ...message })).toMatchObject({
      reached: 1,
      body: ANSWER,
    })
  })

  it.each([
    ['by a name that leads here', { host: 'attacker.example:4400' }],
    ['by a name that begins as this machine', { host: '127.0.0.1.attacker.example' }],
    ['from a page of elsewhere', { ...OWN, origin: 'https://attacker.example' }],
    ['from a page of another port', { ...OWN, origin: 'http://127.0.0.1:5173' }],
    ['from a page without an origin', { ...OWN, origin: 'null' }],
  ])('shows and does nothing %s', async (_from, headers) => {
    for (const path of ['/', '/dev/snapshot', '/dev/events']) {
      expect((await ask('GET', path, headers)).status).toBe(403)
    }
    expect(await ask('POST', REQUEST_PATH, { ...headers, ...message })).toMatchObject({
      status: 403,
      reached: 0,
    })
  })

  it('takes no message in a form that any page may send', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', '']) {
      const { reached, body } = await ask('POST', REQUEST_PATH, { ...OWN, 'content-type': type })
      expect(reached).toBe(0)
      expect(decodeResponse(body as Uint8Array)).toMatchObject({
        ok: false,
        error: { code: 'PROTOCOL_MALFORMED' },
      })
    }
  })

  it('keeps its rows from pages that embed what it answers', async () => {
    expect((await ask('GET', '/dev/snapshot', OWN)).headers).toMatchObject({
      'cross-origin-resource-policy': 'same-origin',
      'x-content-type-options': 'nosniff',
    })
  })
})
