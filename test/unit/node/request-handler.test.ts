import { describe, expect, test } from 'vitest'
import { MeridianError, toWireError } from '../../../src/core/errors.ts'
import { PROCESS_CALLER } from '../../../src/core/principal.ts'
import { unobserved } from '../../../src/node/observe/request-observer.ts'
import { RequestHandler, type HandlerParts } from '../../../src/node/request-handler.ts'
import { decodeResponse, encodeRequest, encodeResponse } from '../../../src/protocol/codec.ts'
import { PROTOCOL_VERSION, type Response } from '../../../src/protocol/messages.ts'
import { ManualRuntime, turns } from '../../support/manual-runtime.ts'

/** A node of `eu` that forwards every read to the home `us`, which the test plays. */
function forwardTo(home: HandlerParts['transport']['request']): {
  readonly runtime: ManualRuntime
  read(timeoutMs: number): Promise<Response>
} {
  const runtime = new ManualRuntime()
  const parts = {
    region: 'eu',
    schema: { version: 1 },
    directory: { lookup: async () => ({ home: 'us', epoch: 1, tenantClass: 'standard' }) },
    residency: { allows: () => true },
    reads: { viewsOf: () => [], serve: async () => undefined },
    transport: { request: home },
    clock: runtime.clock,
    timers: runtime.timers,
    observe: unobserved,
  }
  const handler = new RequestHandler(parts as unknown as HandlerParts)
  const read = async (timeoutMs: number): Promise<Response> => {
    const message = encodeRequest({
      header: {
        version: PROTOCOL_VERSION,
        schemaVersion: 1,
        principal: null,
        clientRegion: 'eu',
        timeoutMs,
        session: { positions: {}, nowMs: 0 },
        trace: null,
        forwarded: false,
      },
      body: { kind: 'get', table: 1, tenant: 'acme', keys: [['a']], level: 'strong' },
    })
    return decodeResponse(await handler.handle(message, PROCESS_CALLER))
  }
  return { runtime, read }
}

describe('a read that is forwarded to its home', () => {
  test('ends with the deadline of its caller, and so does the request to the home', async () => {
    const signals: (AbortSignal | undefined)[] = []
    const node = forwardTo((_region, _message, signal) => {
      signals.push(signal)
      return new Promise((_resolve, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason))
      })
    })
    const answer = node.read(1_000)
    await turns()
    expect(signals).toHaveLength(1)
    await node.runtime.advance(1_000)
    expect(await answer).toMatchObject({ ok: false, error: { code: 'DEADLINE_EXCEEDED' } })
    expect(signals[0]?.aborted).toBe(true)
  })

  test('that the home refuses for the token of this node is not the fault of the client', async () => {
    const error = toWireError(new MeridianError('UNAUTHENTICATED', 'No such key.'))
    const node = forwardTo(async () => encodeResponse({ ok: false, error, receipt: null }))
    const answer = await node.read(1_000)
    expect(answer).toMatchObject({
      ok: false,
      error: { code: 'REGION_UNREACHABLE', retry: 'safe' },
    })
  })
})
